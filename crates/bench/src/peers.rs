//! Other schedulers under the same loads, in the same run: same machine, same servers, same target, 256 requests in flight, and
//! what came of each run kept as durably.
//!
//! TrigRun is as it comes: one workspace has 64 requests at once with a destination that answers soon.

use anyhow::ensure;
use clap::Args;
use std::path::Path;

mod measure;
mod peer;
mod ready;
mod report;

use crate::{
    bench::Bench,
    measured::Measured,
    scenarios::{Load, Mode, load},
};
use measure::Leads;
use peer::Peer;
use report::Report;

const TRIGRUN: &str = "TrigRun";

#[derive(Args)]
pub struct PeersArguments {
    /// How often each is measured; the table shows medians
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Only loads and peers whose line contains this, like "steady" or "BullMQ"
    #[arg(long)]
    only: Option<String>,
}

/// Who is measured.
enum Who {
    TrigRun,
    Peer(Peer),
}

impl Who {
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
        plan.retain(|(load, who)| line(&load.name, who.name()).contains(only.as_str()));
    }
    let bench = Bench::start(plan.len() * repetitions).await?;
    let mut report = Report::new(&bench.servers).await?;
    let mut leads = Leads::default();
    for repetition in 1..=repetitions {
        for (load, who) in &plan {
            let line = line(&load.name, who.name());
            bench.progress.begin(&format!("{line}, {repetition} of {repetitions}"));
            // Once more, so that it has its repetitions; what happened stays in the table.
            for _ in 0..2 {
                match measure(load, who, &bench, &mut leads).await {
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
    ensure!(!report.failed_of(TRIGRUN), "TrigRun has failed");
    Ok(())
}

/// Peer after peer under each load, so that what disturbs one of them disturbs all.
fn plan() -> Vec<(Load, Who)> {
    let loads = || [(20_000, Mode::Backlog), (20_000, Mode::Burst), (4000, Mode::Steady { per_second: 200 })];
    let everybody = || std::iter::once(Who::TrigRun).chain(Peer::all().map(Who::Peer));
    loads()
        .into_iter()
        .flat_map(|(jobs, mode)| everybody().map(move |who| (load(jobs, 1, mode), who)))
        .collect()
}

fn line(load: &str, who: &str) -> String {
    format!("{load}, {who}")
}

async fn measure(load: &Load, who: &Who, bench: &Bench, leads: &mut Leads) -> anyhow::Result<Measured> {
    match who {
        Who::TrigRun => {
            let (measured, database) = load.measure(bench).await?;
            bench.servers.drop_database(&database).await?;
            Ok(measured)
        }
        Who::Peer(peer) => measure::measure(peer, load, bench, leads).await,
    }
}
