//! A week of finished executions, as the product writes them; then pages of them, the removal of days, and a pass of `retention`.

use chrono::{DurationRound, NaiveDate, TimeDelta};
use serde::Serialize;
use std::{collections::BTreeMap, time::Instant};
use tokio_postgres::Client;
use trigrun_core::domain::id::{JobId, WorkspaceId};

use super::{
    bulk, filters,
    pages::{self, Subject},
    removal::{self, Removal},
    retention,
    sizes::make_partitions,
};
use crate::{arrivals::now, bench::Bench, jobs::Batch, measured::Page, scenarios::Api, servers::Servers};

const WORKSPACES: i64 = 1000;
const JOBS_PER_WORKSPACE: i64 = 100;
const DAYS: i64 = 7;
/// Upper bound for an execution with its attempt and its share of the log.
const BYTES_PER_EXECUTION: u64 = 900;

#[derive(Serialize)]
pub struct History {
    pub executions: i64,
    pub generated_seconds: f64,
    /// With the attempt and all indexes.
    pub bytes_per_execution: f64,
    pub pages: Vec<Page>,
    pub removals: Vec<Removal>,
    /// The average seconds of each pass of the scheduler.
    pub passes: BTreeMap<String, f64>,
}

pub async fn measure(bench: &Bench, executions: i64, days: u64) -> anyhow::Result<History> {
    let Bench { servers, progress, .. } = bench;
    bulk::check_disk_space(executions, BYTES_PER_EXECUTION)?;
    let database = servers.database().await?;
    make_partitions(servers, &database, days.max(DAYS.unsigned_abs())).await?;
    let sql = servers.sql(&database).await?;
    let began = Instant::now();
    let subject = write_jobs(&sql).await?;
    let today = now()?.date_naive();
    let wal_size = bulk::shorten_wal(&sql).await?;
    for ago in (1..=DAYS).rev() {
        write_day(servers, &database, today - TimeDelta::days(ago), executions / DAYS).await?;
    }
    bulk::restore_wal(&sql, &wal_size).await?;
    let generated_seconds = began.elapsed().as_secs_f64();
    let bytes_per_execution = bytes(&sql).await? as f64 / executions as f64;
    progress.say(&format!("written in {generated_seconds:.0} s, {bytes_per_execution:.0} bytes each"));

    let api = Api::start(servers, &database, Some(subject.workspace)).await?;
    let mut pages = pages::measure(&api, &subject, progress).await?;
    pages.push(filters::measure(servers, &database, &subject, progress).await?);
    let removals = removal::measure(bench, &database, &api, today).await?;
    api.stop().await?;
    let passes = retention::measure(servers, &database).await?;
    drop(sql);
    servers.drop_database(&database).await?;
    Ok(History { executions, generated_seconds, bytes_per_execution, pages, removals, passes })
}

/// Writes the jobs, and numbers them in a table for [`rows`].
async fn write_jobs(sql: &Client) -> anyhow::Result<Subject> {
    let first = now()?.duration_trunc(TimeDelta::days(1))? + TimeDelta::days(2);
    let sink = ([127, 0, 0, 1], 9).into();
    let batch =
        Batch { jobs: WORKSPACES * JOBS_PER_WORKSPACE, workspaces: WORKSPACES, first, step_us: 1000, sink };
    batch.write(sql).await?;
    sql.batch_execute(
        "create table numbered as
         select row_number() over (order by job_id) - 1 as number, job_id, workspace_id, shard from job_timers;
         analyze numbered",
    )
    .await?;
    // Jobs are assigned to the workspaces in turn: the first job and every thousandth after it belong to the same one.
    let number = async |number: i64| -> anyhow::Result<(WorkspaceId, JobId)> {
        let row = sql
            .query_one("select workspace_id, job_id from numbered where number = $1::bigint", &[&number])
            .await?;
        Ok((WorkspaceId::from_uuid(row.get(0)), JobId::from_uuid(row.get(1))))
    };
    let (workspace, busy) = number(0).await?;
    let (_, rare) = number(WORKSPACES * (JOBS_PER_WORKSPACE - 1)).await?;
    Ok(Subject { workspace, busy, rare })
}

/// One of ten executions belongs to the first workspace, but none of these to its last job; one of 97 failed, one of 99,991 was
/// cancelled. The id has the form of a scheduled fire's: its instant and a digest.
fn rows(day: NaiveDate, executions: i64) -> String {
    format!(
        "from generate_series(1::bigint, {executions}) g,
         lateral (select '{day} 00:00:00+00'::timestamptz + (g - 1) * 86400000 / {executions} * interval '1 ms' as instant,
                         case when g % 10 = 0 then {WORKSPACES} * (g / 10 % ({JOBS_PER_WORKSPACE} - 1))
                              else ('x' || substr(md5(g::text), 25))::bit(32)::bigint % ({WORKSPACES} * {JOBS_PER_WORKSPACE}) end as job) f,
         lateral (select (lpad(to_hex((extract(epoch from f.instant) * 1000)::bigint), 12, '0') || '8'
                          || substr(md5(g::text), 1, 19))::uuid as id) i"
    )
}

async fn write_day(servers: &Servers, database: &str, day: NaiveDate, executions: i64) -> anyhow::Result<()> {
    let (rows, suffix) = (rows(day, executions), day.format("%Y%m%d"));
    let execution = format!("executions_{suffix}");
    let write_executions = format!(
        "insert into {execution} (id, workspace_id, job_id, version, status, source, scheduled_for, attempt_count, started_at, finished_at, lateness_us, error_class, attempt_status, status_code,
                                  attempt_error_class, attempt_started_at, first_byte_us, body_us, total_us, remote_address,
                                  http_version, response_headers, body_preview, body_truncated, response_bytes)
         select i.id, n.workspace_id, n.job_id, 1,
                case when g % 99991 = 0 then 'cancelled' when g % 97 = 0 then 'failed' else 'succeeded' end,
                'schedule', f.instant, 1, f.instant + interval '1 ms',
                f.instant + interval '5 ms', 400 + g % 600, case when g % 99991 = 0 then 'cancelled' when g % 97 = 0 then 'status_500' end,
                case when g % 97 = 0 then 'http_error' else 'success' end, case when g % 97 = 0 then 500 else 200 end,
                case when g % 97 = 0 then 'status_500' end, f.instant + interval '1 ms', 300 + g % 500, 20, 400 + g % 600,
                '127.0.0.1:40000', 'HTTP/1.1', E'content-length: 12\\ndate: Thu, 26 Nov 2026 04:00:00 GMT\\n', '{{\"ok\":true}}', false, 12
         {rows}, numbered n where n.number = f.job"
    );
    write(servers, database, &execution, &write_executions).await
}

async fn write(servers: &Servers, database: &str, table: &str, statement: &str) -> anyhow::Result<()> {
    let sql = servers.sql(database).await?;
    bulk::prepare(&sql).await?;
    bulk::disable_indexes(&sql, &[table]).await?;
    sql.batch_execute(statement).await?;
    bulk::rebuild_indexes(&sql, &[table]).await
}

async fn bytes(sql: &Client) -> anyhow::Result<i64> {
    let size = "select sum(pg_total_relation_size(inhrelid))::bigint from pg_inherits
                where inhparent in ('executions'::regclass, 'earlier_attempts'::regclass)";
    Ok(sql.query_one(size, &[]).await?.get(0))
}
