//! `trigrun-dev`: the whole of TrigRun in one process, on a Postgres and a Redis of its own.
//!
//! For trying it and for working on it. Nothing outside `.trigrun/` is touched, and nothing is left running.

mod client;
mod demo;
mod echo;
mod system;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};
use trigrun_core::runtime::shutdown;

/// Runs all of TrigRun in one process, on a private Postgres and a private Redis.
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
    /// Where the data of Postgres and Redis is kept.
    #[arg(long, global = true, default_value = ".trigrun", env = "TRIGRUN_DIR")]
    dir: PathBuf,
    /// The API's port on 127.0.0.1.
    #[arg(long, global = true, default_value_t = 8080, env = "TRIGRUN_PORT")]
    port: u16,
    /// What is logged, e.g. info,trigrun_executor=debug.
    #[arg(long, global = true, default_value = "warn", env = "TRIGRUN_LOG")]
    log: String,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until Ctrl-C.
    Run,
    /// Creates one job of each kind, waits until each has run, and shows what was recorded.
    Demo,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { command, options } = Arguments::parse();
    let shutdown = shutdown::on_signal()?;
    let system = system::System::start(&options, shutdown.clone()).await?;
    let code = match command {
        Command::Run => {
            system.introduce();
            shutdown.cancelled().await;
            ExitCode::SUCCESS
        }
        Command::Demo => {
            let report = options.dir.join("demo.json");
            let demo = demo::run(&system, &report);
            match shutdown.run_until_cancelled(demo).await {
                Some(Ok(true)) => ExitCode::SUCCESS,
                Some(Ok(false)) | None => ExitCode::FAILURE,
                Some(Err(error)) => {
                    eprintln!("the demo could not be played: {error:#}");
                    ExitCode::FAILURE
                }
            }
        }
    };
    system.stop().await;
    Ok(code)
}
