//! Growth: the cost of a fire, an idle second, a job, a page and the removal of a day, by number of jobs and executions.

use clap::Args;
use std::path::Path;

mod filters;
mod history;
mod pages;
mod plot;
mod removal;
mod report;
mod retention;
mod sizes;

use crate::{bench::Bench, builds::Build, product::Installation, scenarios::PAST_DAYS};
use report::StoreReport;
use sizes::Scale;

#[derive(Args)]
pub struct StoreArguments {
    /// Numbers of jobs, one after the other
    #[arg(long, num_args = 0.., value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000, 10_000_000])]
    jobs: Vec<i64>,
    /// Finished executions for the lists and the removal of days; 0 skips both
    #[arg(long, default_value_t = 10_000_000)]
    executions: i64,
    /// Further jobs that fire, a thousand a second
    #[arg(long, default_value_t = 20_000)]
    fires: i64,
    /// Days of history with partitions, as after this many days of operation
    #[arg(long, default_value_t = PAST_DAYS)]
    days: u64,
}

pub async fn run(arguments: StoreArguments) -> anyhow::Result<()> {
    let StoreArguments { jobs, executions, fires, days } = arguments;
    let bench = Bench::start(jobs.len() + usize::from(executions > 0)).await?;
    let installation = Installation { bench: &bench, build: &Build::this()?, days };
    let mut report = StoreReport::new(&bench.servers).await?;
    for jobs in jobs {
        bench.progress.begin(&format!("{jobs} jobs"));
        report.sizes.push(Scale { jobs, fires }.measure(&installation).await?);
        bench.progress.done();
    }
    if executions > 0 {
        bench.progress.begin(&format!("{executions} executions"));
        report.history = Some(history::measure(&installation, executions).await?);
        bench.progress.done();
    }
    bench.stop().await;
    report.print();
    report.write(Path::new("target/bench"))
}
