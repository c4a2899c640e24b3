//! The end of attempts: attempt, execution, slot and job in one transaction, many at a time.

use diesel::{
    sql_query,
    sql_types::{
        Array, BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
    },
};
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

use super::{Lease, row::Id};
use crate::{
    domain::{
        attempt::{Disposition, EndedAttempt, Outcome},
        execution::Status,
        id::{ExecutionId, ExecutorId},
    },
    failpoint,
    store::{
        Conn, StoreError,
        columns::{header_lines, micros, text},
        completion, notifications, slots,
        sql::prepared,
    },
};

/// An attempt that ended, under its lease.
#[derive(Clone, Debug)]
pub struct Ended {
    pub lease: Lease,
    pub attempt: EndedAttempt,
    /// From `scheduled_for` to the first byte of the request; `None` when nothing was sent.
    pub lateness_us: Option<i64>,
}

impl Ended {
    const fn is_retried(&self) -> bool {
        matches!(self.attempt.disposition, Disposition::Retry { .. })
    }
}

/// Postgres has no statistics of a new partition: it expects one row and plans a nested loop, which takes a hundred milliseconds for a
/// batch of five hundred. Larger batches than this disable nested loops, which costs two round trips. Their statements have their own
/// text: Postgres keeps the plan of a prepared statement, whatever is disabled when it is used again.
const MAX_NESTED_LOOP_BATCH: usize = 32;
const LARGE_BATCH: &str = " -- planned without nested loops";

/// Records ended attempts, and returns the executions that were recorded. The executor no longer owns the others (it expired, the execution
/// was cancelled, or its job was deleted); their results are discarded.
///
/// [`is_repeated`] tells that one of the executions had ended before. See [`remove_repeated`].
pub async fn record(
    conn: &mut Conn,
    executor: ExecutorId,
    ended: &[Ended],
) -> Result<Vec<ExecutionId>, StoreError> {
    let is_plain = |ended: &Ended| {
        let lease = &ended.lease;
        !(lease.holds_slot || lease.ends_job || lease.notifies || ended.is_retried())
    };
    if !is_large(ended) && ended.iter().all(is_plain) {
        return record_batch(conn, executor, ended).await;
    }
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let recorded = if is_large(ended) {
            conn.batch_execute("set local enable_nestloop = off").await?;
            let recorded = record_batch(conn, executor, ended).await?;
            conn.batch_execute("set local enable_nestloop = on").await?;
            recorded
        } else {
            record_batch(conn, executor, ended).await?
        };
        // Only for these: the slots of the others may belong to their next waiters by now.
        let ours: HashSet<ExecutionId> = recorded.iter().copied().collect();
        let ids = |is_selected: fn(&Ended) -> bool, id: fn(&Lease) -> Uuid| -> Vec<Uuid> {
            let ours = ended.iter().filter(|e| is_selected(e) && ours.contains(&e.lease.execution));
            ours.map(|ended| id(&ended.lease)).collect()
        };
        let execution = |lease: &Lease| lease.execution.uuid();
        // Rules before jobs, the lock order of a job's deletion; releasing a slot locks the job.
        notifications::write(conn, &ids(|e| e.lease.notifies && !e.is_retried(), execution)).await?;
        slots::release(conn, &ids(|e| e.lease.holds_slot, execution)).await?;
        let last = ids(|e| e.lease.ends_job && !e.is_retried(), |lease| lease.job.uuid());
        completion::complete_jobs(conn, &last).await?;
        Ok(recorded)
    })
    .await
}

const fn is_large(ended: &[Ended]) -> bool {
    ended.len() > MAX_NESTED_LOOP_BATCH
}

/// Did [`record`] fail because an execution had ended before?
pub fn is_repeated(error: &StoreError) -> bool {
    // Each partition has its own name for this constraint.
    matches!(error, StoreError::Conflict(name) if name.starts_with("executions_") && name.ends_with("_pkey"))
}

/// Deletes those of these open executions that have ended, and returns them: their first record stays. The constraints exclude them, so this
/// is for a database that was changed by hand.
pub async fn remove_repeated(conn: &mut Conn, ended: &[Ended]) -> Result<Vec<ExecutionId>, StoreError> {
    let ids: Vec<Uuid> = ended.iter().map(|ended| ended.lease.execution.uuid()).collect();
    let removed: Vec<Id> = prepared(
        sql_query(
            "delete from runs r using executions e where e.id = r.id and r.id = any($1) returning r.id",
        )
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?;
    Ok(removed.into_iter().map(|row| ExecutionId::from_uuid(row.id)).collect())
}

fn column<'a, T>(ended: &[&'a Ended], value: impl Fn(&'a Ended) -> T) -> Vec<T> {
    ended.iter().copied().map(value).collect()
}

