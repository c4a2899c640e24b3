//! Migrations: up, down, up again; many at once; and a schema that is too old is refused.

use trigrun_core::store::migrate::{self, SchemaError};
use trigrun_testkit::{TestDb, db};

/// Everything about the schema that a person could see.
const SHAPE: &str = "
    select string_agg(line, E'\\n' order by line) from (
        select table_name || '.' || column_name || ' ' || udt_name || ' ' || is_nullable || coalesce(column_default, '') as line
        from information_schema.columns where table_schema = 'public' and table_name <> '__diesel_schema_migrations'
        union all select indexdef from pg_indexes where schemaname = 'public'
        union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
            where connamespace = 'public'::regnamespace) lines";

async fn shape(db: &TestDb) -> String {
    db.query(SHAPE).await[0].get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn up_down_up_is_the_same_schema() {
    let db = TestDb::new().await;
    let first = shape(&db).await;
    migrate::revert_all(&db.settings()).await.unwrap();
    let left = db.count("select count(*) from pg_tables where schemaname = 'public' and tablename <> '__diesel_schema_migrations'");
    assert_eq!(left.await, 0);
    migrate::run(&db.settings()).await.unwrap();
    assert_eq!(shape(&db).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_migrators_at_once_do_it_once() {
    let db = TestDb::new().await;
    migrate::revert_all(&db.settings()).await.unwrap();
    let settings = db.settings();
    let runs = futures_util::future::join_all((0..4).map(|_| migrate::run(&settings))).await;
    let ran: usize = runs.into_iter().map(|run| run.unwrap().len()).sum();
    assert_eq!(ran, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_schema_is_refused_with_what_to_do() {
    let db = TestDb::new().await;
    migrate::check(&mut *db.conn().await).await.unwrap();
    migrate::revert_all(&db.settings()).await.unwrap();
    let refused = migrate::check(&mut *db.conn().await).await.unwrap_err();
    assert!(matches!(refused, SchemaError::TooOld { .. }));
    assert!(refused.to_string().contains("trigrun-api migrate"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_soon() {
    let mut settings = db::settings("postgres");
    settings.url = secrecy::SecretString::from("postgres://trigrun@127.0.0.1:1/trigrun");
    let started = std::time::Instant::now();
    let refused = migrate::connect(&settings).await.err().unwrap();
    assert!(matches!(refused, trigrun_core::store::StoreError::Unavailable(_)), "{refused}");
    assert!(started.elapsed().as_secs() < 5);
}
