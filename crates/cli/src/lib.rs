//! `trigrun`: the command line of TrigRun. A library only so that the reading of files can be fuzzed.

mod cli;
mod commands;
mod context;
mod environment;
mod exit;
pub mod files;
mod globals;
mod identity;
pub mod node;
mod output;
mod path;
mod plan;
mod profile;
mod prompt;
mod rows;
mod table;
mod times;
mod value;
mod view;
mod waiting;
pub mod yaml;

use clap::Parser;
use std::process::ExitCode;

use crate::{
    cli::Cli,
    exit::{Exit, Failure},
    globals::Format,
};

/// Runs the command of the arguments of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Without a terminal, nothing is left to tell.
            let _ = error.print();
            // clap's own 2 would read as "changes pending".
            return ExitCode::from(if error.use_stderr() { Exit::Failed as u8 } else { 0 });
        }
    };
    cli.globals.color.apply();
    let format = cli.globals.output;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(cli.run())),
        Err(error) => Err(Failure::from(error)),
    };
    let exit = result.unwrap_or_else(|failure| {
        report(&failure, format);
        failure.exit
    });
    ExitCode::from(exit as u8)
}

/// Prints an error: for programs the problem of the API, for people a sentence.
fn report(failure: &Failure, format: Format) {
    match (format, &failure.problem) {
        (Format::Json | Format::Ndjson, Some(problem)) => {
            let text = match format {
                Format::Json => output::indented(&problem.text),
                _ => output::compact(&problem.text) + "\n",
            };
            // The exit code says that it failed.
            let _ = output::print(&text);
        }
        _ => anstream::eprintln!("{}", failure.for_people()),
    }
}