fn phase(ended: &[&Ended], value: impl Fn(&Outcome) -> Option<Duration>) -> Vec<Option<i32>> {
    column(ended, |e| value(&e.attempt.outcome).map(micros))
}

/// The statements that record: the ended attempts as rows, `$moved` of the open executions that `$guard` finds, and `$then`. They contain the
/// ids twice: to join, and to look them up one by one.
macro_rules! record {
    ($moved:expr, $then:expr) => {
        concat!(
            "with ended as (
                 select * from unnest(
                     $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[],
                     $9::bigint[], $10::text[], $11::smallint[], $12::text[], $13::text[], $14::int[], $15::int[], $16::int[],
                     $17::int[], $18::int[], $19::int[], $20::text[], $21::text[], $22::text[], $23::bytea[], $24::bool[],
                     $25::bigint[], $26::timestamptz[], $27::uuid[], $28::uuid[], $29::int[], $30::smallint[], $31::timestamptz[],
                     $32::text[], $33::uuid[])
                   as i(id, number, next, next_class, due_at, started_at, ended_at, lateness_us, status, status_code, error_class,
                        error, dns_us, connect_us, tls_us, first_byte_us, body_us, total_us, remote_address, http_version,
                        response_headers, body_preview, body_truncated, response_bytes, first_started_at, workspace_id, job_id, version,
                        depth, scheduled_for, source, replay_of)),
             moved as (",
            $moved,
            " returning e.id)",
            $then
        )
    };
}

/// The execution leaves the open ones, and the attempt that ends it is written into its row. All columns come from the lease, so that the
/// deletion returns nothing but ids.
macro_rules! last {
    ($guard:literal) => {
        record!(
            concat!("delete from runs e using ended i where e.id = i.id and e.id = any($2) and ", $guard),
            " insert into executions (id, workspace_id, job_id, version, attempt_count, depth, scheduled_for, started_at, finished_at,
                                      lateness_us, status, source, error_class, replay_of, attempt_started_at, dns_us, connect_us, tls_us,
                                      first_byte_us, body_us, total_us, response_bytes, status_code, body_truncated, attempt_status,
                                      attempt_error_class, error, remote_address, http_version, response_headers, body_preview)
             select i.id, i.workspace_id, i.job_id, i.version, i.number, i.depth, i.scheduled_for, i.first_started_at, i.ended_at,
                    i.lateness_us, i.next, i.source, i.next_class, i.replay_of, i.started_at, i.dns_us, i.connect_us, i.tls_us,
                    i.first_byte_us, i.body_us, i.total_us, i.response_bytes, i.status_code, i.body_truncated, i.status,
                    i.error_class, i.error, i.remote_address, i.http_version, i.response_headers, i.body_preview
             from ended i join moved m on m.id = i.id
             returning id"
        )
    };
}

/// An attempt that is followed by a retry becomes a row in `earlier_attempts`.
macro_rules! earlier {
    ($guard:literal, $conflict:literal) => {
        record!(
            concat!(
                "update runs e set status = i.next, due_at = i.due_at, started_at = i.first_started_at, lateness_us = i.lateness_us
                 from ended i where e.id = i.id and e.id = any($2) and ",
                $guard
            ),
            concat!(
                ", tries as (
                 insert into earlier_attempts (execution_id, number, status, status_code, error_class, error, started_at, dns_us,
                                               connect_us, tls_us, first_byte_us, body_us, total_us, remote_address, http_version,
                                               response_headers, body_preview, body_truncated, response_bytes)
                 select i.id, i.number, i.status, i.status_code, i.error_class, i.error, i.started_at, i.dns_us, i.connect_us,
                        i.tls_us, i.first_byte_us, i.body_us, i.total_us, i.remote_address, i.http_version, i.response_headers,
                        i.body_preview, i.body_truncated, i.response_bytes
                 from ended i join moved m on m.id = i.id",
                $conflict,
                ") select id from moved"
            )
        )
    };
}

const FENCE: [&str; 2] = [
    last!("e.owner_id = $1 and e.status = 'running' and e.attempt_count = i.number"),
    earlier!("e.owner_id = $1 and e.status = 'running' and e.attempt_count = i.number", ""),
];
const NO_FENCE: [&str; 2] =
    [last!("$1::uuid is not null"), earlier!("$1::uuid is not null", " on conflict do nothing")];

