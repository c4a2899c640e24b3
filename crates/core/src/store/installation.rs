//! The id of this installation, made by the migration.

use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{Conn, StoreError, schema::installation};

pub async fn id(conn: &mut Conn) -> Result<Uuid, StoreError> {
    use diesel::QueryDsl;
    Ok(installation::table.select(installation::id).first(conn).await?)
}
