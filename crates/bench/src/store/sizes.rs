//! A number of jobs: the cost of a fire among them, the cost while nothing is due, and the disk space.

use chrono::{DateTime, Duration as Span, DurationRound, TimeDelta, Utc};
use serde::Serialize;
use std::{net::SocketAddr, time::Instant};
use tokio_postgres::Client;

use crate::{
    arrivals::now,
    bench::Bench,
    bulk,
    jobs::{Batch, DAY_SECONDS},
    measured::{Idle, Measured},
    product::Installation,
    scenarios::{Load, Mode, idle_on},
};

const WORKSPACES: i64 = 1000;
const PER_SECOND: i64 = 1000;
const DAY: TimeDelta = TimeDelta::days(1);
/// Upper bound for a job with its share of the log.
const BYTES_PER_JOB: u64 = 1100;

#[derive(Clone, Copy)]
pub struct Scale {
    /// Jobs that fire the day after tomorrow.
    pub jobs: i64,
    /// Jobs that fire now: a random choice of all, as jobs created at different times are due together.
    pub fires: i64,
}

#[derive(Serialize)]
pub struct Size {
    pub jobs: i64,
    pub generated_seconds: f64,
    /// In the tables of jobs, versions and timers, with their indexes.
    pub bytes_per_job: f64,
    pub idle: Idle,
    pub fire: Measured,
}

impl Scale {
    pub async fn measure(self, installation: &Installation<'_>) -> anyhow::Result<Size> {
        let Bench { servers, sink, progress, .. } = installation.bench;
        let Self { jobs, fires } = self;
        bulk::check_disk_space(jobs, BYTES_PER_JOB)?;
        let database = installation.database().await?;
        let sql = servers.sql(&database).await?;
        let began = Instant::now();
        self.write(&sql, sink.address).await?;
        let generated_seconds = began.elapsed().as_secs_f64();
        let bytes_per_job = bytes(&sql).await? as f64 / (jobs + fires) as f64;
        progress.say(&format!("written in {generated_seconds:.0} s, {bytes_per_job:.0} bytes each"));
        let idle = idle_on(installation, &database).await?;
        progress.say(&format!("idle: {idle}"));
        let load = Load {
            name: format!("{PER_SECOND}/s among {jobs}"),
            runs: fires,
            fires_per_job: 1,
            workspaces: WORKSPACES,
            mode: Mode::Steady { per_second: PER_SECOND },
            holds_snapshot: false,
        };
        let first = self.schedule_fires(&sql, load.step_us()).await?;
        let fire = load.measure_on(installation, &database, first).await?;
        progress.say(&fire.to_string());
        drop(sql);
        servers.drop_database(&database).await?;
        Ok(Size { jobs, generated_seconds, bytes_per_job, idle, fire })
    }

    async fn write(self, sql: &Client, sink: SocketAddr) -> anyhow::Result<()> {
        let jobs = self.jobs + self.fires;
        let first = now()?.duration_trunc(DAY)? + DAY + DAY;
        let step_us = DAY.num_seconds() * 1_000_000 / jobs;
        let batch = Batch { jobs, workspaces: WORKSPACES, first, step_us, every_seconds: DAY_SECONDS, sink };
        bulk::write_jobs(sql, &batch).await
    }

    /// Makes `fires` jobs due, one every `step_us`, in random order; returns the first instant.
    ///
    /// No checkpoint follows: at this rate, every page of the timers is logged in full soon after the last one.
    async fn schedule_fires(self, sql: &Client, step_us: i64) -> anyhow::Result<DateTime<Utc>> {
        let jobs = self.jobs + self.fires;
        let lead = Span::seconds(15 + jobs / 400_000);
        let first = (now()? + lead).duration_round(TimeDelta::seconds(1))?;
        // Some more than needed.
        let percent = (130.0 * self.fires as f32 / jobs as f32).min(100.0);
        let updated = sql
            .execute(
                "update job_timers t set next_run_at = at.first, anchor_at = at.first - t.every_seconds * interval '1 s'
                 from (select job_id, row_number() over (order by random()) - 1 as place
                       from (select job_id from job_timers tablesample bernoulli ($1) limit $2) any_of_them) due,
                      lateral (select date_trunc('milliseconds', $3::timestamptz + place * $4::bigint * interval '1 us') as first) at
                 where t.job_id = due.job_id",
                &[&percent, &self.fires, &first, &step_us],
            )
            .await?;
        anyhow::ensure!(updated == self.fires.unsigned_abs(), "only {updated} jobs were made due");
        sql.batch_execute("vacuum analyze job_timers").await?;
        Ok(first)
    }
}

async fn bytes(sql: &Client) -> anyhow::Result<i64> {
    let size = "select sum(pg_total_relation_size(name::regclass))::bigint from unnest($1::text[]) name";
    Ok(sql.query_one(size, &[&bulk::JOB_TABLES.as_slice()]).await?.get(0))
}
