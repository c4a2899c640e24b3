//! A great many runs are due at the same instant.

use std::time::Duration;
use tokio_postgres::Client;
use trigrun_core::domain::{id::WorkspaceId, workspace::shard};
use uuid::Uuid;

use super::{Ask, Span, play};
use crate::{
    cluster::{Role, Whom},
    load::{Kind, Plan},
    report::{Bound, Figure, Verdict},
    run::{Run, Setup},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// All of a flood has run by then, or never will.
const PASSES_WITHIN: Duration = Duration::from_secs(600);

/// Quiet workspaces, so that what the flood costs them can be seen.
fn quiet(ask: &Ask) -> Setup {
    let mut setup = ask.setup();
    setup.plan = Plan { jobs: 45, workspaces: 9, only: Some(Kind::Fast), ..Plan::default() };
    setup.users = None;
    setup.rules = 0;
    setup
}

/// One workspace has a hundred thousand runs due at once; nine others have five runs a second each.
pub async fn crowd(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let ((peace, crowded), outcome) = play(name, quiet(&ask), async |run| {
        let peace = run.peace(Duration::from_secs(10)).await;
        run.say("one workspace has 100,000 runs due at once");
        let from = run.clock.elapsed();
        let sql = run.servers.sql().await?;
        sql.batch_execute(&due_now(
            neighbour_of(run.load.tenants[0].workspace),
            100_000,
            30,
            &run.recorder.url("/fast"),
        ))
        .await?;
        passed(run, &sql, |_| {}).await?;
        Ok((peace, Span { from, to: run.clock.elapsed() }))
    })
    .await?;
    let (before, beside) = (outcome.late(peace), outcome.late(crowded));
    let bound = (2.0 * before.p99).max(3000.0);
    let took = (crowded.to - crowded.from).as_secs_f64();
    let figures = vec![
        Figure::new("quiet workspaces in peace, p99", before.p99, "ms", Bound::None),
        Figure::new("quiet workspaces beside the crowd, p99", beside.p99, "ms", Bound::AtMost(bound)),
        Figure::new("the crowd has run within", took, "s", Bound::None),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// The id of a workspace that shares its shard: what could be held up is.
fn neighbour_of(quiet: WorkspaceId) -> Uuid {
    let ids = (0u128..).map(|n| Uuid::from_u128(0x00c0_0000_0000_7000_8000_0000_0000_0000 + n));
    let mut ids = ids.filter(|id| shard(WorkspaceId::from_uuid(*id)) == shard(quiet));
    ids.next().unwrap_or_default()
}

/// Ten thousand targets that accept and never answer, twice, for one executor.
pub async fn deaf(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    const DEAF: u128 = 0xdeaf_0000_0000_7000_8000_0000_0000_0000;
    /// So many workspaces that every shard has its part.
    const WORKSPACES: usize = 40;
    const OF_EACH: usize = 250;
    const TIMEOUT_SECONDS: u16 = 15;
    let mut setup = quiet(&ask);
    setup.layout.executors = 1;
    // One shard has a quarter of the room at most, and some have three of those workspaces.
    setup.layout = setup.layout.with(Whom::All(Role::Executor), "TRIGRUN__EXECUTOR__MAX_IN_FLIGHT", "60000");
    let (resident, outcome) = play(name, setup, async |run| {
        let sql = run.servers.sql().await?;
        let mut resident = 0;
        // Twice: an allocator keeps what it had to ask for once, and the second flood must not need more.
        for flood in [0, WORKSPACES as u128] {
            run.say("10,000 requests that will not be answered");
            for workspace in flood..flood + WORKSPACES as u128 {
                let id = Uuid::from_u128(DEAF + workspace);
                sql.batch_execute(&due_now(id, OF_EACH, TIMEOUT_SECONDS, &run.recorder.url("/deaf"))).await?;
            }
            passed(run, &sql, |run| {
                let executors = run.cluster.held().into_iter().filter(|(role, ..)| *role == Role::Executor);
                resident = executors.map(|(.., held)| held.resident_mb).fold(resident, u64::max);
            })
            .await?;
            if flood == 0 {
                run.take_level();
            }
        }
        Ok(resident)
    })
    .await?;
    let timed_out = outcome.record.attempts.values().filter(|attempt| attempt.status == "timeout");
    let off: Vec<f64> = timed_out
        .map(|attempt| (f64::from(attempt.total_us) / 1000.0 - f64::from(TIMEOUT_SECONDS) * 1000.0).abs())
        .collect();
    let others = outcome.lateness(Duration::ZERO, Duration::MAX);
    let figures = vec![
        Figure::new(
            "requests that were timed out",
            off.len() as f64,
            "",
            Bound::AtLeast((2 * WORKSPACES * OF_EACH) as f64),
        ),
        Figure::new(
            "farthest from its timeout",
            off.iter().copied().fold(0.0, f64::max),
            "ms",
            Bound::AtMost(250.0),
        ),
        Figure::new("the executor's memory", resident as f64, "MB", Bound::AtMost(1024.0)),
        Figure::new("others beside them: lateness, p99", others.p99, "ms", Bound::None),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// Waits until no run of a flood is left.
async fn passed(run: &mut Run, sql: &Client, mut look: impl FnMut(&Run)) -> anyhow::Result<()> {
    let begun = run.clock.elapsed();
    let left = "select count(*) from executions where source = 'manual' and finished_at is null";
    for second in 1.. {
        run.pass(LOOK_EVERY).await;
        look(run);
        let left: i64 = sql.query_one(left, &[]).await?.get(0);
        if left == 0 {
            break;
        }
        anyhow::ensure!(
            run.clock.elapsed() < begun + PASSES_WITHIN,
            "{left} runs are left after {PASSES_WITHIN:?}"
        );
        if second % 10 == 0 {
            run.say(&format!("{left} of them are left"));
        }
    }
    Ok(())
}

/// A workspace with a job, both of this id, and so many runs of it that are due now: more at once than the API would take.
fn due_now(id: Uuid, count: usize, timeout_seconds: u16, url: &str) -> String {
    // Ids in the order of time, different in each workspace.
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
         insert into executions (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at)
         select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex({salt}), 3, '0') || '8000'
                 || lpad(to_hex(n), 12, '0'))::uuid,
                '{id}', '{id}', 1, {shard}, 'queued', 'manual', now(), now()
         from generate_series(1, {count}) n;"
    )
}
