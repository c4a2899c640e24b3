//! Executions in the order in which they were recorded.

use chrono::{DateTime, Utc};
use diesel::{
    sql_query,
    sql_types::{BigInt, Nullable},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        statistics::Recorded,
    },
    store::{
        Conn, StoreError,
        columns::parse_enum,
        schema::executions,
        sql::{prepared_as, row},
    },
};

/// How many executions one statement reads, and those of the last transaction with them.
const READ_BATCH: usize = 10_000;

row! {
    pub struct RecordedRow, recorded_columns {
        executions {
            id: Uuid,
            workspace_id: Uuid,
            job_id: Uuid,
            status: String,
            scheduled_for: DateTime<Utc>,
            finished_at: DateTime<Utc>,
            attempt_count: i16,
            lateness_us: Option<i64>,
            error_class: Option<String>,
            status_code: Option<i16>,
            skip_count: Option<i64>,
            recorded_in: i64,
        }
        expression duration_us: Option<i64> as Nullable<BigInt>;
    }
}
pub(super) use recorded_columns;

impl RecordedRow {
    pub fn into_recorded(self) -> Result<Recorded, StoreError> {
        Ok(Recorded {
            execution: ExecutionId::from_uuid(self.id),
            workspace: WorkspaceId::from_uuid(self.workspace_id),
            job: JobId::from_uuid(self.job_id),
            status: parse_enum("executions.status", &self.status)?,
            scheduled_for: self.scheduled_for,
            finished_at: self.finished_at,
            attempts: self.attempt_count.unsigned_abs(),
            lateness_us: self.lateness_us,
            duration_us: self.duration_us,
            error_class: self.error_class,
            status_code: self.status_code,
            skip_count: self.skip_count,
        })
    }
}

/// Executions of whole transactions, oldest first.
pub struct Batch {
    pub executions: Vec<Recorded>,
    /// Transactions before this one are read.
    pub counted_to: i64,
    /// Whether there may be more.
    pub is_full: bool,
}

/// The statement that reads a batch, for the test of its plan.
pub const READ: &str = concat!(
    "select ",
    recorded_columns!(duration_us = "(extract(epoch from finished_at - started_at) * 1000000)::bigint",),
    " from executions where recorded_in >= $1 and recorded_in < $2 order by recorded_in fetch first 10000 rows with ties"
);

/// What transactions from `from` (inclusive) to `to` (exclusive) have recorded, or the first of it.
pub async fn read(conn: &mut Conn, from: i64, to: i64) -> Result<Batch, StoreError> {
    // The indexes of all partitions are merged in order. A plan that sorts would read everything that is not counted yet.
    conn.batch_execute("set local enable_sort = off").await?;
    let rows: Result<Vec<RecordedRow>, _> =
        prepared_as::<RecordedRow, _>(sql_query(READ).bind::<BigInt, _>(from).bind::<BigInt, _>(to))
            .load(conn)
            .await;
    let mut rows = rows?;
    // The index does not order what one transaction has recorded.
    rows.sort_unstable_by_key(|row| (row.recorded_in, row.id));
    let is_full = rows.len() >= READ_BATCH;
    let counted_to = rows.last().filter(|_| is_full).map_or(to, |row| row.recorded_in + 1);
    let executions = rows.into_iter().map(RecordedRow::into_recorded).collect::<Result<_, _>>()?;
    Ok(Batch { executions, counted_to, is_full })
}
