//! What is measured, one after the other, so many times.

use anyhow::Context;
use clap::Args;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

mod load;

use crate::{arrivals::Sink, report::Report, servers::Servers};
pub use load::{Load, Measured, Mode};

#[derive(Args)]
pub struct RunArguments {
    /// Two minutes: less of everything, once
    #[arg(long)]
    quick: bool,
    /// How often each is measured; the table shows medians
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Only those whose name contains this
    #[arg(long)]
    only: Option<String>,
}

/// All loads, or those that two minutes are enough for.
fn loads(quick: bool) -> Vec<Load> {
    let seconds = if quick { 5 } else { 20 };
    let steady = |per_second: i64| Load {
        name: format!("steady {per_second}/s"),
        jobs: per_second * seconds,
        workspaces: 1,
        mode: Mode::Steady { per_second },
    };
    let load = |name: &str, jobs, workspaces, mode| Load { name: name.to_owned(), jobs, workspaces, mode };
    let mut loads = vec![
        load("backlog 20,000", 20_000, 1, Mode::Backlog),
        load("burst 20,000", 20_000, 1, Mode::Burst),
        steady(200),
        steady(2000),
    ];
    if !quick {
        loads.extend([
            load("backlog 100,000", 100_000, 1, Mode::Backlog),
            load("backlog 100,000 of 64 workspaces", 100_000, 64, Mode::Backlog),
            load("burst 100,000", 100_000, 1, Mode::Burst),
            steady(5000),
        ]);
    }
    loads
}

pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let servers = Servers::start().await?;
    let mut sink = start_sink()?;
    let repetitions = if arguments.quick { 1 } else { arguments.repetitions.max(1) };
    let mut report = Report::default();
    for load in loads(arguments.quick) {
        if arguments.only.as_ref().is_some_and(|only| !load.name.contains(only.as_str())) {
            continue;
        }
        for repetition in 1..=repetitions {
            eprintln!("{}, {repetition} of {repetitions}", load.name);
            let measured = load.measure(&servers, &sink.sink, sink.child.id()).await?;
            eprintln!("  {measured}");
            report.add(&load.name, measured);
        }
    }
    // It has nothing to lose.
    let _ = sink.child.kill();
    let _ = sink.child.wait();
    servers.stop().await;
    report.print();
    report.write(Path::new("target/bench/report.json"))
}

pub struct SinkProcess {
    pub sink: Sink,
    pub child: std::process::Child,
}

pub fn start_sink() -> anyhow::Result<SinkProcess> {
    let ours = std::env::current_exe()?;
    let ends_with_us = trigrun_embed::ends_with_us(&ours);
    let mut command: Command = ends_with_us;
    let mut child = command.arg("sink").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("the sink says nothing")?).read_line(&mut line)?;
    Ok(SinkProcess { sink: Sink { address: line.trim().parse()? }, child })
}
