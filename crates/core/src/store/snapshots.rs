//! Old snapshots: while one exists, no vacuum removes what has ended since.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Double, Nullable, Text},
};
use diesel_async::RunQueryDsl;

use super::{Conn, StoreError, sql::prepared};

/// What keeps old rows. Sessions of other users are visible with the role `pg_read_all_stats` only.
#[derive(Debug, QueryableByName)]
pub struct Snapshots {
    /// How long the oldest transaction with a snapshot, or the oldest prepared transaction, has existed, in seconds.
    #[diesel(sql_type = Nullable<Double>)]
    pub oldest_transaction_seconds: Option<f64>,
    /// The oldest transaction id that a replication slot or a standby keeps. Its age is unknown.
    #[diesel(sql_type = Nullable<Text>)]
    pub replication_xmin: Option<String>,
}

/// A snapshot in another database keeps nothing here, nor does that of a vacuum.
pub async fn oldest(conn: &mut Conn) -> Result<Snapshots, StoreError> {
    Ok(prepared(sql_query(
        "select extract(epoch from clock_timestamp() - least(
                    (select min(xact_start) from pg_stat_activity
                     where backend_xmin is not null and datname = current_database() and pid <> pg_backend_pid()
                       and backend_type <> 'autovacuum worker'),
                    (select min(prepared) from pg_prepared_xacts where database = current_database())))::float8
                    as oldest_transaction_seconds,
                (select xmin::text from (
                     select xmin from pg_replication_slots where xmin is not null
                     union all
                     select backend_xmin from pg_stat_replication where backend_xmin is not null) kept
                 order by age(xmin) desc limit 1) as replication_xmin",
    ))
    .get_result(conn)
    .await?)
}
