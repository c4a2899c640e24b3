//! Jobs are created through the API: as many as possible, then at half that rate, where each response is timed.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use trigrun_testkit::client::{Connection, Request};

use super::{
    api::Api,
    requests::{at_rate, connect, saturate},
};
use crate::{cost::Meter, measured::Created, product::Installation};

/// Of requests with one job each.
const CONNECTIONS: usize = 64;
/// Of requests with many.
const BATCH_CONNECTIONS: usize = 4;
/// The most that the API accepts in one request.
pub const BATCH_JOBS: usize = 1000;
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Every day.
    Recurring,
    /// At once. No executor runs.
    OneTime,
}

#[derive(Clone, Copy, Debug)]
pub struct Creation {
    pub kind: Kind,
    pub jobs_per_request: usize,
    pub seconds: u64,
}

impl Creation {
    /// `None` if this build has no such operation. Fails if any response is not a success.
    pub async fn measure(&self, installation: &Installation<'_>) -> anyhow::Result<Option<Created>> {
        let database = installation.database().await?;
        let api = Api::start(installation, &database, None).await?;
        let created = self.measure_on(installation, &api).await;
        api.stop().await?;
        installation.bench.servers.drop_database(&database).await?;
        created
    }

    async fn measure_on(
        &self,
        installation: &Installation<'_>,
        api: &Api,
    ) -> anyhow::Result<Option<Created>> {
        let Self { jobs_per_request, seconds, .. } = *self;
        let count = if jobs_per_request > 1 { BATCH_CONNECTIONS } else { CONNECTIONS };
        let mut connections = connect(api, count).await?;
        let request = self.request(installation.bench.sink.address);
        if !exists(&mut connections[0], &request).await? {
            return Ok(None);
        }
        let time = Duration::from_secs(seconds);
        saturate(&mut connections, || request.clone(), WARM_UP).await?;
        let meter = Meter::start(installation.bench.shared_processes()?, api.processes()?);
        let (took, elapsed) = saturate(&mut connections, || request.clone(), time).await?;
        let cost = meter.stop().per_run(took.len() * jobs_per_request);
        let per_second = took.len() as f64 / elapsed.as_secs_f64();
        let half = at_rate(&mut connections, |_| request.clone(), per_second / 2.0, time).await?;
        Ok(Some(Created {
            jobs_per_request,
            jobs_per_second: per_second * jobs_per_request as f64,
            p99_ms: took.quantile(0.99).unwrap_or(f64::NAN),
            half_rate_p50_ms: half.median().unwrap_or(f64::NAN),
            half_rate_p99_ms: half.quantile(0.99).unwrap_or(f64::NAN),
            cost,
        }))
    }

    fn request(&self, sink: SocketAddr) -> Request {
        let job = job(self.kind, sink);
        let (path, body) = match self.jobs_per_request {
            1 => ("/v1/jobs", job),
            jobs => ("/v1/jobs/batch", json!({ "items": vec![job; jobs] })),
        };
        Request::new(Method::POST, path).json_text(Bytes::from(body.to_string()))
    }
}

/// Whether this build has the operation of the request. Builds without it refuse its path or its method.
async fn exists(connection: &mut Connection, request: &Request) -> anyhow::Result<bool> {
    let status = connection.send(request.clone()).await?.status;
    Ok(![StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status))
}

fn job(kind: Kind, sink: SocketAddr) -> Value {
    let request = json!({ "url": format!("http://{sink}/hook/0"), "method": "POST", "body": { "hello": "world", "n": 1 } });
    match kind {
        Kind::Recurring => {
            json!({ "name": "benchmark job", "kind": "recurring", "schedule": { "every_n_minutes": 1440 }, "request": request })
        }
        Kind::OneTime => json!({ "name": "benchmark job", "kind": "one_time", "request": request }),
    }
}
