//! The settings of the Postgres server that matter to an operator.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Bool, Integer, Text},
};
use diesel_async::RunQueryDsl;

use super::{Conn, StoreError};

#[derive(Debug, QueryableByName)]
pub struct Server {
    /// As in `server_version_num`, e.g. 150018.
    #[diesel(sql_type = Integer)]
    pub version_number: i32,
    #[diesel(sql_type = Text)]
    pub version: String,
    #[diesel(sql_type = Bool)]
    pub fsync: bool,
    /// `on`, `off`, `local`, `remote_write` or `remote_apply`.
    #[diesel(sql_type = Text)]
    pub synchronous_commit: String,
    #[diesel(sql_type = Integer)]
    pub max_connections: i32,
    /// A standby, or configured as read-only.
    #[diesel(sql_type = Bool)]
    pub is_read_only: bool,
}

pub async fn inspect(conn: &mut Conn) -> Result<Server, StoreError> {
    let server = sql_query(
        "select current_setting('server_version_num')::int as version_number, current_setting('server_version') as version,
                current_setting('fsync')::bool as fsync, current_setting('synchronous_commit') as synchronous_commit,
                current_setting('max_connections')::int as max_connections,
                pg_is_in_recovery() or current_setting('transaction_read_only')::bool as is_read_only",
    );
    Ok(server.get_result(conn).await?)
}
