//! What one tenant that is greedy within its rights does to others: one scenario for each way that is known.
//!
//! A scenario measures two victims alone, a neighbour in the greedy account's shard and a tenant in another, then under the attack.

mod accounts;
mod keeper;
mod rows;
mod seen;
mod stage;
mod target;
mod victims;

use anyhow::bail;
use clap::Args;
use futures_util::future::LocalBoxFuture;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use self::{
    seen::Seen,
    stage::{Needs, Scale, Stage},
};

const LOGS: &str = "target/fairness";

/// Plays a scenario for each way in which a tenant could harm others; exits with 0 if the others did not notice
#[derive(Args)]
pub struct Arguments {
    /// Only these scenarios
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The short form: fewer scenarios, less of everything, on one system
    #[arg(long)]
    short: bool,
    /// Lists the scenarios
    #[arg(long)]
    list: bool,
    /// The directory of other binaries than those built with this program
    #[arg(long)]
    binaries: Option<PathBuf>,
}

/// One way to be greedy.
pub struct Row {
    name: &'static str,
    about: &'static str,
    needs: Needs,
    /// Part of the short form.
    is_short: bool,
    play: for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, anyhow::Result<Seen>>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let rows = rows::all();
    if arguments.list {
        rows.iter().for_each(|row| println!("{:<22} {}", row.name, row.about));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = arguments.only.iter().find(|name| rows.iter().all(|row| row.name != **name)) {
        bail!("there is no scenario {unknown}: `trigrun-chaos fairness --list` has them");
    }
    let is_selected = |row: &&Row| match arguments.only.is_empty() {
        true => row.is_short || !arguments.short,
        false => arguments.only.iter().any(|name| name == row.name),
    };
    let selected: Vec<&Row> = rows.iter().filter(is_selected).collect();
    let binaries = arguments.binaries.as_deref();
    let scale = if arguments.short { Scale::SHORT } else { Scale::LONG };
    let mut results = Results::default();
    if arguments.short {
        // One system for all that need nothing special.
        for needs in [Needs::Nothing, Needs::FewFiles, Needs::NameServer] {
            let same: Vec<&Row> = selected.iter().copied().filter(|row| row.needs == needs).collect();
            results.play(&same, needs, scale, binaries).await;
        }
    } else {
        for row in &selected {
            results.play(&[row], row.needs, scale, binaries).await;
        }
    }
    println!("\n{}", results.table());
    Ok(if results.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Results(Vec<(&'static str, anyhow::Result<Seen>)>);

impl Results {
    /// Plays these one after the other, on one system.
    async fn play(&mut self, rows: &[&Row], needs: Needs, scale: Scale, binaries: Option<&Path>) {
        let Some(first) = rows.first() else { return };
        let began = Instant::now();
        let mut stage = match Stage::start(needs, scale, binaries, Path::new(LOGS).join(first.name)).await {
            Ok(stage) => stage,
            Err(error) => {
                println!("\n{}: NOT PLAYED: {error:#}", first.name);
                return self.0.push((first.name, Err(error)));
            }
        };
        println!(
            "\nthe system is ready and the victims are measured: {:.0} s",
            began.elapsed().as_secs_f64()
        );
        for row in rows {
            println!("\n{}: {}", row.name, row.about);
            let began = Instant::now();
            let mut seen = (row.play)(&stage).await;
            // Other programs may occupy the machine for a second, and few requests are measured. Lateness alone proves nothing.
            if scale.is_short && seen.as_ref().is_ok_and(Seen::is_only_late) {
                println!("  only late; the victims are measured alone again, and the attack is played again");
                seen = match stage.measure_alone().await {
                    Ok(()) => (row.play)(&stage).await,
                    Err(error) => Err(error),
                };
            }
            match &seen {
                Ok(seen) => seen.print(),
                // The others are still played.
                Err(error) => println!("  NOT PLAYED: {error:#}"),
            }
            println!("  {:.0} s", began.elapsed().as_secs_f64());
            self.0.push((row.name, seen));
        }
        stage.stop().await;
    }

    fn table(&self) -> comfy_table::Table {
        let mut table = seen::table();
        for (name, seen) in &self.0 {
            match seen {
                Ok(seen) => table.add_row(seen.row(name)),
                Err(error) => table.add_row([*name, "not played", &format!("{error:#}")]),
            };
        }
        table
    }

    fn passed(&self) -> bool {
        self.0.iter().all(|(_, seen)| seen.as_ref().is_ok_and(Seen::holds))
    }
}
