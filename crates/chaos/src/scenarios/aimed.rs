//! What every mutant must fail in, and the product must pass: short, and without chance.

use anyhow::ensure;
use hyper::Method;
use serde_json::json;
use std::time::Duration;

use super::{Ask, Span, play};
use crate::{
    cluster::Role,
    faults::{Fault, apply},
    http::{ApiRequest, call},
    load::Plan,
    report::{Bound, Figure, Verdict},
    run::{Run, Setup},
};

const IN_PEACE: Bound = Bound::AtMost(300.0);

fn setup(ask: &Ask) -> Setup {
    let mut setup = ask.setup();
    setup.plan = Plan { jobs: 40, ..Plan::default() };
    setup.drains_within = Duration::from_secs(20);
    setup
}

/// Schedulers and Redis: what is planned, announced and lost.
pub async fn dispatches(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let ((peace, bereft, flushed), outcome) = play(name, setup(&ask), async |run| {
        let peace = run.peace(Duration::from_secs(4)).await;
        let from = run.clock.elapsed();
        // What it has planned and not published dies with it.
        run.kill(Role::Scheduler, 0).await?;
        run.begin_again(Role::Scheduler, 0)?;
        run.pass(Duration::from_secs(3)).await;
        let bereft = Span { from, to: run.clock.elapsed() };
        let from = run.clock.elapsed();
        for _ in 0..8 {
            apply(run, Fault::FlushRedis).await?;
            run.pass(Duration::from_millis(250)).await;
        }
        let flushed = Span { from, to: run.clock.elapsed() };
        run.pass(Duration::from_secs(1)).await;
        apply(run, Fault::SetTimersBack).await?;
        for index in 0..run.cluster.count(Role::Scheduler) {
            run.kill(Role::Scheduler, index).await?;
        }
        run.pass(Duration::from_secs(4)).await;
        for index in 0..run.cluster.count(Role::Scheduler) {
            run.begin_again(Role::Scheduler, index)?;
        }
        run.pass(Duration::from_secs(4)).await;
        Ok((peace, bereft, flushed))
    })
    .await?;
    let [before, bereft, flushed] = [peace, bereft, flushed].map(|span| outcome.late(span));
    let figures = vec![
        Figure::new("lateness in peace, p99", before.p99, "ms", IN_PEACE),
        // Work that is two seconds overdue is found by the executors themselves: dispatches have to be published again sooner.
        Figure::new("lateness when a scheduler dies, p99", bereft.p99, "ms", Bound::AtMost(1900.0)),
        Figure::new("lateness while Redis is wiped, p99", flushed.p99, "ms", Bound::AtMost(2500.0)),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// Executors and targets: what is held, sent and answered.
pub async fn sessions(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let (peace, outcome) = play(name, setup(&ask), async |run| {
        let peace = run.peace(Duration::from_secs(2)).await;
        drip(run).await?;
        slow_ones(run).await?;
        // Long enough to be declared dead; the answers come meanwhile, and wait in the sockets.
        run.stand_still(0, Duration::from_secs(20))?;
        run.kill(Role::Executor, 1).await?;
        run.begin_again(Role::Executor, 1)?;
        run.pass(Duration::from_secs(20)).await;
        run.wake()?;
        Ok(peace)
    })
    .await?;
    let figures = vec![
        Figure::new("lateness in peace, p99", outcome.late(peace).p99, "ms", IN_PEACE),
        Figure::new("interrupted attempts", outcome.interrupted() as f64, "", Bound::AtLeast(2.0)),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// So many requests under way that each executor has some.
async fn slow_ones(run: &Run) -> anyhow::Result<()> {
    for _ in 0..24 {
        once(run, json!({ "url": run.recorder.url("/slow/2500") })).await?;
    }
    run.pass(Duration::from_millis(700)).await;
    Ok(())
}

/// A job whose target begins to answer at once, and never ends.
async fn drip(run: &Run) -> anyhow::Result<()> {
    once(run, json!({ "url": run.recorder.url("/drip"), "timeout_seconds": 2 })).await
}

async fn once(run: &Run, request: serde_json::Value) -> anyhow::Result<()> {
    let body = json!({ "name": "aimed", "kind": "one_time", "request": request, "retry_policy": { "max_attempts": 1 } });
    let (api, token) = (run.cluster.apis()[0], &run.load.tenants[0].token);
    let made = call(
        api,
        ApiRequest { method: Method::POST, path: "/v1/jobs".into(), token, key: None, body: Some(body) },
    )
    .await;
    ensure!(made.status == Some(201), "{made:?}");
    Ok(())
}
