//! The only kind of job: a request to the sink over connections that are kept alive, and a row with the result.

use bytes::Bytes;
use graphile_worker::{IntoTaskHandlerResult, WorkerContext};
use graphile_worker_task_handler::TaskHandler;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::{sync::LazyLock, time::Instant};

use crate::settings::sink;

const RECORD: &str = "
    INSERT INTO runs (job_id, intended, status, latency_us, snippet)
    VALUES ($1, to_timestamp($2::float8 / 1e6), $3, $4, $5)";

static HTTP: LazyLock<Client<HttpConnector, Full<Bytes>>> = LazyLock::new(|| {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
});

#[derive(Clone, Serialize, Deserialize)]
pub struct Fire {
    pub id: i64,
    /// In unix microseconds.
    pub intended: i64,
}

impl TaskHandler for Fire {
    const IDENTIFIER: &'static str = "fire";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        self.send(context.pg_pool()).await.map_err(|error| format!("{error:#}"))
    }
}

impl Fire {
    async fn send(&self, pool: &PgPool) -> anyhow::Result<()> {
        let start = Instant::now();
        // 30 bytes, up to ninety million jobs.
        let body = format!(r#"{{"hello":"world","n":{}}}"#, 10_000_000 + self.id);
        let request = Request::post(format!("{}/hook/{}", sink()?, self.id))
            .header("content-type", "application/json")
            .header("x-job-id", self.id)
            .header("x-intended-us", self.intended)
            .body(Full::new(Bytes::from(body)))?;
        let response = HTTP.request(request).await?;
        let status = i32::from(response.status().as_u16());
        let snippet = response.into_body().collect().await?.to_bytes();
        sqlx::query(RECORD)
            .bind(self.id)
            .bind(self.intended as f64)
            .bind(status)
            .bind(i32::try_from(start.elapsed().as_micros())?)
            .bind(String::from_utf8_lossy(&snippet).into_owned())
            .execute(pool)
            .await?;
        Ok(())
    }
}
