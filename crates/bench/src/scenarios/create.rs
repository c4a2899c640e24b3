//! Jobs are created through the API: as many as it can, then at half that rate with an eye on every answer.

use bytes::Bytes;
use futures_util::future::try_join_all;
use hyper::Method;
use serde::Serialize;
use std::{
    cell::Cell,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::api::{Api, Connection};
use crate::{
    arrivals::quantile,
    bench::Bench,
    cost::{Cost, Meter},
};

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Serialize)]
pub struct Created {
    /// With a request in flight on each connection all the time.
    pub requests_per_second: f64,
    /// At half that rate, from the instant at which each request was to be made: waiting for a connection counts.
    pub half_rate_p50_ms: f64,
    pub half_rate_p99_ms: f64,
    /// Of the first part, for each job.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Every answer must be a success.
pub async fn measure(bench: &Bench, seconds: u64) -> anyhow::Result<Created> {
    let Bench { servers, sink, .. } = bench;
    let database = servers.database().await?;
    let api = Api::start(servers, &database, None).await?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(api.connect().await?);
    }
    let job = job(sink.address);
    let part = Duration::from_secs(seconds);
    crowd(&mut connections, &job, WARM_UP).await?;
    let meter = Meter::start(bench.around()?, vec![("api", api.process.pid())]);
    let (created, elapsed) = crowd(&mut connections, &job, part).await?;
    let cost = meter.stop().of(created);
    let requests_per_second = created as f64 / elapsed.as_secs_f64();
    let took = in_turn(&mut connections, &job, requests_per_second / 2.0, part).await?;
    drop(connections);
    api.process.end().await?;
    servers.drop_database(&database).await?;
    Ok(Created {
        requests_per_second,
        half_rate_p50_ms: quantile(&took, 0.5),
        half_rate_p99_ms: quantile(&took, 0.99),
        cost,
    })
}

/// How many were created, and in what time.
async fn crowd(
    connections: &mut [Connection],
    job: &Bytes,
    part: Duration,
) -> anyhow::Result<(usize, Duration)> {
    let began = Instant::now();
    let counts = connections.iter_mut().map(async |connection| {
        let mut count = 0;
        while began.elapsed() < part {
            connection.ask(Method::POST, "/v1/jobs", job.clone()).await?;
            count += 1;
        }
        anyhow::Ok(count)
    });
    let counts: Vec<usize> = try_join_all(counts).await?;
    Ok((counts.iter().sum(), began.elapsed()))
}

/// Each at its instant, whatever has become of those before. Sorted milliseconds.
async fn in_turn(
    connections: &mut [Connection],
    job: &Bytes,
    per_second: f64,
    part: Duration,
) -> anyhow::Result<Vec<f64>> {
    let (began, next) = (tokio::time::Instant::now(), Cell::new(0_u32));
    let all = connections.iter_mut().map(async |connection| {
        let mut took = Vec::new();
        loop {
            let turn = next.replace(next.get() + 1);
            let due = began + Duration::from_secs_f64(f64::from(turn) / per_second);
            if due > began + part {
                return anyhow::Ok(took);
            }
            tokio::time::sleep_until(due).await;
            connection.ask(Method::POST, "/v1/jobs", job.clone()).await?;
            took.push(due.elapsed().as_secs_f64() * 1e3);
        }
    });
    let mut took = try_join_all(all).await?.concat();
    took.sort_by(f64::total_cmp);
    Ok(took)
}

fn job(sink: SocketAddr) -> Bytes {
    let job = serde_json::json!({
        "name": "a job of the benchmark",
        "kind": "recurring",
        "schedule": { "every_n_minutes": 1440 },
        "request": { "url": format!("http://{sink}/hook/0"), "method": "POST", "body": { "hello": "world", "n": 1 } },
    });
    Bytes::from(job.to_string())
}
