//! Redis loses its data, is down, stalls, or contains garbage.

use std::time::Duration;

use super::{Options, run};
use crate::{
    faults::{Fault, apply, inject},
    report::Report,
    run::Run,
};

const MAX_ADDED_MS: f64 = 2000.0;
/// After the end of the fault.
const RECOVERY_TIME: Duration = Duration::from_secs(4);

pub async fn wiped(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(20);
    with_faults(name, options, async |run| {
        let end = run.clock.elapsed() + time;
        while run.clock.elapsed() < end {
            apply(run, Fault::FlushRedis).await?;
            run.wait(Duration::from_millis(300)).await;
        }
        Ok(())
    })
    .await
}

pub async fn lost(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(60);
    with_faults(name, options, async |run| {
        run.log("Redis is down");
        run.servers.lose_redis(time).await?;
        run.log("Redis is back, empty");
        run.wait(RECOVERY_TIME).await;
        Ok(())
    })
    .await
}

pub async fn unresponsive(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(20);
    with_faults(name, options, async |run| {
        run.log("Redis accepts and does not respond");
        run.servers.redis.forward(false);
        run.wait(time).await;
        run.servers.redis.forward(true);
        run.log("Redis responds");
        run.wait(RECOVERY_TIME).await;
        Ok(())
    })
    .await
}

pub async fn garbled(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(20);
    let faults = [Fault::TrimStreams, Fault::DestroyGroups, Fault::Garbage];
    with_faults(name, options, async |run| inject(run, time, &faults, Duration::from_millis(250)).await).await
}

async fn with_faults(
    name: &'static str,
    options: Options,
    act: impl AsyncFnOnce(&mut Run) -> anyhow::Result<()>,
) -> anyhow::Result<Report> {
    let ((baseline, faults), outcome) = run(name, options.setup(), async |run| {
        let baseline = run.baseline(Duration::from_secs(6)).await;
        let from = run.clock.elapsed();
        act(run).await?;
        Ok((baseline, run.phase_since(from)))
    })
    .await?;
    let figures = outcome.added_lateness(baseline, faults, MAX_ADDED_MS);
    Ok(Report::new(name, options.seed, outcome, figures))
}
