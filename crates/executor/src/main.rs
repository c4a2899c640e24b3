//! `trigrun-executor`: see the library.

use anyhow::Context;
use clap::Parser;
use trigrun_core::{
    runtime::{process, shutdown},
    telemetry,
};
use trigrun_executor::{Settings, serve};

/// Saves an eighth of the processor time of a run, for as much more memory: see decision 14.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Makes the requests of due jobs and records the responses. Run as many as you need.
///
/// Settings come from the environment: TRIGRUN__POSTGRES__URL, TRIGRUN__REDIS__URL and others; see docs/configuration.md.
#[derive(Parser)]
#[command(version)]
struct Arguments {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Arguments::parse();
    let settings = Settings::load()?;
    let _telemetry = telemetry::init("trigrun-executor", &settings.telemetry)?;
    process::log_panics();
    let shutdown = shutdown::on_signal()?;
    if !process::wait_for_schema(&settings.postgres, &settings.telemetry, &shutdown).await? {
        return Ok(());
    }
    serve(settings, shutdown).await.context("the executor cannot run")
}
