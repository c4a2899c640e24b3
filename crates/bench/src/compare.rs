//! Two builds under the same measurements in turn, on the same machine and servers, each on its own databases.
//!
//! The machine's speed changes within minutes. So both builds are measured shortly after each other, and the ratio of each pair counts.

use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

mod report;

use crate::{
    bench::Bench,
    builds::Build,
    measured::Outcome,
    product::Installation,
    report::{Machine, write},
    scenarios::{Measurement, PlanArguments, plan},
};
use report::Comparison;

#[derive(Args)]
pub struct CompareArguments {
    /// The directory with the binaries to compare with, like target/release of an earlier commit
    #[arg(long)]
    old: PathBuf,
    /// The directory with the binaries that are judged; by default those that were built with this program
    #[arg(long)]
    new: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArguments,
    /// Repetitions of each pair
    #[arg(long, default_value_t = 4)]
    repetitions: usize,
}

pub async fn run(arguments: CompareArguments) -> anyhow::Result<()> {
    let old = Build::new("old", &arguments.old)?;
    let new = match &arguments.new {
        Some(dir) => Build::new("new", dir)?,
        None => Build { name: "new", ..Build::this()? },
    };
    let mut plan = plan(&arguments.plan);
    plan.retain(|measurement| measurement.kind.is_of_product());
    let repetitions = arguments.repetitions.max(1);
    let bench = Bench::start(plan.len() * repetitions * 2).await?;
    let machine = Machine::this(&bench.servers).await?;
    let mut comparison = Comparison::default();
    for repetition in 1..=repetitions {
        for measurement in &plan {
            let line = format!("{}, {repetition} of {repetitions}", measurement.name);
            match pair(&bench, [&old, &new], repetition, measurement, &line).await {
                Ok([old, new]) => comparison.add(&measurement.name, &old, &new),
                Err(error) => {
                    bench.progress.say(&format!("FAILED: {error:#}"));
                    comparison.failed.push(format!("{line}, {error:#}"));
                }
            }
        }
    }
    bench.stop().await;
    println!("{machine}\n{}", comparison.table());
    comparison.remarks.iter().for_each(|remark| println!("{remark}"));
    comparison.failed.iter().for_each(|failed| println!("FAILED: {failed}"));
    let report =
        json!({ "machine": machine, "old": arguments.old, "new": arguments.new, "comparison": comparison });
    write(Path::new("target/bench/compare.json"), &serde_json::to_string_pretty(&report)?)?;
    anyhow::ensure!(comparison.failed.is_empty(), "some pairs failed: {}", comparison.failed.join("; "));
    Ok(())
}

/// Measures both builds, and returns the outcomes in this order. The first one goes first in every other repetition only.
async fn pair(
    bench: &Bench,
    builds: [&Build; 2],
    repetition: usize,
    measurement: &Measurement,
    line: &str,
) -> anyhow::Result<[Outcome; 2]> {
    let [old, new] = builds.map(|build| async move {
        bench.progress.begin(&format!("{line}, {}", build.name));
        let installation = Installation { bench, build, days: measurement.days };
        let outcome = measurement.measure(&installation).await.with_context(|| build.name)?;
        bench.progress.say(&outcome.to_string());
        bench.progress.done();
        anyhow::Ok(outcome)
    });
    if repetition % 2 == 1 {
        let old = old.await?;
        Ok([old, new.await?])
    } else {
        let new = new.await?;
        Ok([old.await?, new])
    }
}
