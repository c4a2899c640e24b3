//! The prototype under the same load as the product, with the same sink.

use anyhow::Context;
use std::time::Duration;

use crate::{
    arrivals::now_us,
    bench::Bench,
    ceiling::prototype::{Mode, Prototype},
    cost::Meter,
    measured::Measured,
    processes::{Roots, peak_mib},
};

use super::load;

const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Before a burst, to store the jobs and start the process.
const LEAD_US: i64 = 4_000_000;
const LEAD_PER_JOB_US: i64 = 50;
const START_US: i64 = 1_000_000;
const MAX_TIME: Duration = Duration::from_secs(180);

pub async fn measure(name: &str, jobs: i64, mode: load::Mode, bench: &Bench) -> anyhow::Result<Measured> {
    let Bench { servers, sink, progress, .. } = bench;
    let database = servers.empty_database().await?;
    let burst = now_us() + LEAD_US + jobs * LEAD_PER_JOB_US;
    let prototype = Prototype {
        jobs,
        mode: match mode {
            load::Mode::Backlog => Mode::Backlog,
            load::Mode::Burst => Mode::Burst { at: burst },
            load::Mode::Steady { per_second } => {
                Mode::Steady { per_second: per_second as f64, seconds: jobs as f64 / per_second as f64 }
            }
        },
        postgres_url: servers.services.postgres_url(&database),
        redis_url: servers.services.redis_url(),
        sink: sink.address,
    };
    prototype.seed().await?;
    sink.reset(None).await?;
    let too_late = matches!(mode, load::Mode::Burst) && now_us() + START_US > burst;
    anyhow::ensure!(!too_late, "storing the jobs took too long on this machine");

    let meter = Meter::start(bench.shared_processes()?, Roots::new());
    let running = prototype.start()?;
    let pid = running.pid().context("the prototype has ended")?;
    let mut memory_mib = 0.0_f64;
    let mut finish = std::pin::pin!(tokio::time::timeout(MAX_TIME, running.finish()));
    let report = loop {
        tokio::select! {
            report = &mut finish => break report.context("the load took too long")??,
            () = tokio::time::sleep(POLL_INTERVAL) => memory_mib = memory_mib.max(peak_mib(pid).unwrap_or(0.0)),
        }
    };
    let mut reading = meter.stop();
    reading.add("prototype", report.cpu_seconds, memory_mib);
    let arrivals = sink.arrivals().await?;
    progress.arrived(name, arrivals.0.len(), usize::try_from(jobs)?);
    let first_us = arrivals.0.iter().map(|arrival| arrival.intended_us).min().unwrap_or(0);
    let mut measured = Measured::new(&arrivals, first_us, reading.per_run(usize::try_from(report.runs)?));
    measured.recorded_per_second = Some(report.recorded_per_second);
    servers.drop_database(&database).await?;
    Ok(measured)
}
