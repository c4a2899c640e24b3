//! Completes jobs when their last execution ends. Every statement that ends executions calls this in its transaction.

use diesel::{
    sql_query,
    sql_types::{Array, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{Conn, StoreError, sql::prepared};

/// Completes the jobs whose last execution is among those that ended.
pub(super) async fn complete_jobs(conn: &mut Conn, ended: &[Uuid]) -> Result<(), StoreError> {
    if ended.is_empty() {
        return Ok(());
    }
    prepared(
        sql_query(
            "update jobs j set state = 'completed', updated_at = clock_timestamp()
             from executions e
             where e.id = any($1) and e.ends_job and e.finished_at is not null and j.id = e.job_id and j.state = 'active'
               and not exists (select from job_timers t where t.job_id = j.id)",
        )
        .bind::<Array<SqlUuid>, _>(ended),
    )
    .execute(conn)
    .await?;
    Ok(())
}
