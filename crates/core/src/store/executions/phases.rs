//! How long the phases of the last successful executions of a job took.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::{
        attempt::PhaseTimings,
        id::{ExecutionId, JobId, WorkspaceId},
        page::max_rows_searched,
    },
    store::{Conn, StoreError, columns::duration, schema::earlier_attempts, sql::prepared},
};

#[derive(QueryableByName)]
#[diesel(table_name = earlier_attempts)]
struct PhasesRow {
    dns_us: Option<i32>,
    connect_us: Option<i32>,
    tls_us: Option<i32>,
    first_byte_us: Option<i32>,
    body_us: Option<i32>,
    total_us: i32,
}

/// The statement of [`phases`], for the test of its plan: a walk of the index, newest first. As in lists, the bounds are parameters, and what
/// is filtered afterwards is inside a `case`: otherwise Postgres would read and sort the executions of all jobs.
/// An order of the whole would have the same effect; the rows keep that of the walk.
pub const PHASES: &str = concat!(
    "select dns_us, connect_us, tls_us, first_byte_us, body_us, total_us
     from (
         select e.*, row_number() over () as number from (
             select e.* from executions e
             where (e.job_id, e.id) < ($2, $3) and (e.job_id, e.id) >= ($2, $5) and e.id < $3
             order by e.job_id desc, e.id desc limit ",
    max_rows_searched!(),
    ") e offset 0) e
     where case when e.workspace_id = $1 and e.status = 'succeeded' and e.total_us is not null then true else false end
     limit $4"
);

/// Those of the last attempts of at most `limit` executions that succeeded, newest first, of those that were due before this one. Searches
/// as many executions as a page of a list.
pub async fn phases(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    before: Option<ExecutionId>,
    limit: i64,
) -> Result<Vec<PhaseTimings>, StoreError> {
    let rows: Vec<PhasesRow> = prepared(
        sql_query(PHASES)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(job.uuid())
            .bind::<SqlUuid, _>(before.map_or(Uuid::max(), ExecutionId::uuid))
            .bind::<BigInt, _>(limit)
            .bind::<SqlUuid, _>(Uuid::nil()),
    )
    .load(conn)
    .await?;
    let timings = rows.into_iter().map(|row| PhaseTimings {
        dns: row.dns_us.map(duration),
        connect: row.connect_us.map(duration),
        tls: row.tls_us.map(duration),
        first_byte: row.first_byte_us.map(duration),
        body: row.body_us.map(duration),
        total: duration(row.total_us),
    });
    Ok(timings.collect())
}
