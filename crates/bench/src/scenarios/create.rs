//! Jobs are created through the API: as many as possible, then at half that rate, where each response is timed.

use bytes::Bytes;
use futures_util::future::try_join_all;
use hyper::Method;
use std::{
    cell::Cell,
    net::SocketAddr,
    time::{Duration, Instant},
};
use trigrun_testkit::{
    client::{Connection, Request},
    stats::Samples,
};

use super::api::{Api, body_of};
use crate::{bench::Bench, cost::Meter, measured::Created};

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(1);

/// Fails if any response is not a success.
pub async fn measure(bench: &Bench, seconds: u64) -> anyhow::Result<Created> {
    let Bench { servers, sink, .. } = bench;
    let database = servers.database().await?;
    let api = Api::start(servers, &database, None).await?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(api.connect().await?);
    }
    let job = job(sink.address);
    let time = Duration::from_secs(seconds);
    saturate(&mut connections, &job, WARM_UP).await?;
    let meter = Meter::start(bench.shared_processes()?, vec![("api", api.pid()?)]);
    let (created, elapsed) = saturate(&mut connections, &job, time).await?;
    let cost = meter.stop().per_run(created);
    let requests_per_second = created as f64 / elapsed.as_secs_f64();
    let took = at_rate(&mut connections, &job, requests_per_second / 2.0, time).await?;
    drop(connections);
    api.stop().await?;
    servers.drop_database(&database).await?;
    Ok(Created {
        requests_per_second,
        half_rate_p50_ms: took.median().unwrap_or(f64::NAN),
        half_rate_p99_ms: took.quantile(0.99).unwrap_or(f64::NAN),
        cost,
    })
}

/// How many were created, and in what time.
async fn saturate(
    connections: &mut [Connection],
    job: &Bytes,
    time: Duration,
) -> anyhow::Result<(usize, Duration)> {
    let began = Instant::now();
    let counts = connections.iter_mut().map(async |connection| {
        let mut count = 0;
        while began.elapsed() < time {
            create(connection, job).await?;
            count += 1;
        }
        anyhow::Ok(count)
    });
    let counts: Vec<usize> = try_join_all(counts).await?;
    Ok((counts.iter().sum(), began.elapsed()))
}

/// Sends each request at its instant, even if earlier ones are in flight. Milliseconds of each.
async fn at_rate(
    connections: &mut [Connection],
    job: &Bytes,
    per_second: f64,
    time: Duration,
) -> anyhow::Result<Samples> {
    let (began, next) = (tokio::time::Instant::now(), Cell::new(0_u32));
    let all = connections.iter_mut().map(async |connection| {
        let mut took = Vec::new();
        loop {
            let number = next.replace(next.get() + 1);
            let due = began + Duration::from_secs_f64(f64::from(number) / per_second);
            if due > began + time {
                return anyhow::Ok(took);
            }
            tokio::time::sleep_until(due).await;
            create(connection, job).await?;
            took.push(due.elapsed().as_secs_f64() * 1e3);
        }
    });
    Ok(try_join_all(all).await?.into_iter().flatten().collect())
}

async fn create(connection: &mut Connection, job: &Bytes) -> anyhow::Result<()> {
    let request = Request::new(Method::POST, "/v1/jobs").json_text(job.clone());
    body_of(connection, request).await.map(drop)
}

fn job(sink: SocketAddr) -> Bytes {
    let job = serde_json::json!({
        "name": "benchmark job",
        "kind": "recurring",
        "schedule": { "every_n_minutes": 1440 },
        "request": { "url": format!("http://{sink}/hook/0"), "method": "POST", "body": { "hello": "world", "n": 1 } },
    });
    Bytes::from(job.to_string())
}
