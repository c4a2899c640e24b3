//! Removal of sums: by age, and with their workspace.

use chrono::{DateTime, Utc};
use diesel::{
    sql_query,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::RunQueryDsl;

use crate::store::{Conn, StoreError, sql::prepared};

/// Tables that are kept for as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// For some hours: sums by minute.
    Hours,
    /// As long as executions: sums by hour of jobs and hosts, and failures.
    AsExecutions,
}

macro_rules! purge_old {
    ($table:literal) => {
        concat!(
            "delete from ",
            $table,
            " where ctid = any(array(select ctid from ",
            $table,
            " where at < $1 order by at limit $2))"
        )
    };
}

/// Deletes up to `limit` rows of each table from before `oldest`; returns how many of the fullest.
pub async fn purge_old(
    conn: &mut Conn,
    kept: Kept,
    oldest: DateTime<Utc>,
    limit: i64,
) -> Result<usize, StoreError> {
    let statements: &[&'static str] = match kept {
        Kept::Hours => &[purge_old!("stats_minutes")],
        Kept::AsExecutions => {
            &[purge_old!("stats_hours"), purge_old!("stats_hosts"), purge_old!("stats_failures")]
        }
    };
    let mut most = 0;
    for statement in statements {
        let purged = prepared(sql_query(*statement).bind::<Timestamptz, _>(oldest).bind::<BigInt, _>(limit))
            .execute(conn)
            .await?;
        most = most.max(purged);
    }
    Ok(most)
}

macro_rules! purge_workspaces {
    ($table:literal) => {
        concat!(
            "delete from ",
            $table,
            " where ctid = any(array(
                 select s.ctid from workspaces w join ",
            $table,
            " s on s.workspace_id = w.id
                 where w.deleted_at is not null limit $1))"
        )
    };
}

/// Deletes up to `limit` rows of each table of deleted workspaces; returns how many.
pub(in crate::store) async fn purge_workspaces(conn: &mut Conn, limit: i64) -> Result<usize, StoreError> {
    let mut all = 0;
    for statement in [
        purge_workspaces!("stats_minutes"),
        purge_workspaces!("stats_hours"),
        purge_workspaces!("stats_hosts"),
        purge_workspaces!("stats_failures"),
    ] {
        all += prepared(sql_query(statement).bind::<BigInt, _>(limit)).execute(conn).await?;
    }
    Ok(all)
}
