//! What each command of `trigrun-api` does.

use anyhow::{Context, ensure};
use std::{io::Write, time::Duration};
use trigrun_core::{
    runtime::{open_files, process, shutdown},
    telemetry,
};

use crate::{
    openapi,
    operator::{client, doctor, smoke},
    server,
    settings::Settings,
};

pub mod admin;
pub mod by;
mod connection;
pub mod hold;
pub mod keys;
pub mod migrate;
pub mod operator;
pub mod token;
pub mod user;
pub mod workspace;

pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init("trigrun-api", &settings.telemetry)?;
    process::log_panics();
    tracing::info!(limit = open_files::raise_limit(), "open files");
    let shutdown = shutdown::on_signal()?;
    if !process::wait_for_schema(&settings.postgres, &settings.telemetry, &shutdown).await? {
        return Ok(());
    }
    server::serve(settings, shutdown, |_| ()).await.context("cannot serve the API")
}

pub fn openapi(of_operators: bool) -> anyhow::Result<()> {
    let document = if of_operators { openapi::operator_json() } else { openapi::json() };
    // Unlike `print!`, this does not panic when the reader closes the pipe early.
    std::io::stdout().write_all(document.as_bytes())?;
    Ok(())
}

pub async fn healthcheck(address: &str) -> anyhow::Result<()> {
    let (is_ready, text) = client::probe(address, "/readyz").await?;
    ensure!(is_ready, "{}", text.trim_end());
    print!("{text}");
    Ok(())
}

pub async fn doctor(settings: &Settings) -> anyhow::Result<()> {
    let findings = doctor::check(settings).await;
    print!("{findings}");
    ensure!(!findings.has_failures(), "some checks failed");
    Ok(())
}

pub async fn smoke(settings: &Settings, url: &str, target: &str, timeout: Duration) -> anyhow::Result<()> {
    let stop = shutdown::on_signal()?;
    smoke::run(&mut connection::open(settings).await?, url, target, timeout, &stop).await
}
