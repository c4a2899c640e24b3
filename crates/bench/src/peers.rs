//! Other products under the same loads: same machine, servers and target, 256 requests in flight, and results stored as durably.
//!
//! TrigRun runs with its defaults: a workspace has 64 concurrent requests to a destination that responds quickly.

use anyhow::ensure;
use clap::Args;
use std::{fmt, path::Path};

mod add;
mod measure;
mod peer;
mod ready;
mod report;

use crate::{
    bench::Bench,
    builds::Build,
    product::Installation,
    scenarios::{Load, Mode, PAST_DAYS, load},
};
use add::Adding;
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
    fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::TrigRun).chain(Peer::all().map(Self::Peer))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::TrigRun => TRIGRUN,
            Self::Peer(peer) => peer.name,
        }
    }
}

#[derive(Clone)]
enum Work {
    Run(Load),
    Add(Adding),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(load) => f.write_str(&load.name),
            Self::Add(adding) => adding.fmt(f),
        }
    }
}

pub async fn run(arguments: PeersArguments) -> anyhow::Result<()> {
    ready::ready().await?;
    let repetitions = arguments.repetitions.max(1);
    let mut plan = plan();
    if let Some(only) = &arguments.only {
        plan.retain(|(work, product)| line(&work.to_string(), product.name()).contains(only.as_str()));
    }
    let (bench, build) = (Bench::start(plan.len() * repetitions).await?, Build::this()?);
    let installation = Installation { bench: &bench, build: &build, days: PAST_DAYS };
    let products = Product::all().map(|product| product.name()).collect();
    let mut report = Report::new(&bench.servers, products).await?;
    let mut storage_times = StorageTimes::default();
    for repetition in 1..=repetitions {
        for (work, product) in &plan {
            let line = line(&work.to_string(), product.name());
            bench.progress.begin(&format!("{line}, {repetition} of {repetitions}"));
            // A failure is repeated once, and stays in the report.
            for _ in 0..2 {
                match measure(work, product, &installation, &mut storage_times, &mut report).await {
                    Ok(measured) => {
                        bench.progress.say(&measured);
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
fn plan() -> Vec<(Work, Product)> {
    let run = |jobs, mode| Work::Run(load(jobs, 1, mode));
    let works = [
        run(20_000, Mode::Backlog),
        run(20_000, Mode::Burst),
        run(4000, Mode::Steady { per_second: 200 }),
        Work::Add(Adding::Singly),
        Work::Add(Adding::InBulk),
    ];
    let of_all = |work: Work| Product::all().map(move |product| (work.clone(), product));
    works.into_iter().flat_map(of_all).collect()
}

fn line(work: &str, product: &str) -> String {
    format!("{work}, {product}")
}

/// Adds the result to the report, and returns it as text.
async fn measure(
    work: &Work,
    product: &Product,
    installation: &Installation<'_>,
    storage_times: &mut StorageTimes,
    report: &mut Report,
) -> anyhow::Result<String> {
    let (bench, line) = (installation.bench, line(&work.to_string(), product.name()));
    let measured = match (work, product) {
        (Work::Add(adding), _) => {
            let Some(per_second) = add::measure(*adding, product, installation).await? else {
                return Ok("not available".to_owned());
            };
            report.added.add(&line, per_second);
            return Ok(format!("{per_second:.0} jobs/s"));
        }
        (Work::Run(load), Product::TrigRun) => {
            let (measured, database) = load.measure(installation).await?;
            bench.servers.drop_database(&database).await?;
            measured
        }
        (Work::Run(load), Product::Peer(peer)) => measure::measure(peer, load, bench, storage_times).await?,
    };
    let text = measured.to_string();
    report.measured.add(&line, measured);
    Ok(text)
}
