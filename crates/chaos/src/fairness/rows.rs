//! The scenarios. Each is the attack of one tenant with an ordinary account, and what must hold besides the victims' latency.

mod api;
mod executors;
mod limits;
mod memory;
mod work;

use super::{
    Row,
    accounts::{Workspace, run_each},
    stage::{Needs, Stage},
};

/// Asks for so many runs of each of these jobs.
async fn runs(stage: &Stage, jobs: &[(&Workspace, String)], each: usize) -> anyhow::Result<()> {
    let statuses = run_each(jobs, each, stage.scale.attack).await;
    println!("  {} of {} runs were accepted", statuses.accepted(), jobs.len() * each);
    Ok(())
}

/// All scenarios, in the order in which they are played.
pub fn all() -> Vec<Row> {
    vec![
        Row {
            name: "hanging_target",
            about: "one workspace asks for 1,100 runs of a target that accepts and never answers",
            needs: Needs::Nothing,
            is_short: true,
            play: |stage| Box::pin(executors::hanging_target(stage)),
        },
        Row {
            name: "many_workspaces",
            about: "one person does so in five workspaces",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(executors::many_workspaces(stage)),
        },
        Row {
            name: "large_bodies",
            about: "runs with bodies of 250 kB to a target that does not answer",
            needs: Needs::Nothing,
            is_short: true,
            play: |stage| Box::pin(memory::large_bodies(stage)),
        },
        Row {
            name: "large_secrets",
            about: "runs of a job with 32 secrets of 8 KiB",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(memory::large_secrets(stage)),
        },
        Row {
            name: "file_descriptors",
            about: "25 hosts with 44 runs each that hang, while the executor may open 1,024 files",
            needs: Needs::FewFiles,
            is_short: false,
            play: |stage| Box::pin(executors::file_descriptors(stage)),
        },
        Row {
            name: "dead_names",
            about: "3,000 jobs that fire at once, each with a name that no server answers",
            needs: Needs::NameServer,
            is_short: false,
            play: |stage| Box::pin(executors::dead_names(stage)),
        },
        Row {
            name: "password_hashing",
            about: "60 wrong log-ins at once, without an account",
            needs: Needs::Nothing,
            is_short: true,
            play: |stage| Box::pin(memory::password_hashing(stage)),
        },
        Row {
            name: "long_emails",
            about: "log-ins, sign-ups and tokens of 16 KB, all different, without an account",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(memory::long_emails(stage)),
        },
        Row {
            name: "session_operations",
            about: "3,000 requests of an operation that only a session may ask",
            needs: Needs::Nothing,
            is_short: true,
            play: |stage| Box::pin(limits::session_operations(stage)),
        },
        Row {
            name: "moved_jobs",
            about: "a scheduled job is moved on again and again, under a quota of ten executions a minute",
            needs: Needs::Nothing,
            is_short: true,
            play: |stage| Box::pin(limits::moved_jobs(stage)),
        },
        Row {
            name: "handed_over_workspaces",
            about: "workspaces are handed over to an accomplice and left",
            needs: Needs::Nothing,
            is_short: true,
            play: |stage| Box::pin(limits::handed_over_workspaces(stage)),
        },
        Row {
            name: "large_lists",
            about: "five lists at once of 250 jobs with bodies of 256 KiB",
            needs: Needs::Nothing,
            is_short: true,
            play: |stage| Box::pin(api::large_lists(stage)),
        },
        Row {
            name: "slow_lists",
            about: "40 lists a second whose filters match nothing among a million executions",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(api::slow_lists(stage)),
        },
        Row {
            name: "deaf_channel",
            about: "2,400 notifications of four workspaces in one shard to channels that never answer",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(executors::deaf_channel(stage)),
        },
        Row {
            name: "one_destination",
            about: "2,000 runs of 20 workspaces to one host",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(executors::one_destination(stage)),
        },
        Row {
            name: "own_api_loop",
            about: "a job that asks our own API for its next run",
            needs: Needs::Nothing,
            is_short: true,
            play: |stage| Box::pin(limits::own_api_loop(stage)),
        },
        Row {
            name: "large_batches",
            about: "40 batches of 1,000 jobs and 8 MiB, in four workspaces",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(work::large_batches(stage)),
        },
        Row {
            name: "conversions",
            about: "100 conversions of sources of 4 MB",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(work::conversions(stage)),
        },
        Row {
            name: "forecasts",
            about: "300 forecasts, lists of next fires and statistics of 10,000 jobs that fire each minute",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(work::forecasts(stage)),
        },
        Row {
            name: "bulk_changes",
            about: "200 bulk changes of the tags of 1,000 jobs, of which each has a rule",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(work::bulk_changes(stage)),
        },
        Row {
            name: "event_streams",
            about: "120 streams of executions at a time",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(work::event_streams(stage)),
        },
        Row {
            name: "request_tests",
            about: "200 tests in 20 workspaces of a request that is never answered",
            needs: Needs::Nothing,
            is_short: false,
            play: |stage| Box::pin(work::request_tests(stage)),
        },
    ]
}
