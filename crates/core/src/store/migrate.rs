//! The schema: migrations are part of the binary. A process waits while the schema is older than itself.

use diesel::{prelude::*, sql_query, sql_types::Bool};
use diesel_async::{AsyncMigrationHarness, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::{
    error::Error,
    time::{Duration, Instant},
};

use super::{Conn, PostgresSettings, StoreError, clock, partitions, pool::Connector};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");
/// The advisory lock that lets one migrator work at a time; any constant.
const LOCK_ID: i64 = 0x7472_6967_7275_6e00;
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

/// Runs the pending migrations and creates the partitions of the next days; returns the names of the migrations that were run. Several
/// processes may call it at once. Needs tokio's multi-thread runtime.
pub async fn run(settings: &PostgresSettings) -> Result<Vec<String>, SchemaError> {
    let settings = PostgresSettings { statement_timeout_ms: 0, lock_timeout_ms: 0, ..settings.clone() };
    let mut conn = connect(&settings).await?;
    check_collation(&mut conn).await?;
    wait_for_lock(&mut conn).await?;
    // The session releases the lock when it ends, however it ends.
    let run = tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(conn);
        let run = harness.run_pending_migrations(MIGRATIONS).map_err(migration_error)?;
        Ok::<_, StoreError>(run.iter().map(ToString::to_string).collect())
    });
    let run = run.await.map_err(|error| StoreError::Internal(error.to_string()))??;
    // Now, before executions are written: later, creating a partition locks the default one. Schedulers create all further ones, of more
    // days if executions are kept for long.
    let mut conn = connect(&settings).await?;
    let now = clock::now(&mut conn).await?;
    partitions::make_ahead(&mut conn, now, 1).await?;
    Ok(run)
}

/// Reverts every migration, for the tests of the migrations.
pub async fn revert_all(settings: &PostgresSettings) -> Result<(), StoreError> {
    let conn = connect(settings).await?;
    tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(conn);
        harness.revert_all_migrations(MIGRATIONS).map(drop).map_err(migration_error)
    })
    .await
    .map_err(|error| StoreError::Internal(error.to_string()))?
}

/// Before the first migration runs, errors are classified like any other: a read-only server is unavailable. diesel does not give out
/// the cause of a failed migration, only its text.
fn migration_error(error: Box<dyn Error + Send + Sync>) -> StoreError {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => (*error).into(),
        Err(error) => StoreError::Internal(error.to_string()),
    }
}

/// A connection outside the pool: for migrations and for [`super::wake::listen`].
pub async fn connect(settings: &PostgresSettings) -> Result<Conn, StoreError> {
    Connector::new(settings)?.connect().await.map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// Polls: waiting inside `pg_advisory_lock` would deadlock with a holder that creates an index concurrently.
async fn wait_for_lock(conn: &mut Conn) -> Result<(), StoreError> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        let query = sql_query("select pg_try_advisory_lock($1) as locked")
            .bind::<diesel::sql_types::BigInt, _>(LOCK_ID);
        if query.get_result::<Locked>(conn).await?.locked {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(StoreError::Unavailable(
                "another migration has been running for five minutes".into(),
            ));
        }
        tokio::time::sleep(LOCK_POLL_INTERVAL).await;
    }
}

/// `Ok` if the schema has every migration of this binary, and Postgres the collation of the searches. The schema may have more migrations,
/// from a newer binary.
pub async fn check(conn: &mut Conn) -> Result<(), SchemaError> {
    check_collation(conn).await?;
    let applied = applied(conn).await?;
    let missing: Vec<String> = embedded().into_iter().filter(|version| !applied.contains(version)).collect();
    if missing.is_empty() { Ok(()) } else { Err(SchemaError::TooOld { missing }) }
}

/// Of the statements that search for names. A Postgres that was built without ICU lacks it, and so does a database with an encoding that ICU
/// does not support.
async fn check_collation(conn: &mut Conn) -> Result<(), SchemaError> {
    let collation = sql_query("select to_regcollation('\"und-x-icu\"') is not null as exists");
    if collation.get_result::<Exists>(conn).await?.exists { Ok(()) } else { Err(SchemaError::NoCollation) }
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error(
        "Postgres lacks the collation und-x-icu, with which names are searched: use a Postgres that was built with ICU, and a database with the encoding UTF8"
    )]
    NoCollation,
    #[error(
        "the database schema is too old: migrations {missing:?} have not been run; run `trigrun-api migrate` first"
    )]
    TooOld { missing: Vec<String> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<diesel::result::Error> for SchemaError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

async fn applied(conn: &mut Conn) -> Result<Vec<String>, StoreError> {
    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let table = sql_query("select to_regclass('__diesel_schema_migrations') is not null as exists");
    if !table.get_result::<Exists>(conn).await?.exists {
        return Ok(Vec::new());
    }
    let rows: Vec<Version> = sql_query("select version from __diesel_schema_migrations").load(conn).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

fn embedded() -> Vec<String> {
    use diesel::migration::MigrationSource;
    let migrations = MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS).unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).collect()
}
