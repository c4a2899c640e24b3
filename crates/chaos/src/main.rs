//! `trigrun-chaos`: injects faults into real processes on private servers, and checks whether the promise held.
//!
//! A scenario is a load, faults under that load, and what they may cost. When the system is idle again, the proof compares what an
//! independent oracle expects, what Postgres holds and what the recording target received.

mod api;
mod clients;
mod clock;
mod clock_file;
mod cluster;
mod fairness;
mod faults;
mod load;
mod memory;
mod mutants;
mod oracle;
mod proof;
mod proxy;
mod record;
mod recorder;
mod report;
mod run;
mod scenarios;
mod servers;
mod watcher;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use report::Report;
use scenarios::{ALL, Options, Scenario};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Where each run leaves its logs and requests.
const OUTPUT_DIR: &str = "target/chaos";

/// Tries to break TrigRun's promise: no fire lost, none recorded twice, no request without an attempt.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the scenarios
    List,
    /// Runs these scenarios, one after the other; exits with 0 if every invariant held
    Run {
        /// Names from `list`; `all` is every scenario with a single kind of fault
        #[arg(required = true)]
        names: Vec<String>,
        /// Fixes the order of the faults; the default is a new one each time, which is printed
        #[arg(long)]
        seed: Option<u64>,
        /// How long the faults last, instead of the scenario's default
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Runs an upgrade under load, and its way back: another release's binaries are replaced one by one by those built with this
    /// program; exits with 0 if every invariant held
    Upgrade {
        /// The directory of the other release's binaries
        #[arg(long)]
        old: PathBuf,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    Fairness(fairness::Arguments),
    Memory(memory::Arguments),
    /// Runs a scenario with each deliberate defect of a build with failpoints; exits with 0 if each defect was found
    Mutants {
        /// Names of defects; the default is all of them
        names: Vec<String>,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::List => {
            ALL.iter().for_each(|scenario| println!("{:<18} {}", scenario.name, scenario.about));
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { names, seed, seconds } => {
            let seed = seed.unwrap_or_else(|| fastrand::u64(1..1_000_000));
            run(&select(&names)?, &Options { seed, seconds, mutant: None }).await
        }
        Command::Upgrade { old, seed } => {
            let options = Options { seed, seconds: None, mutant: None };
            let report = scenarios::upgrade::upgrade(&old, options).await?;
            report.print();
            Ok(exit_code(report.passed()))
        }
        Command::Fairness(arguments) => fairness::run(arguments).await,
        Command::Memory(arguments) => memory::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Command::Mutants { names, seed } => mutants::run(&names, seed).await,
    }
}

fn select(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if names == ["all"] {
        return Ok(ALL.iter().filter(|scenario| !scenario.is_mixed).collect());
    }
    let named = |name: &String| {
        let found = ALL.iter().find(|scenario| scenario.name == name);
        found.with_context(|| format!("there is no scenario {name}: `trigrun-chaos list` has them"))
    };
    names.iter().map(named).collect()
}

async fn run(scenarios: &[&Scenario], options: &Options) -> anyhow::Result<ExitCode> {
    let mut reports: Vec<Report> = Vec::new();
    let mut not_run = Vec::new();
    for scenario in scenarios {
        println!("\n{}: {} (seed {})", scenario.name, scenario.about, options.seed);
        match (scenario.run)(options.clone()).await {
            Ok(report) => {
                report.print();
                reports.push(report);
            }
            // A scenario that cannot run here says why; the others still run.
            Err(error) => {
                println!("NOT RUN: {error:#}");
                not_run.push(scenario.name);
            }
        }
        write(&reports)?;
    }
    if scenarios.len() > 1 {
        println!("\n{}\n{}", report::summary(&reports), report::figures(&reports));
    }
    if !not_run.is_empty() {
        bail!("could not be run: {}", not_run.join(", "));
    }
    Ok(exit_code(reports.iter().all(Report::passed)))
}

fn exit_code(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn write(reports: &[Report]) -> anyhow::Result<()> {
    let json: Vec<_> = reports.iter().map(Report::json).collect();
    let path = Path::new(OUTPUT_DIR).join("report.json");
    fs::create_dir_all(OUTPUT_DIR)?;
    fs::write(&path, serde_json::to_vec_pretty(&json)?).with_context(|| path.display().to_string())
}
