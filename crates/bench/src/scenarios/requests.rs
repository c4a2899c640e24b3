//! Requests to the API over many connections: as many as possible, or at a rate.

use anyhow::Context;
use futures_util::future::try_join_all;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};
use trigrun_testkit::{
    client::{Connection, Request},
    stats::Samples,
};

use super::api::body_of;

/// Sends one request after the other on each connection for this time. Returns the milliseconds of each, and the time until the last
/// response. Fails if any response is not a success.
pub async fn saturate(
    connections: &mut [Connection],
    request: impl Fn() -> Request,
    time: Duration,
) -> anyhow::Result<(Samples, Duration)> {
    let (began, request) = (Instant::now(), &request);
    let all = connections.iter_mut().map(async |connection| {
        let mut took = Vec::new();
        while began.elapsed() < time {
            let sent = Instant::now();
            body_of(connection, request()).await?;
            took.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        anyhow::Ok(took)
    });
    let took = try_join_all(all).await?.into_iter().flatten().collect();
    Ok((took, began.elapsed()))
}

/// Sends each request at its instant, even if earlier ones are in flight. `request` gets the number of the request. Returns the
/// milliseconds of each from the instant when it was due: waiting for a connection counts.
pub async fn at_rate(
    connections: &mut [Connection],
    request: impl Fn(u32) -> Request,
    per_second: f64,
    time: Duration,
) -> anyhow::Result<Samples> {
    let (began, next, request) = (tokio::time::Instant::now(), Cell::new(0_u32), &request);
    let all = connections.iter_mut().map(async |connection| {
        let mut took = Vec::new();
        loop {
            let number = next.replace(next.get() + 1);
            let due = began + Duration::from_secs_f64(f64::from(number) / per_second);
            if due > began + time {
                return anyhow::Ok(took);
            }
            tokio::time::sleep_until(due).await;
            body_of(connection, request(number)).await?;
            took.push(due.elapsed().as_secs_f64() * 1e3);
        }
    });
    Ok(try_join_all(all).await?.into_iter().flatten().collect())
}

/// Opens this many connections.
pub async fn connect(api: &super::Api, count: usize) -> anyhow::Result<Vec<Connection>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(api.connect().await.context("the API does not accept connections")?);
    }
    Ok(connections)
}