async fn record_batch(
    conn: &mut Conn,
    executor: ExecutorId,
    ended: &[Ended],
) -> Result<Vec<ExecutionId>, StoreError> {
    let (earlier, last): (Vec<_>, Vec<_>) = ended.iter().partition(|ended| ended.is_retried());
    let [write_last, write_earlier] = if failpoint::is(failpoint::NO_FENCING) { NO_FENCE } else { FENCE };
    let is_large = is_large(ended);
    let mut recorded = write(conn, write_last, is_large, executor, &last).await?;
    recorded.extend(write(conn, write_earlier, is_large, executor, &earlier).await?);
    Ok(recorded)
}

async fn write(
    conn: &mut Conn,
    statement: &'static str,
    is_large: bool,
    executor: ExecutorId,
    ended: &[&Ended],
) -> Result<Vec<ExecutionId>, StoreError> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let statement = if is_large { format!("{statement}{LARGE_BATCH}") } else { statement.to_owned() };
    let rows: Vec<Id> = prepared(
        sql_query(statement)
            .bind::<SqlUuid, _>(executor.uuid())
            .bind::<Array<SqlUuid>, _>(column(ended, |e| e.lease.execution.uuid()))
            .bind::<Array<SmallInt>, _>(column(ended, |e| e.lease.number as i16))
            .bind::<Array<Text>, _>(column(ended, |e| Status::from(&e.attempt.disposition).as_str()))
            .bind::<Array<Nullable<Text>>, _>(column(ended, |e| e.attempt.disposition.error_class()))
            .bind::<Array<Nullable<Timestamptz>>, _>(column(ended, |e| e.attempt.disposition.due_at()))
            .bind::<Array<Timestamptz>, _>(column(ended, |e| e.attempt.started_at))
            .bind::<Array<Timestamptz>, _>(column(ended, |e| e.attempt.ended_at))
            .bind::<Array<Nullable<BigInt>>, _>(column(ended, |e| {
                e.lease.first_lateness_us.or(e.lateness_us)
            }))
            .bind::<Array<Text>, _>(column(ended, |e| e.attempt.outcome.status.as_str()))
            .bind::<Array<Nullable<SmallInt>>, _>(column(ended, |e| {
                e.attempt.outcome.status_code.map(|code| code as i16)
            }))
            .bind::<Array<Nullable<Text>>, _>(column(ended, |e| e.attempt.outcome.error_class))
            .bind::<Array<Nullable<Text>>, _>(column(ended, |e| e.attempt.outcome.error.as_deref().map(text)))
            .bind::<Array<Nullable<Integer>>, _>(phase(ended, |outcome| outcome.timing.dns))
            .bind::<Array<Nullable<Integer>>, _>(phase(ended, |outcome| outcome.timing.connect))
            .bind::<Array<Nullable<Integer>>, _>(phase(ended, |outcome| outcome.timing.tls))
            .bind::<Array<Nullable<Integer>>, _>(phase(ended, |outcome| outcome.timing.first_byte))
            .bind::<Array<Nullable<Integer>>, _>(phase(ended, |outcome| outcome.timing.body))
            .bind::<Array<Integer>, _>(column(ended, |e| micros(e.attempt.outcome.timing.total)))
            .bind::<Array<Nullable<Text>>, _>(column(ended, |e| e.attempt.outcome.remote_address.as_deref()))
            .bind::<Array<Nullable<Text>>, _>(column(ended, |e| e.attempt.outcome.http_version))
            .bind::<Array<Text>, _>(column(ended, |e| header_lines(&e.attempt.outcome.response_headers)))
            .bind::<Array<Binary>, _>(column(ended, |e| e.attempt.outcome.body_preview.as_slice()))
            .bind::<Array<Bool>, _>(column(ended, |e| e.attempt.outcome.body_truncated))
            .bind::<Array<BigInt>, _>(column(ended, |e| {
                i64::try_from(e.attempt.outcome.response_bytes).unwrap_or(i64::MAX)
            }))
            .bind::<Array<Timestamptz>, _>(column(ended, |e| {
                e.lease.first_started_at.unwrap_or(e.attempt.started_at)
            }))
            .bind::<Array<SqlUuid>, _>(column(ended, |e| e.lease.workspace.uuid()))
            .bind::<Array<SqlUuid>, _>(column(ended, |e| e.lease.job.uuid()))
            .bind::<Array<Integer>, _>(column(ended, |e| e.lease.version))
            .bind::<Array<SmallInt>, _>(column(ended, |e| e.lease.depth))
            .bind::<Array<Timestamptz>, _>(column(ended, |e| e.lease.scheduled_for))
            .bind::<Array<Text>, _>(column(ended, |e| e.lease.source.as_str()))
            .bind::<Array<Nullable<SqlUuid>>, _>(column(ended, |e| e.lease.replay_of.map(ExecutionId::uuid))),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ExecutionId::from_uuid(row.id)).collect())
}
