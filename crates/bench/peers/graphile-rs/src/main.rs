//! `graphile-rs <setup|add|enqueue|work|recorded>`: the Rust port of Graphile Worker as a peer, with the same environment as
//! the peers on Node.
//!
//! `add` stores the jobs one by one, `enqueue` in bulk; both print the seconds that this took.
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
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const BATCH: usize = 1000;
/// Calls in flight while jobs are added: with one job each, or with many. The peers on Node have the same (settings.mjs).
const ADDING_SINGLY: usize = 64;
const ADDING_IN_BULK: usize = 4;
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
        Some("add") => add(pool).await,
        Some("enqueue") => enqueue(pool).await,
        Some("work") => Ok(worker(pool).await?.run().await?),
        Some("recorded") => recorded(&pool).await,
        _ => bail!("usage: graphile-rs setup|add|enqueue|work|recorded"),
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

async fn add(pool: PgPool) -> anyhow::Result<()> {
    let utils = worker(pool).await?.create_utils();
    timed(jobs()?, ADDING_SINGLY, move |job: Fire| {
        let utils = utils.clone();
        async move {
            utils.add_job(job, JobSpecBuilder::new().build()).await?;
            anyhow::Ok(())
        }
    })
    .await
}

async fn enqueue(pool: PgPool) -> anyhow::Result<()> {
    let utils = worker(pool).await?.create_utils();
    let batches = jobs()?.chunks(BATCH).map(<[Fire]>::to_vec).collect();
    timed(batches, ADDING_IN_BULK, move |batch: Vec<Fire>| {
        let utils = utils.clone();
        async move {
            utils.add_raw_jobs(&batch.iter().map(spec).collect::<anyhow::Result<Vec<_>>>()?).await?;
            anyhow::Ok(())
        }
    })
    .await
}

/// Awaits `work` for each item, `limit` at a time, and prints the seconds that this took.
async fn timed<T, F>(
    items: Vec<T>,
    limit: usize,
    work: impl Fn(T) -> F + Clone + Send + 'static,
) -> anyhow::Result<()>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (start, items) = (Instant::now(), Arc::new(Mutex::new(items.into_iter())));
    let mut workers = JoinSet::new();
    for _ in 0..limit {
        let (items, work) = (items.clone(), work.clone());
        workers.spawn(async move {
            loop {
                let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(item) = item else { return anyhow::Ok(()) };
                work(item).await?;
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    println!("{}", start.elapsed().as_secs_f64());
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
