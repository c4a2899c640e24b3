//! Scenarios that every mutant must fail and the product must pass: short and deterministic.

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};
use trigrun_core::domain::id::JobId;
use trigrun_testkit::client::Request;
use uuid::Uuid;

use super::{Options, run};
use crate::{
    api::call,
    cluster::{Role, Selector},
    faults::{Fault, apply},
    load::Plan,
    recorder::{End, Hit},
    report::{Bound, Figure, Report},
    run::{Run, Setup},
};

const BASELINE_BOUND: Bound = Bound::AtMost(300.0);
/// Until the session of a paused executor has expired and another has taken over. With a mutant it may never happen.
const REPEAT_TIMEOUT: Duration = Duration::from_secs(45);
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(30);
/// What a scheduler logs when it requests the publication of messages that were lost.
const REPUBLICATION: &str = r#""reason":"dispatch_lost""#;
/// Each executor gets some of them.
const SLOW_REQUESTS: usize = 24;

fn setup(options: &Options) -> Setup {
    let mut setup = options.setup();
    setup.plan = Plan { jobs: 40, ..Plan::default() };
    setup.drain_timeout = Duration::from_secs(20);
    setup
}

/// Faults of schedulers and Redis.
pub async fn dispatches(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let mut setup = setup(&options);
    let filter = "warn,trigrun_scheduler::recover=info";
    setup.layout =
        setup.layout.with(Selector::All(Role::Scheduler), "TRIGRUN__TELEMETRY__LOG_FILTER", filter);
    let (phases, outcome) = run(name, setup, async |run| {
        let baseline = run.baseline(Duration::from_secs(4)).await;
        let from = run.clock.elapsed();
        // Loses what it has planned and not published.
        run.kill(Role::Scheduler, 0)?;
        run.cluster.restart(Role::Scheduler, 0)?;
        run.wait(Duration::from_secs(3)).await;
        let killed = run.phase_since(from);
        let from = run.clock.elapsed();
        for _ in 0..8 {
            apply(run, Fault::FlushRedis).await?;
            run.wait(Duration::from_millis(250)).await;
        }
        let flushed = run.phase_since(from);
        run.wait(Duration::from_secs(1)).await;
        apply(run, Fault::SetTimersBack).await?;
        run.kill_all(Role::Scheduler)?;
        run.wait(Duration::from_secs(4)).await;
        run.restart_all(Role::Scheduler)?;
        run.wait(Duration::from_secs(4)).await;
        Ok([baseline, killed, flushed])
    })
    .await?;
    let republications = outcome.logged.iter().filter(|line| line.contains(REPUBLICATION)).count();
    let [baseline, killed, flushed] = phases.map(|phase| outcome.lateness_in(phase).p99);
    let figures = vec![
        Figure::new("baseline lateness, p99", baseline, "ms", BASELINE_BOUND),
        Figure::new("passes that found lost messages", republications as f64, "", Bound::AtLeast(1.0)),
        // Executors themselves find work that is two seconds overdue; republication has to be faster.
        Figure::new("lateness when a scheduler dies, p99", killed, "ms", Bound::AtMost(1900.0)),
        Figure::new("lateness while Redis is wiped, p99", flushed, "ms", Bound::AtMost(2500.0)),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// Faults of executors and targets.
pub async fn sessions(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let (baseline, outcome) = run(name, setup(&options), async |run| {
        let baseline = run.baseline(Duration::from_secs(2)).await;
        request_endless_body(run).await?;
        let slow = request_slow_responses(run).await?;
        // The responses arrive during the pause, and wait in the sockets. The executor resumes when another makes the same requests, so
        // its results are stale and the runs are still open, however fast the machine is.
        run.pause_executor(0, REPEAT_TIMEOUT)?;
        let is_repeated = |hits: &[Hit]| {
            hits.iter().any(|hit| slow.contains(&hit.job) && hit.number > 1 && hit.end == End::Open)
        };
        if !run.recorder.received(is_repeated, REPEAT_TIMEOUT).await {
            run.log("no request was repeated");
        }
        run.end_pauses()?;
        run.wait(Duration::from_secs(2)).await;
        run.kill(Role::Executor, 1)?;
        run.cluster.restart(Role::Executor, 1)?;
        run.wait(Duration::from_secs(12)).await;
        Ok(baseline)
    })
    .await?;
    let figures = vec![
        Figure::new("baseline lateness, p99", outcome.lateness_in(baseline).p99, "ms", BASELINE_BOUND),
        Figure::new("interrupted attempts", outcome.interrupted() as f64, "", Bound::AtLeast(2.0)),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// The jobs of the requests, when all of these have arrived.
async fn request_slow_responses(run: &Run) -> anyhow::Result<HashSet<Uuid>> {
    let mut jobs = HashSet::new();
    for _ in 0..SLOW_REQUESTS {
        jobs.insert(run_once(run, json!({ "url": run.recorder.url("/slow/8000") })).await?);
    }
    let have_arrived = |hits: &[Hit]| jobs.iter().all(|job| hits.iter().any(|hit| hit.job == *job));
    ensure!(run.recorder.received(have_arrived, ARRIVAL_TIMEOUT).await, "not all slow requests have arrived");
    Ok(jobs)
}

/// A target that starts its response immediately and never ends it.
async fn request_endless_body(run: &Run) -> anyhow::Result<()> {
    run_once(run, json!({ "url": run.recorder.url("/drip"), "timeout_seconds": 2 })).await?;
    Ok(())
}

/// The id of a job that runs once, now.
async fn run_once(run: &Run, request: Value) -> anyhow::Result<Uuid> {
    let retries = json!({ "max_attempts": 1 });
    let job = json!({ "name": "once", "kind": "one_time", "request": request, "retry_policy": retries });
    let (api, token) = (run.cluster.apis()[0], &run.load.tenants[0].token);
    let created = call(api, token, Request::new(Method::POST, "/v1/jobs").json(&job)).await;
    ensure!(created.status == Some(201), "{created:?}");
    let id: JobId = created.body["id"].as_str().unwrap_or_default().parse()?;
    Ok(id.uuid())
}
