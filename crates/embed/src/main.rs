//! `trigrun-embed`: runs a command with a private Postgres and Redis.

mod exec;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A private Postgres and Redis for tests and development.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run COMMAND with TRIGRUN_TEST_POSTGRES and TRIGRUN_TEST_REDIS set, and TRIGRUN_TEST_CLIENTS to the directory of psql, and exit with its
    /// exit code
    Exec {
        /// Keep the data here; by default, a temporary directory is used and removed
        #[arg(long)]
        dir: Option<PathBuf>,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

// One thread: the command gets its death signal when the thread that forked it ends.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Action::Exec { dir, command } = Arguments::parse().action;
    exec::exec(dir, &command).await.unwrap_or_else(|error| {
        eprintln!("trigrun-embed: {error:#}");
        ExitCode::FAILURE
    })
}
