//! All faults in one run.

use std::time::Duration;

use super::{Ask, play};
use crate::{
    faults::{self, shake},
    load::Plan,
    report::{Bound, Figure, Verdict},
    run::Setup,
};

pub async fn chaos(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let (time, setup) = (ask.time(60), ask.setup());
    shaken(name, &ask, setup, time, Duration::from_millis(700)).await
}

pub async fn soak(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let (time, mut setup) = (ask.time(1800), ask.setup());
    setup.plan = Plan { jobs: 600, workspaces: 12, ..Plan::default() };
    setup.drains_within = Duration::from_secs(300);
    shaken(name, &ask, setup, time, Duration::from_secs(6)).await
}

async fn shaken(
    name: &'static str,
    ask: &Ask,
    setup: Setup,
    time: Duration,
    pause: Duration,
) -> anyhow::Result<Verdict> {
    let (span, outcome) = play(name, setup, async |run| {
        let peace = run.peace(Duration::from_secs(3)).await;
        shake(run, time, &faults::ALL, pause).await?;
        Ok(peace)
    })
    .await?;
    let (peace, all) = (outcome.late(span), outcome.lateness(Duration::ZERO, Duration::MAX));
    let figures = vec![
        Figure::new("lateness in peace, median", peace.median, "ms", Bound::AtMost(100.0)),
        Figure::new("lateness of all, median", all.median, "ms", Bound::None),
        Figure::new("lateness of all, p99", all.p99, "ms", Bound::None),
        Figure::new("interrupted attempts", outcome.interrupted() as f64, "", Bound::None),
        Figure::new("clients that hung up", outcome.seen.hung_up as f64, "", Bound::None),
        Figure::new(
            "slowest answer of the API",
            outcome.seen.slowest.as_secs_f64(),
            "s",
            Bound::AtMost(10.0),
        ),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}
