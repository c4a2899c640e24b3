//! `trigrun-api migrate`

use std::time::{Duration, Instant};
use trigrun_core::store::{
    StoreError,
    migrate::{self, SchemaError},
};

use crate::settings::Settings;

const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Migrates the schema. Waits up to `wait` for a Postgres that is unavailable.
pub async fn run(settings: &Settings, wait: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + wait;
    let mut reported = String::new();
    let applied = loop {
        match migrate::run(&settings.postgres).await {
            Err(SchemaError::Store(StoreError::Unavailable(why))) if Instant::now() < deadline => {
                if reported != why {
                    eprintln!("waiting for Postgres: {why}");
                    reported = why;
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            result => break result?,
        }
    };
    for migration in applied {
        println!("ran {migration}");
    }
    println!("the schema is up to date");
    Ok(())
}
