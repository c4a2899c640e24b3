//! `trigrun-chaos`: tries to break the promise of TrigRun, on private servers, with real processes, and looks whether it held.
//!
//! A scenario is a load, what is done to the system meanwhile, and what it may cost. When all has come to rest, the proof compares
//! what an oracle of its own expects, what Postgres holds and what the recorder has received.

mod clients;
mod cluster;
mod faults;
mod http;
mod load;
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
mod time;
mod watcher;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use report::Verdict;
use scenarios::{ALL, Ask, Scenario};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Tries to break TrigRun's promise: no fire lost, none twice, no request that is not explained.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What there is to play.
    List,
    /// Plays these scenarios, one after the other; ends 0 when the promise held in all.
    Play {
        /// Names from `list`; `all` is every single way of failing.
        #[arg(required = true)]
        names: Vec<String>,
        /// Fixes what is done when; the default is a new one each time, which is printed.
        #[arg(long)]
        seed: Option<u64>,
        /// How long the faults last, in place of each scenario's own time.
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Plays an upgrade under load, and its way back: the binaries of another release on this schema, replaced one by one by those built with
    /// this; ends 0 when the promise has held.
    Upgrade {
        /// Where the binaries of that release are.
        #[arg(long)]
        old: PathBuf,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Plays one scenario with each defect that debug builds can be given, and ends 0 when the run has found them.
    Mutants {
        /// Names of defects; all of them if none is given.
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
        Command::Play { names, seed, seconds } => {
            let seed = seed.unwrap_or_else(|| fastrand::u64(1..1_000_000));
            play(&chosen(&names)?, &Ask { seed, seconds, mutant: None }).await
        }
        Command::Upgrade { old, seed } => {
            let verdict =
                scenarios::upgrade::upgrade(&old, Ask { seed, seconds: None, mutant: None }).await?;
            verdict.print();
            Ok(if verdict.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Mutants { names, seed } => mutants::all(&names, seed).await,
    }
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    if names == ["all"] {
        return Ok(ALL.iter().filter(|scenario| !scenario.is_mixed).collect());
    }
    let named = |name: &String| {
        let found = ALL.iter().find(|scenario| scenario.name == name);
        found.with_context(|| format!("there is no scenario {name}: `trigrun-chaos list` has them"))
    };
    names.iter().map(named).collect()
}

async fn play(scenarios: &[&Scenario], ask: &Ask) -> anyhow::Result<ExitCode> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut broken = Vec::new();
    for scenario in scenarios {
        println!("\n{}: {} (seed {})", scenario.name, scenario.about, ask.seed);
        match (scenario.play)(ask.clone()).await {
            Ok(verdict) => {
                verdict.print();
                verdicts.push(verdict);
            }
            // One that cannot be played here says why; the others are played all the same.
            Err(error) => {
                println!("COULD NOT BE PLAYED: {error:#}");
                broken.push(scenario.name);
            }
        }
        write(&verdicts)?;
    }
    if scenarios.len() > 1 {
        println!("\n{}\n{}", report::summary(&verdicts), report::figures(&verdicts));
    }
    if !broken.is_empty() {
        bail!("could not be played: {}", broken.join(", "));
    }
    let green = verdicts.iter().all(Verdict::is_green);
    Ok(if green { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(verdicts: &[Verdict]) -> anyhow::Result<()> {
    let report: Vec<_> = verdicts.iter().map(Verdict::json).collect();
    let path = Path::new("target/run/report.json");
    std::fs::create_dir_all("target/run")?;
    std::fs::write(path, serde_json::to_vec_pretty(&report)?).with_context(|| path.display().to_string())
}
