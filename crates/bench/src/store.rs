//! How the store grows: what a fire, an idle second, a job, a page and a day's end cost, at so many jobs and executions.

use clap::Args;
use std::path::Path;

mod bulk;
mod history;
mod idle;
mod pages;
mod plot;
mod reader;
mod removal;
mod report;
mod sizes;
mod tidy;

use crate::{scenarios::start_sink, servers::Servers};
use report::StoreReport;

#[derive(Args)]
pub struct StoreArguments {
    /// Numbers of jobs, one after the other
    #[arg(long, num_args = 0.., value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000, 10_000_000])]
    jobs: Vec<i64>,
    /// Finished executions for the lists and for the end of a day; 0 leaves those out
    #[arg(long, default_value_t = 10_000_000)]
    executions: i64,
    /// Jobs that are due, beside the others: a thousand a second
    #[arg(long, default_value_t = 20_000)]
    fires: i64,
    /// So many days of history have their partitions, as after so many days of operation
    #[arg(long, default_value_t = 30)]
    days: u64,
}

pub async fn run(arguments: StoreArguments) -> anyhow::Result<()> {
    let servers = Servers::start().await?;
    let mut sink = start_sink()?;
    let mut report = StoreReport::default();
    for jobs in arguments.jobs {
        eprintln!("{jobs} jobs");
        let scale = sizes::Scale { jobs, fires: arguments.fires, days: arguments.days };
        let size = scale.measure(&servers, &sink.sink, sink.child.id()).await?;
        eprintln!("  {size}");
        report.sizes.push(size);
    }
    // It has nothing to lose.
    let _ = sink.child.kill();
    let _ = sink.child.wait();
    if arguments.executions > 0 {
        eprintln!("{} executions", arguments.executions);
        report.history = Some(history::measure(&servers, arguments.executions, arguments.days).await?);
    }
    servers.stop().await;
    report.print();
    report.write(Path::new("target/bench/store.json"))?;
    plot::draw(&report.sizes, Path::new("target/bench/store.svg"))
}
