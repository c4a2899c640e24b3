//! Postgres crashes, freezes, terminates its connections, or has a full disk.

use std::time::Duration;

use super::{Options, run};
use crate::{
    faults::{Fault, inject},
    report::{Bound, Figure, Report},
    run::{Run, Setup},
    servers::ServerFaults,
};

const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);

pub async fn crashed(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(30);
    let setup = options.setup();
    recovers(name, options, setup, async |run| {
        let (end, mut longest) = (run.clock.elapsed() + time, Duration::ZERO);
        while run.clock.elapsed() < end {
            run.log("immediate shutdown and restart of Postgres");
            run.servers.crash_postgres(Duration::from_millis(500)).await?;
            longest = longest.max(next_request(run).await);
            let pause = Duration::from_millis(run.random.u64(1500..4000));
            run.wait(pause).await;
        }
        Ok(longest)
    })
    .await
}

pub async fn frozen(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(30);
    let setup = options.setup();
    recovers(name, options, setup, async |run| {
        run.log("Postgres is frozen");
        run.servers.freeze_postgres_for(time).await;
        let longest = next_request(run).await;
        run.wait(Duration::from_secs(5)).await;
        Ok(longest)
    })
    .await
}

pub async fn backends_ended(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(20);
    let setup = options.setup();
    recovers(name, options, setup, async |run| {
        inject(run, time, &[Fault::TerminateBackends], Duration::from_millis(250)).await?;
        Ok(next_request(run).await)
    })
    .await
}

pub async fn disk_full(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(10);
    let mut setup = options.setup();
    setup.server_faults = ServerFaults { disk_mb: Some(400), ..ServerFaults::default() };
    let mut errors = 0;
    let mut report = recovers(name, options, setup, async |run| {
        let mut longest = Duration::ZERO;
        for _ in 0..2 {
            run.log("the disk is full");
            run.servers.fill_disk(time).await?;
            // It may have crashed because of the full disk.
            run.servers.start_postgres().await?;
            run.log("the disk has space again");
            longest = longest.max(next_request(run).await);
            run.wait(Duration::from_secs(4)).await;
        }
        errors = run.servers.count_in_postgres_log("No space left on device")?;
        Ok(longest)
    })
    .await?;
    report.figures.push(Figure::new("disk-full errors of Postgres", errors as f64, "", Bound::AtLeast(1.0)));
    Ok(report)
}

async fn recovers(
    name: &'static str,
    options: Options,
    setup: Setup,
    act: impl AsyncFnOnce(&mut Run) -> anyhow::Result<Duration>,
) -> anyhow::Result<Report> {
    let (longest, outcome) = run(name, setup, act).await?;
    let (longest, slowest) = (longest.as_secs_f64(), outcome.clients.slowest.as_secs_f64());
    let figures = vec![
        Figure::new("first request after Postgres is back", longest, "s", Bound::AtMost(5.0)),
        Figure::new("slowest response of the API", slowest, "s", Bound::AtMost(2.5)),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// How long until a request arrives that is due after now.
async fn next_request(run: &Run) -> Duration {
    let began = run.clock.elapsed();
    let now = run.clock.now();
    while run.recorder.latest_due().is_none_or(|due| due <= now) {
        if !run.recorder.more_than(run.recorder.count(), RECOVERY_TIMEOUT).await {
            break;
        }
    }
    run.clock.elapsed() - began
}
