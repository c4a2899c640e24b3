//! Other products under the same loads: same machine, servers and target, 256 requests in flight, and results stored as durably.
//!
//! TrigRun runs with its defaults: a workspace has 64 concurrent requests to a destination that responds quickly.

use anyhow::ensure;
use clap::Args;
use std::path::Path;

mod measure;
mod peer;
mod ready;
mod report;

use crate::{
    bench::Bench,
    builds::Build,
    measured::Measured,
    product::Installation,
    scenarios::{Load, Mode, PAST_DAYS, load},
};
use measure::StorageTimes;
use peer::Peer;
use report::Report;

const TRIGRUN: &str = "TrigRun";

#[derive(Args)]
pub struct PeersArguments {
    /// Repetitions of each measurement; the tables show medians
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Only measurements whose name contains this, like "steady" or "BullMQ"
    #[arg(long)]
    only: Option<String>,
}

enum Product {
    TrigRun,
    Peer(Peer),
}

impl Product {
    fn name(&self) -> &'static str {
        match self {
            Self::TrigRun => TRIGRUN,
            Self::Peer(peer) => peer.name,
        }
    }
}

pub async fn run(arguments: PeersArguments) -> anyhow::Result<()> {
    ready::ready().await?;
    let repetitions = arguments.repetitions.max(1);
    let mut plan = plan();
    if let Some(only) = &arguments.only {
        plan.retain(|(load, product)| line(&load.name, product.name()).contains(only.as_str()));
    }
    let bench = Bench::start(plan.len() * repetitions).await?;
    let mut report = Report::new(&bench.servers).await?;
    let mut storage_times = StorageTimes::default();
    for repetition in 1..=repetitions {
        for (load, product) in &plan {
            let line = line(&load.name, product.name());
            bench.progress.begin(&format!("{line}, {repetition} of {repetitions}"));
            // A failure is repeated once, and stays in the table.
            for _ in 0..2 {
                match measure(load, product, &bench, &mut storage_times).await {
                    Ok(measured) => {
                        bench.progress.say(&measured.to_string());
                        report.measured.add(&line, measured);
                        break;
                    }
                    Err(error) => {
                        bench.progress.say(&format!("FAILED: {error:#}"));
                        report.failed.add(&line, format!("{error:#}"));
                    }
                }
            }
            bench.progress.done();
        }
    }
    bench.stop().await;
    report.print();
    report.write(Path::new("target/bench/peers.json"))?;
    ensure!(!report.has_failed(TRIGRUN), "TrigRun failed");
    Ok(())
}

/// All products under one load after the other, so that a disturbance affects all of them.
fn plan() -> Vec<(Load, Product)> {
    let loads = || [(20_000, Mode::Backlog), (20_000, Mode::Burst), (4000, Mode::Steady { per_second: 200 })];
    let products = || std::iter::once(Product::TrigRun).chain(Peer::all().map(Product::Peer));
    loads()
        .into_iter()
        .flat_map(|(jobs, mode)| products().map(move |product| (load(jobs, 1, mode), product)))
        .collect()
}

fn line(load: &str, product: &str) -> String {
    format!("{load}, {product}")
}

async fn measure(
    load: &Load,
    product: &Product,
    bench: &Bench,
    storage_times: &mut StorageTimes,
) -> anyhow::Result<Measured> {
    match product {
        Product::TrigRun => {
            let installation = Installation { bench, build: &Build::this()?, days: PAST_DAYS };
            let (measured, database) = load.measure(&installation).await?;
            bench.servers.drop_database(&database).await?;
            Ok(measured)
        }
        Product::Peer(peer) => measure::measure(peer, load, bench, storage_times).await,
    }
}
