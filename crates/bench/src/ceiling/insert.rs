//! The ceiling of Postgres: records of runs are inserted in batches, each with a durable commit.

use std::time::{Duration, Instant};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{now, on_own_thread, postgres};

const BATCH: usize = 500;
const TIME: Duration = Duration::from_secs(3);
/// While one connection waits for the disk, others work, and one flush commits several. On two cores, eight connections were
/// three times as fast as one, and sixteen no faster.
const CONNECTIONS: usize = 8;
/// A typical response of a webhook.
const SNIPPET: &str = r#"{"ok":true,"detail":"a response of about eighty bytes, typical of a webhook"}"#;

const CREATE: &str = "
    DROP TABLE IF EXISTS bench_ceiling;
    CREATE TABLE bench_ceiling (
        id uuid PRIMARY KEY,
        job_id bigint NOT NULL,
        scheduled_for timestamptz NOT NULL,
        started_at timestamptz NOT NULL,
        latency_us integer NOT NULL,
        http_status smallint NOT NULL,
        snippet text NOT NULL
    ) PARTITION BY RANGE (id);
    CREATE TABLE bench_ceiling_all PARTITION OF bench_ceiling FOR VALUES FROM (MINVALUE) TO (MAXVALUE)";
const INSERT: &str = "
    INSERT INTO bench_ceiling
    SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::integer[], $6::smallint[], $7::text[])";
const DROP: &str = "DROP TABLE bench_ceiling";

/// Rows per second into a partitioned table with a primary key and no other index.
pub async fn insert(postgres_url: &str) -> anyhow::Result<f64> {
    let url = postgres_url.to_owned();
    on_own_thread(move || async move {
        let owner = postgres(&url).await?;
        owner.batch_execute(CREATE).await?;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(postgres(&url).await?);
        }
        let start = Instant::now();
        let inserting: Vec<_> =
            clients.into_iter().map(|client| tokio::task::spawn_local(fill(client, start + TIME))).collect();
        let mut rows = 0;
        for inserted in inserting {
            rows += inserted.await??;
        }
        let seconds = start.elapsed().as_secs_f64();
        owner.batch_execute(DROP).await?;
        Ok(rows as f64 / seconds)
    })
    .await
}

async fn fill(client: Client, until: Instant) -> anyhow::Result<usize> {
    let statement = client.prepare(INSERT).await?;
    let now = vec![now(); BATCH];
    let (latencies, statuses, snippets) = (vec![1234_i32; BATCH], vec![200_i16; BATCH], vec![SNIPPET; BATCH]);
    let jobs: Vec<i64> = (0..BATCH as i64).collect();
    let mut rows = 0;
    while Instant::now() < until {
        let ids: Vec<Uuid> = (0..BATCH).map(|_| Uuid::now_v7()).collect();
        client.execute(&statement, &[&ids, &jobs, &now, &now, &latencies, &statuses, &snippets]).await?;
        rows += BATCH;
    }
    Ok(rows)
}
