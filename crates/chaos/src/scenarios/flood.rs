//! Very many runs are due at the same instant.

use std::time::Duration;
use tokio_postgres::Client;
use trigrun_core::domain::{id::WorkspaceId, workspace::shard};
use uuid::Uuid;

use super::{Options, run};
use crate::{
    cluster::{Role, Selector},
    load::{Kind, Plan},
    report::{Bound, Figure, Report},
    run::{Run, Setup},
};

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Polls between two progress messages.
const PROGRESS_POLLS: usize = 10;
const FLOOD_TIMEOUT: Duration = Duration::from_secs(600);

/// Quiet workspaces, to see what the flood costs them.
pub(super) fn quiet(options: &Options) -> Setup {
    let mut setup = options.setup();
    setup.plan = Plan { jobs: 45, workspaces: 9, only: Some(Kind::Fast), ..Plan::default() };
    setup.client_pause = None;
    setup.jobs_with_rules = 0;
    setup
}

/// One workspace has a hundred thousand runs due at once; nine others have five runs a second each.
pub async fn crowd(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let ((baseline, crowded), outcome) = run(name, quiet(&options), async |run| {
        let baseline = run.baseline(Duration::from_secs(10)).await;
        run.log("one workspace has 100,000 runs due at once");
        let from = run.clock.elapsed();
        let sql = run.servers.sql().await?;
        sql.batch_execute(&due_now(
            neighbour_of(run.load.tenants[0].workspace),
            100_000,
            30,
            &run.recorder.url("/fast"),
        ))
        .await?;
        wait_for_flood(run, &sql, |_| {}).await?;
        Ok((baseline, run.phase_since(from)))
    })
    .await?;
    let (before, during) = (outcome.lateness_in(baseline), outcome.lateness_in(crowded));
    let bound = (2.0 * before.p99).max(3000.0);
    let took = (crowded.to - crowded.from).as_secs_f64();
    let figures = vec![
        Figure::new("baseline of the quiet workspaces, p99", before.p99, "ms", Bound::None),
        Figure::new("quiet workspaces during the crowd, p99", during.p99, "ms", Bound::AtMost(bound)),
        Figure::new("the crowd ran within", took, "s", Bound::None),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// The id of a workspace in the same shard, where the flood can delay others most.
pub(super) fn neighbour_of(quiet: WorkspaceId) -> Uuid {
    let ids = (0u128..).map(|n| Uuid::from_u128(0x00c0_0000_0000_7000_8000_0000_0000_0000 + n));
    let mut ids = ids.filter(|id| shard(WorkspaceId::from_uuid(*id)) == shard(quiet));
    ids.next().unwrap_or_default()
}

/// Ten thousand targets that accept and never respond, twice, with one executor.
pub async fn deaf(name: &'static str, options: Options) -> anyhow::Result<Report> {
    const FIRST_ID: u128 = 0xdeaf_0000_0000_7000_8000_0000_0000_0000;
    /// Enough for every shard to have some.
    const WORKSPACES: usize = 40;
    const RUNS_PER_WORKSPACE: usize = 250;
    const TIMEOUT_SECONDS: u16 = 15;
    let mut setup = quiet(&options);
    setup.layout.executors = 1;
    // A shard gets a quarter of the permits at most, and some shards have three of those workspaces.
    setup.layout =
        setup.layout.with(Selector::All(Role::Executor), "TRIGRUN__EXECUTOR__MAX_IN_FLIGHT", "60000");
    let (resident_mb, outcome) = run(name, setup, async |run| {
        let sql = run.servers.sql().await?;
        let mut resident_mb = 0;
        // The allocator keeps the memory of the first flood; the second one must not need more.
        for flood in [0, WORKSPACES as u128] {
            run.log("10,000 requests that get no response");
            for workspace in flood..flood + WORKSPACES as u128 {
                let id = Uuid::from_u128(FIRST_ID + workspace);
                sql.batch_execute(&due_now(
                    id,
                    RUNS_PER_WORKSPACE,
                    TIMEOUT_SECONDS,
                    &run.recorder.url("/hang"),
                ))
                .await?;
            }
            wait_for_flood(run, &sql, |run| {
                let executors = run.cluster.usages().into_iter().filter(|(role, ..)| *role == Role::Executor);
                resident_mb = executors.map(|(.., usage)| usage.resident_mb).fold(resident_mb, u64::max);
            })
            .await?;
            if flood == 0 {
                run.take_level();
            }
        }
        Ok(resident_mb)
    })
    .await?;
    let timed_out = outcome.record.attempts.values().filter(|attempt| attempt.status == "timeout");
    let deviations: Vec<f64> = timed_out
        .map(|attempt| (f64::from(attempt.total_us) / 1000.0 - f64::from(TIMEOUT_SECONDS) * 1000.0).abs())
        .collect();
    let others = outcome.lateness(Duration::ZERO, Duration::MAX);
    let figures = vec![
        Figure::new(
            "requests that timed out",
            deviations.len() as f64,
            "",
            Bound::AtLeast((2 * WORKSPACES * RUNS_PER_WORKSPACE) as f64),
        ),
        Figure::new(
            "largest deviation from the timeout",
            deviations.iter().copied().fold(0.0, f64::max),
            "ms",
            Bound::AtMost(250.0),
        ),
        Figure::new("memory of the executor", resident_mb as f64, "MB", Bound::AtMost(1024.0)),
        Figure::new("lateness of other jobs, p99", others.p99, "ms", Bound::None),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// Waits until all runs of a flood have ended; calls `sample` at each poll.
pub(super) async fn wait_for_flood(
    run: &mut Run,
    sql: &Client,
    mut sample: impl FnMut(&Run),
) -> anyhow::Result<()> {
    let began = run.clock.elapsed();
    let left = "select count(*) from runs where source = 'manual'";
    for poll in 1.. {
        run.wait(POLL_INTERVAL).await;
        sample(run);
        let left: i64 = sql.query_one(left, &[]).await?.get(0);
        if left == 0 {
            break;
        }
        anyhow::ensure!(
            run.clock.elapsed() < began + FLOOD_TIMEOUT,
            "{left} runs are left after {FLOOD_TIMEOUT:?}"
        );
        if poll % PROGRESS_POLLS == 0 {
            run.log(&format!("{left} runs are left"));
        }
    }
    Ok(())
}

/// A workspace and a job, both with this id, and `count` runs of it that are due now: more than the API would accept at once.
pub(super) fn due_now(id: Uuid, count: usize, timeout_seconds: u16, url: &str) -> String {
    // Ids in ascending order of time, different in each workspace.
    let (salt, shard) = (id.as_u128() & 0xfff, shard(WorkspaceId::from_uuid(id)));
    format!(
        "insert into workspaces (id, name) values ('{id}', 'flood');
         insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
         values ('{id}', '{id}', 1, 'flood', 'cron', 'active', '{{}}', now(), now());
         insert into job_versions (job_id, version, created_at, name, state, tags, kind, cron, timezone, url, method, headers, body_is_json,
                                   timeout_seconds, success_statuses, max_attempts, retry_on_statuses, overlap_policy, misfire_policy,
                                   catch_up_limit, delivery)
         values ('{id}', 1, now(), 'flood', 'draft', '{{}}', 'cron', '0 0 1 1 *', 'UTC', '{url}', 'GET', '{{}}', false, {timeout_seconds},
                 '{{200}}', 1, '{{}}', 'queue', 'fire_once', 10, 'at_least_once');
         insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at)
         select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex({salt}), 3, '0') || '8000'
                 || lpad(to_hex(n), 12, '0'))::uuid,
                '{id}', '{id}', 1, {shard}, 'queued', 'manual', now(), now()
         from generate_series(1, {count}) n;"
    )
}
