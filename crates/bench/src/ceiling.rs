//! The limits of the machine: Redis, Postgres and HTTP separately, and the prototype, the minimum of a path over all three.
//!
//! Measured in the same run as the product, so that a slow or busy machine affects both.

mod http;
mod insert;
pub mod prototype;
mod stream;

pub use http::http;
pub use insert::insert;
pub use stream::stream_cycle;

use anyhow::Context;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::{runtime, task::LocalSet};
use tokio_postgres::{Client, NoTls};

#[allow(clippy::disallowed_methods, reason = "a ceiling uses no code of the product")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The wall clock in unix microseconds, the unit of `x-intended-us`.
pub fn unix_us() -> i64 {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The body of every request: 30 bytes, up to ninety million jobs.
fn body(job: i64) -> String {
    format!(r#"{{"hello":"world","n":{}}}"#, 10_000_000 + job)
}

/// A connection whose commits are durable, whatever the server's default is.
#[allow(clippy::disallowed_methods, reason = "a ceiling uses no code of the product")]
async fn postgres(url: &str) -> anyhow::Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("cannot connect to Postgres")?;
    tokio::spawn(connection);
    client.batch_execute("SET synchronous_commit = on").await?;
    Ok(client)
}

fn redis(url: &str) -> anyhow::Result<redis::Connection> {
    redis::Client::open(url)?.get_connection().context("cannot connect to Redis")
}

/// Runs it on its own thread and runtime, so that other tasks do not slow a ceiling down.
async fn on_own_thread<T, F>(work: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    tokio::task::spawn_blocking(move || block_on(work())).await?
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_body_has_thirty_bytes() {
        assert_eq!([0, 99_999].map(|job| super::body(job).len()), [30, 30]);
    }
}
