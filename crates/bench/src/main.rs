//! Throughput, lateness and cost of the product's release binaries on private servers, next to the limits of the machine.
//!
//! The commands of this program print the figures of docs/performance.md.

use anyhow::Context;
use clap::{Parser, Subcommand};

mod arrivals;
mod bench;
mod builds;
mod bulk;
mod ceiling;
mod compare;
mod cost;
mod executions;
mod forecast;
mod jobs;
mod measured;
mod peers;
mod processes;
mod product;
mod progress;
mod report;
mod scenarios;
mod series;
mod servers;
mod sink;
mod store;
mod written;

/// Measures TrigRun on this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures backlogs, bursts and steady rates: tables of medians, target/bench/report.json and a plot
    Run(scenarios::RunArguments),
    /// Measures two builds in turn, each on its own databases: a table of medians and ratios, target/bench/compare.json
    Compare(compare::CompareArguments),
    /// Compares TrigRun with BullMQ, pg-boss, Graphile Worker and its port to Rust: tables, target/bench/peers.json
    Peers(peers::PeersArguments),
    /// Measures the cost of a fire, an idle second, a job and a page with up to ten million jobs and executions: tables,
    /// target/bench/store.json and a plot
    Store(store::StoreArguments),
    /// Times what the API computes of many jobs: eight days of a forecast, a page of the next fires, a proposal
    Forecast(forecast::ForecastArguments),
    /// Runs the target of the requests, and prints its address
    #[command(hide = true)]
    Sink,
    /// Runs the prototype: the minimum that a hot path must do
    #[command(hide = true)]
    Prototype(ceiling::prototype::PrototypeArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(arguments) => runtime()?.block_on(scenarios::run(arguments)),
        Command::Compare(arguments) => runtime()?.block_on(compare::run(arguments)),
        Command::Peers(arguments) => runtime()?.block_on(peers::run(arguments)),
        Command::Store(arguments) => runtime()?.block_on(store::run(arguments)),
        Command::Forecast(arguments) => forecast::run(&arguments),
        Command::Sink => sink::main(),
        Command::Prototype(arguments) => ceiling::prototype::main(arguments),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start a runtime")
}
