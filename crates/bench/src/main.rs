//! How fast, how late and at what cost: the product's release binaries on private servers, beside what the machine allows.
//!
//! Every figure of docs/performance.md is printed by a command of this program.

use anyhow::Context;
use clap::{Parser, Subcommand};

mod arrivals;
mod bench;
mod ceiling;
mod cost;
mod http;
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

/// Measures TrigRun on this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Backlog, bursts, steady rates: a table of medians, target/bench/report.json and a plot
    Run(scenarios::RunArguments),
    /// BullMQ, pg-boss, Graphile Worker and its port to Rust beside TrigRun: a table, target/bench/peers.json
    Peers(peers::PeersArguments),
    /// What a fire, an idle second, a job and a page cost with up to ten million jobs and executions; target/bench/store.json and a plot
    Store(store::StoreArguments),
    /// The target of the requests, a process of its own; prints its address
    #[command(hide = true)]
    Sink,
    /// The least that a hot path has to do, a process of its own
    #[command(hide = true)]
    Prototype(ceiling::prototype::PrototypeArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(arguments) => runtime()?.block_on(scenarios::run(arguments)),
        Command::Peers(arguments) => runtime()?.block_on(peers::run(arguments)),
        Command::Store(arguments) => runtime()?.block_on(store::run(arguments)),
        Command::Sink => sink::main(),
        Command::Prototype(arguments) => ceiling::prototype::main(arguments),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime can be had")
}
