//! `graphile-rs <setup|enqueue|work|recorded>`: the Rust port of Graphile Worker as a peer, with the same environment as
//! the peers on Node.
//!
//! It deletes completed jobs, so each run inserts its result before it ends.

mod fire;
mod settings;

use anyhow::{Context, bail};
use chrono::DateTime;
use fire::Fire;
use graphile_worker::{JobSpecBuilder, LocalQueueConfig, RawJobSpec, Worker, WorkerOptions};
use settings::{concurrency, jobs, pool};
use sqlx::PgPool;
use std::time::Duration;

const BATCH: usize = 1000;
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const SETUP: [&str; 3] = [
    "DROP SCHEMA IF EXISTS graphile_worker CASCADE",
    "DROP TABLE IF EXISTS runs",
    "CREATE TABLE runs (
        id bigserial PRIMARY KEY,
        job_id bigint NOT NULL,
        intended timestamptz NOT NULL,
        status integer NOT NULL,
        latency_us integer NOT NULL,
        snippet text NOT NULL,
        at timestamptz NOT NULL DEFAULT now()
    )",
];

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let pool = pool().await?;
    match std::env::args().nth(1).as_deref() {
        Some("setup") => setup(pool).await,
        Some("enqueue") => enqueue(pool).await,
        Some("work") => Ok(worker(pool).await?.run().await?),
        Some("recorded") => recorded(&pool).await,
        _ => bail!("usage: graphile-rs setup|enqueue|work|recorded"),
    }
}

async fn setup(pool: PgPool) -> anyhow::Result<()> {
    for statement in SETUP {
        sqlx::query(statement).execute(&pool).await?;
    }
    worker(pool).await?;
    Ok(())
}

/// As its documentation recommends for performance: jobs are prefetched, and completed in batches. Also migrates the schema.
async fn worker(pool: PgPool) -> anyhow::Result<Worker> {
    let concurrency = concurrency()?;
    let options = WorkerOptions::default()
        .concurrency(concurrency)
        .poll_interval(POLL_INTERVAL)
        .define_job::<Fire>()
        .pg_pool(pool)
        .local_queue(LocalQueueConfig::default().with_size(2 * concurrency))
        .complete_job_batch_delay(Duration::ZERO)
        .fail_job_batch_delay(Duration::ZERO);
    Ok(options.init().await?)
}

async fn enqueue(pool: PgPool) -> anyhow::Result<()> {
    let utils = worker(pool).await?.create_utils();
    for batch in jobs()?.chunks(BATCH) {
        utils.add_raw_jobs(&batch.iter().map(spec).collect::<anyhow::Result<Vec<_>>>()?).await?;
    }
    Ok(())
}

fn spec(job: &Fire) -> anyhow::Result<RawJobSpec> {
    let at = DateTime::from_timestamp_micros(job.intended).context("the instant is out of range")?;
    Ok(RawJobSpec {
        identifier: "fire".into(),
        payload: serde_json::to_value(job)?,
        spec: JobSpecBuilder::new().run_at(at).build(),
    })
}

async fn recorded(pool: &PgPool) -> anyhow::Result<()> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM runs").fetch_one(pool).await?;
    println!("{count}");
    Ok(())
}
