//! `trigrun-scheduler`: see the library.

use anyhow::Context;
use clap::Parser;
use trigrun_core::{
    runtime::{process, shutdown},
    telemetry,
};
use trigrun_scheduler::{Settings, serve};

/// Plans the executions of due jobs and publishes them to the executors. Run as many as you like; none leads.
///
/// Settings come from the environment: TRIGRUN__POSTGRES__URL, TRIGRUN__REDIS__URL and others; see docs/configuration.md.
#[derive(Parser)]
#[command(version)]
struct Arguments {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Arguments::parse();
    let settings = Settings::load()?;
    let _telemetry = telemetry::init("trigrun-scheduler", &settings.telemetry)?;
    process::log_panics();
    let shutdown = shutdown::on_signal()?;
    if !process::wait_for_schema(&settings.postgres, &settings.telemetry, &shutdown).await? {
        return Ok(());
    }
    serve(settings, shutdown).await.context("the scheduler cannot run")
}
