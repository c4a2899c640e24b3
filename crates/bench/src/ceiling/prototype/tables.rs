//! The tables of the prototype: jobs with their timers, an empty table of executions; and an empty stream.

use super::{Mode, Prototype, read};
use crate::ceiling::{body, postgres, redis, stream, unix_us};

/// From now to the first instant of a steady load: the time that seeding may take.
const LEAD_US: i64 = 3_000_000;
const LEAD_PER_JOB_US: i64 = 20;

// Space for the new version of a row on the same page: advancing a timer updates every row once.
const CREATE: &str = "
    DROP TABLE IF EXISTS bench_prototype_jobs, bench_prototype_executions;
    CREATE TABLE bench_prototype_jobs (
        id bigint PRIMARY KEY,
        path text NOT NULL,
        body text NOT NULL,
        next_run_at timestamptz NOT NULL
    ) WITH (fillfactor = 85);
    CREATE TABLE bench_prototype_executions (
        job_id bigint NOT NULL,
        scheduled_for timestamptz NOT NULL,
        started_at timestamptz NOT NULL,
        latency_us integer NOT NULL,
        http_status smallint NOT NULL,
        snippet text NOT NULL,
        PRIMARY KEY (job_id, scheduled_for)
    ) PARTITION BY RANGE (scheduled_for);
    CREATE TABLE bench_prototype_executions_all PARTITION OF bench_prototype_executions
        FOR VALUES FROM (MINVALUE) TO (MAXVALUE)";
const FILL: &str = "
    INSERT INTO bench_prototype_jobs
    SELECT job.id, '/hook/' || job.id, replace($2, '10000000', (10000000 + job.id)::text),
           'epoch'::timestamptz + ($3::bigint + (job.id * $4::float8)::bigint) * interval '1 microsecond'
    FROM generate_series(0, $1::bigint - 1) AS job (id)";
const SETTLE: [&str; 3] = [
    "CREATE INDEX ON bench_prototype_jobs (next_run_at, id)",
    "VACUUM ANALYZE bench_prototype_jobs",
    "CHECKPOINT",
];

pub async fn seed(prototype: &Prototype) -> anyhow::Result<()> {
    let jobs = prototype.count();
    let (first, step) = match prototype.mode {
        Mode::Backlog => (unix_us(), 0.0),
        Mode::Burst { at } => (at, 0.0),
        Mode::Steady { per_second, .. } => (unix_us() + LEAD_US + jobs * LEAD_PER_JOB_US, 1e6 / per_second),
    };
    let client = postgres(&prototype.postgres_url).await?;
    client.batch_execute(CREATE).await?;
    client.execute(FILL, &[&jobs, &body(0), &first, &step]).await?;
    for statement in SETTLE {
        client.batch_execute(statement).await?;
    }
    stream::create_stream(&mut redis(&prototype.redis_url)?, read::KEY, read::GROUP)
}
