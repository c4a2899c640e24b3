//! One load on one peer: all jobs are stored, then its worker is started.

use anyhow::{Context, ensure};
use chrono::DateTime;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::peer::{Peer, PeerRun};
use crate::{
    arrivals::now_us,
    bench::Bench,
    cost::Meter,
    measured::Measured,
    processes::Roots,
    product,
    scenarios::{LEAD, Load, Mode, until},
};

/// A worker on Node is ready by then.
const START_TIME: Duration = Duration::from_secs(4);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_TIME: Duration = Duration::from_secs(240);
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Seconds to store a job, by peer: the maximum so far.
#[derive(Default)]
pub struct StorageTimes(BTreeMap<&'static str, f64>);

/// Of a peer that has not stored anything yet.
const ASSUMED_SECONDS_PER_JOB: f64 = 0.002;

impl StorageTimes {
    /// How long before the first instant to start storing the jobs.
    fn lead(&self, peer: &Peer, jobs: i64) -> Duration {
        let per_job = self.0.get(peer.name).map_or(ASSUMED_SECONDS_PER_JOB, |per_job| per_job * 1.5);
        START_TIME + LEAD + Duration::from_secs_f64(per_job * jobs as f64 + 2.0)
    }

    fn add(&mut self, peer: &Peer, jobs: i64, took: Duration) {
        let per_job = self.0.entry(peer.name).or_default();
        *per_job = per_job.max(took.as_secs_f64() / jobs as f64);
    }
}

pub async fn measure(
    peer: &Peer,
    load: &Load,
    bench: &Bench,
    storage_times: &mut StorageTimes,
) -> anyhow::Result<Measured> {
    let Bench { servers, sink, progress, .. } = bench;
    let database = servers.empty_database().await?;
    let backlog = matches!(load.mode, Mode::Backlog);
    let run = |first_us| PeerRun::new(*peer, bench, &database, load.runs, first_us, load.step_us());
    run(0)?.step("setup").await?;
    let lead_us = if backlog { 0 } else { i64::try_from(storage_times.lead(peer, load.runs).as_micros())? };
    let first_us = now_us() + lead_us;
    let first = DateTime::from_timestamp_micros(first_us).context("the time is out of range")?;
    let run = run(first_us)?;
    let began = Instant::now();
    run.step("enqueue").await?;
    storage_times.add(peer, load.runs, began.elapsed());
    sink.reset(None).await?;
    servers.sql(&database).await?.batch_execute("checkpoint").await?;
    ensure!(backlog || until(first) > START_TIME + LEAD, "storing the jobs took too long");

    // A backlog starts with the worker, as TrigRun's starts with its processes.
    let mut meter = Meter::start(bench.shared_processes()?, Roots::new());
    let worker = product::spawn_peer(run.command("work"))?;
    meter.add("worker", worker.pid());
    if !backlog {
        tokio::time::sleep(until(first).saturating_sub(LEAD)).await;
        meter = meter.restart();
        tokio::time::sleep(until(first)).await;
    }
    let wanted = usize::try_from(load.runs)?;
    let report = |count| progress.arrived(&format!("{}, {}", load.name, peer.name), count, wanted);
    let arrived = tokio::time::timeout(MAX_TIME, sink.wait_for(wanted, IDLE_TIMEOUT, report));
    arrived.await.context("the load took too long")??;
    recorded(&run, wanted).await?;

    let cost = meter.stop().per_run(wanted);
    let arrivals = sink.arrivals().await?;
    // A peer that does not end in time is killed.
    let _killed = worker.terminate().await;
    servers.drop_database(&database).await?;
    Ok(Measured::new(&arrivals, first_us, cost))
}

/// Waits until every run is recorded, as for TrigRun.
async fn recorded(run: &PeerRun, wanted: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let printed = run.step("recorded").await?;
        let count: usize = printed.parse().with_context(|| format!("recorded prints {printed}"))?;
        if count >= wanted {
            return Ok(());
        }
        ensure!(began.elapsed() < IDLE_TIMEOUT, "{wanted} runs arrived, and only {count} were recorded");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
