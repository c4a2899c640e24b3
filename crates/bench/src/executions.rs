//! All statements over the product's tables of executions: they are partitioned, and differ between builds that are compared.

use anyhow::Context;
use chrono::NaiveDate;
use tokio_postgres::{Client, Statement};

/// Creates the partitions of this many days before today in every partitioned table, as after that time of operation: like those that
/// the migration made ahead.
pub async fn create_past_partitions(sql: &Client, days: u64) -> anyhow::Result<()> {
    let create = format!(
        "do $$
         declare
             parent record;
             today date := (now() at time zone 'utc')::date;
         begin
             for parent in
                 select p.oid, p.relname, (
                     select coalesce('with (' || array_to_string(c.reloptions, ', ') || ')', '')
                     from pg_inherits i join pg_class c on c.oid = i.inhrelid
                     where i.inhparent = p.oid and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' limit 1) as storage
                 from pg_class p where p.relkind = 'p'
             loop
                 for ago in 1..{days} loop
                     execute format(
                         'create table %I partition of %I for values from (%L) to (%L) %s',
                         parent.relname || to_char(today - ago, '_YYYYMMDD'), parent.relname,
                         pg_temp.bound(today - ago), pg_temp.bound(today - ago + 1), parent.storage);
                 end loop;
             end loop;
         end $$"
    );
    // The ids of a day begin with its milliseconds.
    let bound = "create function pg_temp.bound(day date) returns uuid language sql as $$
         select (lpad(to_hex((extract(epoch from day::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$";
    sql.batch_execute(bound).await?;
    sql.batch_execute(&create).await.context("cannot create the partitions of past days")
}

/// Prepares the question whether a run that is scheduled before an instant has not been recorded yet.
pub async fn prepare_is_open(sql: &Client) -> anyhow::Result<Statement> {
    // Earlier builds keep open work among the executions.
    let has_runs = sql.query_one("select to_regclass('runs') is not null", &[]).await?.get(0);
    let is_open = if has_runs {
        "select exists (select from runs where scheduled_for < $1)"
    } else {
        "select exists (select from executions where finished_at is null and scheduled_for < $1)"
    };
    Ok(sql.prepare(is_open).await?)
}

/// Bytes of all partitions of executions and attempts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    pub heap: i64,
    pub indexes: i64,
}

pub async fn size(sql: &Client) -> anyhow::Result<Size> {
    let size = "select sum(pg_relation_size(inhrelid))::bigint, sum(pg_indexes_size(inhrelid))::bigint from pg_inherits
                where inhparent in ('executions'::regclass, 'earlier_attempts'::regclass)";
    let row = sql.query_one(size, &[]).await?;
    Ok(Size { heap: row.get(0), indexes: row.get(1) })
}

/// The number of executions, from the statistics of the last vacuum, since which nothing was written.
pub async fn count(sql: &Client) -> anyhow::Result<i64> {
    let count = "select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_inherits join pg_class c on c.oid = inhrelid
                 where inhparent = 'executions'::regclass";
    Ok(sql.query_one(count, &[]).await?.get(0))
}

/// Begins a transaction that has read both tables, as a backup does.
pub async fn begin_backup(sql: &Client) -> anyhow::Result<()> {
    let read = "begin; select from executions limit 1; select from earlier_attempts limit 1";
    Ok(sql.batch_execute(read).await?)
}

/// The partition of this day.
pub fn partition(day: NaiveDate) -> String {
    format!("executions_{}", day.format("%Y%m%d"))
}

/// Inserts executions that have ended into this partition. `rows` is a `from` clause with their number `g`, their id `i.id`, their
/// instant `f.instant` and their job `n`: one of 97 failed, one of 99,991 was cancelled.
pub fn insert_ended(partition: &str, rows: &str) -> String {
    format!(
        "insert into {partition} (id, workspace_id, job_id, version, status, source, scheduled_for, attempt_count, started_at, finished_at, lateness_us, error_class, attempt_status, status_code,
                                  attempt_error_class, attempt_started_at, first_byte_us, body_us, total_us, remote_address,
                                  http_version, response_headers, body_preview, body_truncated, response_bytes)
         select i.id, n.workspace_id, n.job_id, 1,
                case when g % 99991 = 0 then 'cancelled' when g % 97 = 0 then 'failed' else 'succeeded' end,
                'schedule', f.instant, 1, f.instant + interval '1 ms',
                f.instant + interval '5 ms', 400 + g % 600, case when g % 99991 = 0 then 'cancelled' when g % 97 = 0 then 'status_500' end,
                case when g % 97 = 0 then 'http_error' else 'success' end, case when g % 97 = 0 then 500 else 200 end,
                case when g % 97 = 0 then 'status_500' end, f.instant + interval '1 ms', 300 + g % 500, 20, 400 + g % 600,
                '127.0.0.1:40000', 'HTTP/1.1', E'content-length: 12\\ndate: Thu, 26 Nov 2026 04:00:00 GMT\\n', '{{\"ok\":true}}', false, 12
         {rows}"
    )
}
