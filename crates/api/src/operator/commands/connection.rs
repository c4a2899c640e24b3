//! The connection of a command: to a database with the schema of this binary.

use trigrun_core::store::{Conn, migrate};

use crate::settings::Settings;

pub async fn open(settings: &Settings) -> anyhow::Result<Conn> {
    let mut conn = migrate::connect(&settings.postgres).await?;
    migrate::check(&mut conn).await?;
    Ok(conn)
}
