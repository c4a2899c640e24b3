//! One load on one peer: everything is stored, then its worker is started.

use anyhow::{Context, ensure};
use chrono::DateTime;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::peer::{Peer, Told};
use crate::{
    arrivals::now_us,
    bench::Bench,
    cost::Meter,
    measured::Measured,
    processes::Roots,
    product,
    scenarios::{Load, Mode, until},
};

/// From its start until a worker of Node is surely ready.
const READY: Duration = Duration::from_secs(4);
/// Before the first instant; only what is spent afterwards is counted. As of TrigRun.
const QUIET: Duration = Duration::from_millis(2500);
/// How long it may do nothing.
const PATIENCE: Duration = Duration::from_secs(30);
const AT_MOST: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_millis(500);

/// How long storing a job takes, by peer: the longest so far.
#[derive(Default)]
pub struct Leads(BTreeMap<&'static str, f64>);

/// Of a peer that has not stored anything yet: 2 ms for each job.
const NOT_KNOWN: f64 = 0.002;

impl Leads {
    /// How long before the first instant storing begins.
    fn lead(&self, peer: &Peer, jobs: i64) -> Duration {
        let each = self.0.get(peer.name).map_or(NOT_KNOWN, |each| each * 1.5);
        READY + QUIET + Duration::from_secs_f64(each * jobs as f64 + 2.0)
    }

    fn learn(&mut self, peer: &Peer, jobs: i64, took: Duration) {
        let each = self.0.entry(peer.name).or_default();
        *each = each.max(took.as_secs_f64() / jobs as f64);
    }
}

pub async fn measure(peer: &Peer, load: &Load, bench: &Bench, leads: &mut Leads) -> anyhow::Result<Measured> {
    let Bench { servers, sink, progress, .. } = bench;
    let database = servers.empty_database().await?;
    let backlog = matches!(load.mode, Mode::Backlog);
    let told = |first_us| Told::new(*peer, bench, &database, load.jobs, first_us, load.step_us());
    told(0)?.run("setup").await?;
    let lead_us = if backlog { 0 } else { i64::try_from(leads.lead(peer, load.jobs).as_micros())? };
    let first_us = now_us() + lead_us;
    let first = DateTime::from_timestamp_micros(first_us).context("the time is out of range")?;
    let told = told(first_us)?;
    let began = Instant::now();
    told.run("enqueue").await?;
    leads.learn(peer, load.jobs, began.elapsed());
    sink.reset().await?;
    servers.sql(&database).await?.batch_execute("checkpoint").await?;
    ensure!(backlog || until(first) > READY + QUIET, "storing the jobs took too long");

    // A backlog begins with the worker's own start, as TrigRun's does with that of its processes.
    let mut meter = Meter::start(bench.around()?, Roots::new());
    let worker = product::spawn("peer", told.command("work"))?;
    meter.add("worker", worker.pid());
    if !backlog {
        tokio::time::sleep(until(first).saturating_sub(QUIET)).await;
        meter = meter.again();
        tokio::time::sleep(until(first)).await;
    }
    let wanted = usize::try_from(load.jobs)?;
    let tell = |count| progress.arrived(&format!("{}, {}", load.name, peer.name), count, wanted);
    let arrived = tokio::time::timeout(AT_MOST, sink.wait_for(wanted, PATIENCE, tell));
    arrived.await.context("it takes too long")??;
    recorded(&told, wanted).await?;

    let cost = meter.stop().of(wanted);
    let arrivals = sink.arrivals().await?;
    worker.end().await?;
    servers.drop_database(&database).await?;
    Ok(Measured::new(&arrivals, first_us, cost))
}

/// Everything that arrived is to be recorded, as TrigRun's runs are.
async fn recorded(told: &Told, wanted: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let said = told.run("recorded").await?;
        let count: usize = said.parse().with_context(|| format!("recorded says {said}"))?;
        if count >= wanted {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "{wanted} arrived, and only {count} were recorded");
        tokio::time::sleep(POLL).await;
    }
}
