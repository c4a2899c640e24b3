//! Postgres's clock, which decides what is due.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_query, sql_types::Timestamptz};
use diesel_async::RunQueryDsl;

use super::{Conn, StoreError, sql::prepared};

#[derive(QueryableByName)]
struct Now {
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

pub async fn now(conn: &mut Conn) -> Result<DateTime<Utc>, StoreError> {
    Ok(prepared(sql_query("select clock_timestamp() as now")).get_result::<Now>(conn).await?.now)
}
