//! The measurements of `run`, one after the other, with repetitions.

use clap::Args;
use std::path::Path;

mod api;
mod create;
mod end_to_end;
mod idle;
mod load;
mod measure;
mod pages;
mod plan;
mod prototype;
mod requests;

use crate::{bench::Bench, builds::Build, product::Installation, report::Report};
pub use api::Api;
pub use create::{BATCH_JOBS, Creation, Kind as JobKind};
use end_to_end::EndToEnd;
pub use idle::measure_on as idle_on;
pub use load::{LEAD, Load, Mode, until};
pub use pages::{Next, time_pages};
pub use plan::{Measurement, PAST_DAYS, PlanArguments, load, plan};

#[derive(Args)]
pub struct RunArguments {
    #[command(flatten)]
    plan: PlanArguments,
    /// Repetitions of each measurement, one if --quick is given; the tables show medians
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
}

pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let plan = plan(&arguments.plan);
    let repetitions = if arguments.plan.quick { 1 } else { arguments.repetitions.max(1) };
    let (bench, build) = (Bench::start(plan.len() * repetitions).await?, Build::this()?);
    let mut report = Report::new(&bench.servers).await?;
    // Round by round, so that a slow minute of the machine affects many measurements.
    for repetition in 1..=repetitions {
        for measurement in &plan {
            let name = &measurement.name;
            bench.progress.begin(&format!("{name}, {repetition} of {repetitions}"));
            let installation = Installation { bench: &bench, build: &build, days: measurement.days };
            match measurement.measure(&installation).await {
                Ok(outcome) => {
                    bench.progress.say(&outcome.to_string());
                    report.add(name, outcome);
                }
                Err(error) => {
                    bench.progress.say(&format!("FAILED: {error:#}"));
                    report.failed.push(format!("{name}, {repetition} of {repetitions}: {error:#}"));
                }
            }
            bench.progress.done();
        }
    }
    bench.stop().await;
    report.print();
    report.write(Path::new("target/bench"))?;
    anyhow::ensure!(report.failed.is_empty(), "some measurements failed: {}", report.failed.join("; "));
    Ok(())
}
