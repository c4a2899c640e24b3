//! `one_time` jobs from the request that creates them to the request that they send, with all processes running.

use anyhow::ensure;
use hyper::Method;
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use trigrun_testkit::client::{Connection, Request};

use super::{
    api::Api,
    requests::{at_rate, connect},
};
use crate::{arrivals::now_us, cost::Meter, measured::Measured, product::Installation, written::Counters};

const MAX_CONNECTIONS: i64 = 64;
const MIN_CONNECTIONS: i64 = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Jobs that are created at a rate.
#[derive(Clone, Copy, Debug)]
pub struct EndToEnd {
    pub per_second: i64,
    pub seconds: i64,
}

impl EndToEnd {
    /// Lateness is the time from the instant when the job's creation was to be sent to the arrival at the target.
    pub async fn measure(&self, installation: &Installation<'_>) -> anyhow::Result<Measured> {
        let database = installation.database().await?;
        let mut api = Api::start(installation, &database, None).await?;
        api.start_scheduler_and_executor()?;
        let measured = self.measure_on(installation, &database, &api).await;
        api.stop().await?;
        installation.bench.servers.drop_database(&database).await?;
        measured
    }

    async fn measure_on(
        &self,
        installation: &Installation<'_>,
        database: &str,
        api: &Api,
    ) -> anyhow::Result<Measured> {
        let bench = installation.bench;
        let sql = bench.servers.sql(database).await?;
        let count = self.per_second.clamp(MIN_CONNECTIONS, MAX_CONNECTIONS);
        let mut connections = connect(api, usize::try_from(count)?).await?;
        // One job on each connection, because the API closes those that send nothing within seconds. Waits until the processes are ready.
        Self { per_second: count, seconds: 1 }.create(installation, &mut connections).await?;

        let before = Counters::read(&sql).await?;
        let meter = Meter::start(bench.shared_processes()?, api.processes()?);
        let began_us = now_us();
        let created = self.create(installation, &mut connections).await?;
        let cost = meter.stop().per_run(created);
        let mut measured = Measured::new(&bench.sink.arrivals().await?, began_us, cost);
        measured.written = Some(Counters::read(&sql).await?.since(&before, created));
        ensure!(
            measured.runs == created,
            "{created} jobs were created, and {} requests arrived",
            measured.runs
        );
        Ok(measured)
    }

    /// Creates the jobs, and waits until the request of each has arrived. Returns their number.
    async fn create(
        &self,
        installation: &Installation<'_>,
        connections: &mut [Connection],
    ) -> anyhow::Result<usize> {
        let sink = &installation.bench.sink;
        sink.reset(None).await?;
        let (began_us, step_us) = (now_us(), 1_000_000 / self.per_second);
        let request = |number: u32| job(sink.address, began_us + i64::from(number) * step_us);
        let time = Duration::from_secs(u64::try_from(self.seconds)?);
        let created = at_rate(connections, request, self.per_second as f64, time).await?.len();
        sink.wait_for(created, IDLE_TIMEOUT, |_| {}).await?;
        Ok(created)
    }
}

/// The target measures from the instant in the header.
fn job(sink: SocketAddr, intended_us: i64) -> Request {
    let job = json!({
        "name": "benchmark job",
        "kind": "one_time",
        "request": {
            "url": format!("http://{sink}/hook/0"),
            "method": "POST",
            "headers": { "x-intended-us": intended_us.to_string() },
            "body": { "hello": "world", "n": 1 },
        },
    });
    Request::new(Method::POST, "/v1/jobs").json(&job)
}
