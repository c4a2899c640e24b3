//! The environment of the peer.

use anyhow::Context;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{env, str::FromStr, time::Duration};

use crate::fire::Fire;

const CONNECTIONS: u32 = 24;
/// Every run needs a connection for its row, and may have to wait.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(120);

pub async fn pool() -> anyhow::Result<PgPool> {
    let server = PgConnectOptions::new()
        .socket(text("POSTGRES_HOST")?)
        .username(&text("POSTGRES_USER")?)
        .database(&text("POSTGRES_DATABASE")?);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
    Ok(pool.connect_with(server).await?)
}

pub fn concurrency() -> anyhow::Result<usize> {
    if env::var_os("CONCURRENCY").is_none() { Ok(256) } else { number("CONCURRENCY") }
}

/// Jobs 0 to N-1; job k is due at T0_US + k × STEP_US, in unix microseconds.
pub fn jobs() -> anyhow::Result<Vec<Fire>> {
    let (count, first, step): (i64, i64, i64) = (number("N")?, number("T0_US")?, number("STEP_US")?);
    Ok((0..count).map(|id| Fire { id, intended: first + id * step }).collect())
}

/// Without a trailing slash.
pub fn sink() -> anyhow::Result<String> {
    text("SINK_URL")
}

fn text(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set"))
}

fn number<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str) -> anyhow::Result<T> {
    text(name)?.parse().with_context(|| format!("{name} is not a number"))
}
