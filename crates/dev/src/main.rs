//! `trigrun-dev`: all of TrigRun in one process, on a private Postgres and Redis.
//!
//! For evaluation and development. It changes nothing outside `.trigrun/`, and leaves no process running.

mod demo;
mod echo;
mod progress;
mod sample;
mod system;

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf, process::ExitCode};
use tokio_util::sync::CancellationToken;
use trigrun_core::runtime::shutdown;

/// Runs all of TrigRun in one process, on a private Postgres and Redis.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

#[derive(clap::Args)]
struct Options {
    /// The directory of the data of Postgres and Redis.
    #[arg(long, global = true, default_value = ".trigrun", env = "TRIGRUN_DIR")]
    dir: PathBuf,
    /// The API's port on 127.0.0.1; 0 takes a free one.
    #[arg(long, global = true, default_value_t = 8080, env = "TRIGRUN_PORT")]
    port: u16,
    /// Log filter directives, e.g. info,trigrun_executor=debug.
    #[arg(long, global = true, default_value = "warn", env = "TRIGRUN_LOG")]
    log: String,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until Ctrl-C.
    Run {
        /// Also creates a workspace with a hundred jobs and a day of history, unless it exists, and a user who can log in to it.
        #[arg(long)]
        demo: bool,
    },
    /// Creates one job of each kind, waits for their runs, and shows what was recorded.
    Demo,
    /// Runs COMMAND with TRIGRUN_URL, TRIGRUN_TOKEN and those of an operator set, and exits with its exit code.
    Exec {
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { command, options } = Arguments::parse();
    let shutdown = shutdown::on_signal()?;
    let system = system::System::start(&options, shutdown.clone()).await?;
    let code = match command {
        Command::Run { demo } => {
            let log_in = if demo {
                let started = sample::start(system.api, system.database_url(), shutdown.clone()).await;
                started.context("cannot create the demo's workspace")?
            } else {
                "sign up with any e-mail address".to_owned()
            };
            system.print_introduction(&log_in);
            shutdown.cancelled().await;
            ExitCode::SUCCESS
        }
        Command::Exec { command } => exec(&system, &command, &shutdown).await?,
        Command::Demo => {
            let report = options.dir.join("demo.json");
            let demo = demo::run(&system, &report);
            match shutdown.run_until_cancelled(demo).await {
                Some(Ok(true)) => ExitCode::SUCCESS,
                Some(Ok(false)) | None => ExitCode::FAILURE,
                Some(Err(error)) => {
                    eprintln!("the demo failed: {error:#}");
                    ExitCode::FAILURE
                }
            }
        }
    };
    system.stop().await;
    Ok(code)
}

/// Runs the command and returns its exit code. Ends the command at shutdown.
async fn exec(
    system: &system::System,
    command: &[OsString],
    shutdown: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let mut child = tokio::process::Command::new(&command[0])
        .args(&command[1..])
        .envs(system.variables())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", command[0].display()))?;
    let ended = shutdown.run_until_cancelled(child.wait()).await.transpose()?;
    let code = ended.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
