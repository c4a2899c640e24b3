//! A week of finished executions, as the product writes them; then pages of them, the removal of days, and a pass of `retention`.

use chrono::{DurationRound, NaiveDate, TimeDelta};
use serde::Serialize;
use std::{collections::BTreeMap, time::Instant};
use tokio_postgres::Client;
use trigrun_core::domain::id::{JobId, WorkspaceId};

use super::{
    filters,
    pages::{self, Subject},
    removal::{self, Removal},
    retention,
};
use crate::{
    arrivals::now,
    bench::Bench,
    bulk, executions,
    jobs::{Batch, DAY_SECONDS},
    measured::Page,
    product::Installation,
    scenarios::Api,
    servers::Servers,
};

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

/// With partitions of at least [`DAYS`] past days.
pub async fn measure(installation: &Installation<'_>, count: i64) -> anyhow::Result<History> {
    let installation = &Installation { days: installation.days.max(DAYS.unsigned_abs()), ..*installation };
    let Bench { servers, progress, .. } = installation.bench;
    bulk::check_disk_space(count, BYTES_PER_EXECUTION)?;
    let database = installation.database().await?;
    let sql = servers.sql(&database).await?;
    let began = Instant::now();
    let subject = write_jobs(&sql).await?;
    let today = now()?.date_naive();
    let wal_size = bulk::shorten_wal(&sql).await?;
    for ago in (1..=DAYS).rev() {
        write_day(servers, &database, today - TimeDelta::days(ago), count / DAYS).await?;
    }
    bulk::restore_wal(&sql, &wal_size).await?;
    let generated_seconds = began.elapsed().as_secs_f64();
    let size = executions::size(&sql).await?;
    let bytes_per_execution = (size.heap + size.indexes) as f64 / count as f64;
    progress.say(&format!("written in {generated_seconds:.0} s, {bytes_per_execution:.0} bytes each"));

    let api = Api::start(installation, &database, Some(subject.workspace)).await?;
    let mut pages = pages::measure(&api, &subject, progress).await?;
    pages.push(filters::measure(servers, &database, &subject, progress).await?);
    let removals = removal::measure(installation.bench, &database, &api, today).await?;
    api.stop().await?;
    let passes = retention::measure(installation, &database).await?;
    drop(sql);
    servers.drop_database(&database).await?;
    Ok(History { executions: count, generated_seconds, bytes_per_execution, pages, removals, passes })
}

/// Writes the jobs, and numbers them in a table for [`rows`].
async fn write_jobs(sql: &Client) -> anyhow::Result<Subject> {
    let first = now()?.duration_trunc(TimeDelta::days(1))? + TimeDelta::days(2);
    let sink = ([127, 0, 0, 1], 9).into();
    let batch = Batch {
        jobs: WORKSPACES * JOBS_PER_WORKSPACE,
        workspaces: WORKSPACES,
        first,
        step_us: 1000,
        every_seconds: DAY_SECONDS,
        sink,
    };
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

/// One of ten executions belongs to the first workspace, but none of these to its last job; see
/// [`executions::insert_ended`]. The id has the form of a scheduled fire's: its instant and a digest.
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

async fn write_day(servers: &Servers, database: &str, day: NaiveDate, count: i64) -> anyhow::Result<()> {
    let rows = rows(day, count);
    let partition = executions::partition(day);
    let insert = executions::insert_ended(&partition, &format!("{rows}, numbered n where n.number = f.job"));
    write(servers, database, &partition, &insert).await
}

async fn write(servers: &Servers, database: &str, table: &str, statement: &str) -> anyhow::Result<()> {
    let sql = servers.sql(database).await?;
    bulk::prepare(&sql).await?;
    bulk::disable_indexes(&sql, &[table]).await?;
    sql.batch_execute(statement).await?;
    bulk::rebuild_indexes(&sql, &[table]).await
}
