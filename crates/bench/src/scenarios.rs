//! The measurements of `run`, one after the other, with repetitions.

use clap::Args;
use std::path::Path;

mod api;
mod create;
mod load;
mod pages;
mod plan;
mod prototype;

use crate::{bench::Bench, ceiling, report::Report};
pub use api::Api;
pub use load::{LEAD, Load, Mode, until};
pub use pages::{Next, time_pages};
pub use plan::load;
use plan::{Kind, Measurement};

#[derive(Args)]
pub struct RunArguments {
    /// Fewer and shorter loads, once; takes two minutes
    #[arg(long)]
    quick: bool,
    /// Repetitions of each measurement; the tables show medians
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Only measurements whose name contains this
    #[arg(long)]
    only: Option<String>,
}

pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let mut plan = plan::plan(arguments.quick);
    if let Some(only) = &arguments.only {
        plan.retain(|measurement| measurement.name.contains(only.as_str()));
    }
    let repetitions = if arguments.quick { 1 } else { arguments.repetitions.max(1) };
    let bench = Bench::start(plan.len() * repetitions).await?;
    let mut report = Report::new(&bench.servers).await?;
    // Round by round, so that a slow minute of the machine affects many measurements.
    for repetition in 1..=repetitions {
        for measurement in &plan {
            let name = &measurement.name;
            bench.progress.begin(&format!("{name}, {repetition} of {repetitions}"));
            if let Err(error) = measure(measurement, &bench, &mut report).await {
                bench.progress.say(&format!("FAILED: {error:#}"));
                report.failed.push(format!("{name}, {repetition} of {repetitions}: {error:#}"));
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

async fn measure(measurement: &Measurement, bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let Measurement { name, kind } = measurement;
    let services = &bench.servers.services;
    match kind {
        Kind::Load { load, pages } => {
            let (measured, database) = load.measure(bench).await?;
            bench.progress.say(&measured.to_string());
            report.loads.add(name, measured);
            if *pages {
                for page in pages::measure(bench, &database, load.jobs).await? {
                    bench.progress.say(&format!("{}: {:.2} / {:.2} ms", page.list, page.p50_ms, page.p99_ms));
                    report.pages.add(&page.list.clone(), page);
                }
            }
            bench.servers.drop_database(&database).await?;
        }
        Kind::Prototype(load) => {
            let measured = prototype::measure(name, load.jobs, load.mode, bench).await?;
            bench.progress.say(&measured.to_string());
            report.loads.add(name, measured);
        }
        Kind::Create { seconds } => {
            let created = create::measure(bench, *seconds).await?;
            bench.progress.say(&format!("{:.0} jobs/s", created.requests_per_second));
            report.created.add(name, created);
        }
        Kind::StreamCycle => {
            bench.servers.flush_redis().await?;
            add_ceiling(name, ceiling::stream_cycle(&services.redis_url()).await?, bench, report);
        }
        Kind::Insert => {
            let database = bench.servers.empty_database().await?;
            let rate = ceiling::insert(&services.postgres_url(&database)).await?;
            bench.servers.drop_database(&database).await?;
            add_ceiling(name, rate, bench, report);
        }
        Kind::Http { seconds } => {
            bench.sink.reset().await?;
            let rate = ceiling::http(bench.sink.address, *seconds).await?;
            bench.sink.reset().await?;
            add_ceiling(name, rate, bench, report);
        }
    }
    Ok(())
}

fn add_ceiling(name: &str, per_second: f64, bench: &Bench, report: &mut Report) {
    bench.progress.say(&format!("{per_second:.0}/s"));
    report.ceilings.add(name, per_second);
}
