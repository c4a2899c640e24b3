//! All statements over the product's tables of executions: they are partitioned, and differ between builds that are compared.

use anyhow::Context;
use chrono::NaiveDate;
use tokio_postgres::{Client, Statement};

/// Creates the partitions of this many days before the oldest one in every partitioned table, as after that time of operation: like those
/// that the migration made ahead.
pub async fn create_past_partitions(sql: &Client, days: u64) -> anyhow::Result<()> {
    let create = format!(
        "do $$
         declare
             parent record;
         begin
             for parent in
                 select p.relname, min(right(c.relname, 8))::date as oldest,
                        min(coalesce('with (' || array_to_string(c.reloptions, ', ') || ')', '')) as storage
                 from pg_class p join pg_inherits i on i.inhparent = p.oid join pg_class c on c.oid = i.inhrelid
                 where p.relkind = 'p' and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' group by p.relname
             loop
                 for ago in 1..{days} loop
                     execute format(
                         'create table %I partition of %I for values from (%L) to (%L) %s',
                         parent.relname || to_char(parent.oldest - ago, '_YYYYMMDD'), parent.relname,
                         pg_temp.bound(parent.oldest - ago), pg_temp.bound(parent.oldest - ago + 1), parent.storage);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{Batch, DAY_SECONDS};
    use chrono::DateTime;
    use trigrun_testkit::db::TestDb;

    #[tokio::test(flavor = "multi_thread")]
    async fn past_partitions_are_like_those_made_ahead() {
        let db = TestDb::new().await;
        create_past_partitions(&db.session().await, 30).await.unwrap();
        let partitions = "select inhparent::regclass || ': ' || count(*) || ' partitions, ' || count(distinct coalesce(c.reloptions, '{}'))
                                 || ' storage, ' || count(distinct (select count(*) from pg_index where indrelid = c.oid)) || ' indexes'
                          from pg_inherits join pg_class c on c.oid = inhrelid where c.relkind = 'r' group by inhparent order by 1";
        let like =
            ["earlier_attempts", "executions"].map(|it| format!("{it}: 39 partitions, 1 storage, 1 indexes"));
        assert_eq!(db.lines(partitions).await, like);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ended_executions_fit_the_schema() {
        let db = TestDb::new().await;
        let sql = db.session().await;
        create_past_partitions(&sql, 1).await.unwrap();
        let batch = Batch {
            jobs: 2,
            workspaces: 2,
            first: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(40_000),
            step_us: 1,
            every_seconds: DAY_SECONDS,
            sink: ([127, 0, 0, 1], 9).into(),
        };
        batch.write(&sql).await.unwrap();
        let oldest =
            "select min(right(relname, 8))::date from pg_class where relname ~ '^executions_[0-9]{8}$'";
        let day: NaiveDate = sql.query_one(oldest, &[]).await.unwrap().get(0);
        let rows = format!(
            "from generate_series(1, 3) g, lateral (select '{day} 12:00:00+00'::timestamptz as instant) f,
             lateral (select (lpad(to_hex((extract(epoch from f.instant) * 1000)::bigint), 12, '0') || '8'
                              || substr(md5(g::text), 1, 19))::uuid as id) i,
             (select * from job_timers limit 1) n"
        );
        let before = size(&sql).await.unwrap();
        assert_eq!(sql.execute(&insert_ended(&partition(day), &rows), &[]).await.unwrap(), 3);
        sql.batch_execute("analyze executions").await.unwrap();
        assert_eq!(count(&sql).await.unwrap(), 3);
        assert!(size(&sql).await.unwrap().heap > before.heap);
        let is_open = prepare_is_open(&sql).await.unwrap();
        let end = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(50_000);
        assert!(!sql.query_one(&is_open, &[&end]).await.unwrap().get::<_, bool>(0));
        begin_backup(&sql).await.unwrap();
    }
}
