//! Completes jobs when their last execution ends. Every statement that ends executions calls this in its transaction.

use diesel::{
    sql_query,
    sql_types::{Array, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{Conn, StoreError, sql::prepared};

/// Completes these jobs, whose last execution has ended, unless they were changed to fire again.
pub(super) async fn complete_jobs(conn: &mut Conn, jobs: &[Uuid]) -> Result<(), StoreError> {
    if jobs.is_empty() {
        return Ok(());
    }
    prepared(
        sql_query(
            "update jobs j set state = 'completed', updated_at = clock_timestamp()
             where j.id = any($1) and j.state = 'active'
               and not exists (select from job_timers t where t.job_id = j.id)",
        )
        .bind::<Array<SqlUuid>, _>(jobs),
    )
    .execute(conn)
    .await?;
    Ok(())
}
