//! All faults in one run.

use std::time::Duration;

use super::{Options, run};
use crate::{
    faults::{self, inject},
    load::Plan,
    report::{Bound, Figure, Report},
    run::Setup,
};

pub async fn chaos(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let (time, setup) = (options.duration(60), options.setup());
    all_faults(name, &options, setup, time, Duration::from_millis(700)).await
}

pub async fn soak(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let (time, mut setup) = (options.duration(1800), options.setup());
    setup.plan = Plan { jobs: 600, workspaces: 12, ..Plan::default() };
    setup.drain_timeout = Duration::from_secs(300);
    all_faults(name, &options, setup, time, Duration::from_secs(6)).await
}

async fn all_faults(
    name: &'static str,
    options: &Options,
    setup: Setup,
    time: Duration,
    pause: Duration,
) -> anyhow::Result<Report> {
    let (baseline, outcome) = run(name, setup, async |run| {
        let baseline = run.baseline(Duration::from_secs(3)).await;
        inject(run, time, &faults::ALL, pause).await?;
        Ok(baseline)
    })
    .await?;
    let (baseline, all) = (outcome.lateness_in(baseline), outcome.lateness(Duration::ZERO, Duration::MAX));
    let slowest = outcome.clients.slowest.as_secs_f64();
    let figures = vec![
        Figure::new("baseline lateness, median", baseline.median, "ms", Bound::AtMost(100.0)),
        Figure::new("lateness of all fires, median", all.median, "ms", Bound::None),
        Figure::new("lateness of all fires, p99", all.p99, "ms", Bound::None),
        Figure::new("interrupted attempts", outcome.interrupted() as f64, "", Bound::None),
        Figure::new("clients that disconnected", outcome.clients.disconnects as f64, "", Bound::None),
        Figure::new("slowest response of the API", slowest, "s", Bound::AtMost(10.0)),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}
