//! `trigrun-embed`: runs a command with a private Postgres and Redis, or installs the server programs.

mod exec;
mod setup;

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
    /// Run COMMAND with TRIGRUN_TEST_POSTGRES and TRIGRUN_TEST_REDIS set, and end with its exit code
    Exec {
        /// Keep the data here; without it a temporary directory is used and removed
        #[arg(long)]
        dir: Option<PathBuf>,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Say where the server programs are, and install what is missing (Debian and Ubuntu)
    Setup,
}

// One thread: the command that `exec` runs gets its death signal when the thread that forked it ends.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Arguments::parse().action {
        Action::Exec { dir, command } => exec::exec(dir, &command).await,
        Action::Setup => setup::setup().await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("trigrun-embed: {error:#}");
        ExitCode::FAILURE
    })
}
