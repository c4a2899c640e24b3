//! Migrations: up, down and up again; several migrators at once; a schema that is too old.

use trigrun_core::{
    domain::execution::Source,
    store::{
        StoreError,
        executions::{self, NewRun},
        migrate::{self, SchemaError},
        partitions,
    },
};
use trigrun_testkit::{TestDb, db, jobs::every_seconds};

/// The schema, a line per column, index, constraint, trigger, function and view; without the partitions of days.
const SHAPE: &str = "
    select string_agg(line, E'\\n' order by line) from (
        select table_name || '.' || column_name || ' ' || udt_name || ' ' || is_nullable || coalesce(column_default, '') as line
        from information_schema.columns where table_schema = 'public' and table_name <> '__diesel_schema_migrations'
            and table_name !~ '_\\d{8}$'
        union all select indexdef from pg_indexes where schemaname = 'public' and tablename !~ '_\\d{8}$'
        union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
            where connamespace = 'public'::regnamespace and conrelid::regclass::text !~ '_\\d{8}$'
        union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
        union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
        union all select viewname || definition from pg_views where schemaname = 'public') lines";

const UP: &str = include_str!("../../../../migrations/2026-11-29-000001_foundation/up.sql");

async fn shape(db: &TestDb) -> String {
    db.query(SHAPE).await[0].get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn up_down_up_gives_the_same_schema() {
    let db = TestDb::new().await;
    // Once before, because the template has triggers for tests, which are dropped with their tables.
    migrate::revert_all(&db.settings()).await.unwrap();
    migrate::run(&db.settings()).await.unwrap();
    let first = shape(&db).await;
    migrate::revert_all(&db.settings()).await.unwrap();
    let remaining = db.lines(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relname !~ '^__diesel_schema_migrations'
         union all select proname from pg_proc where pronamespace = 'public'::regnamespace",
    );
    let of_migration: Vec<String> =
        remaining.await.into_iter().filter(|name| UP.contains(name.as_str())).collect();
    assert!(of_migration.is_empty(), "down.sql leaves {of_migration:?}");
    migrate::run(&db.settings()).await.unwrap();
    assert_eq!(shape(&db).await, first);
}

#[test]
fn every_table_and_index_says_why_it_exists() {
    let mut previous = "";
    for line in UP.lines() {
        let needs_comment =
            ["create table", "create index", "create unique index", "create view", "create function"];
        if needs_comment.iter().any(|statement| line.starts_with(statement)) {
            assert!(previous.starts_with("--"), "no comment above: {line}");
        }
        previous = line;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_migrators_at_once_run_each_migration_once() {
    let db = TestDb::new().await;
    migrate::revert_all(&db.settings()).await.unwrap();
    let settings = db.settings();
    let runs = futures_util::future::join_all((0..4).map(|_| migrate::run(&settings))).await;
    let ran: usize = runs.into_iter().map(|run| run.unwrap().len()).sum();
    let migrations = db.count("select count(*) from __diesel_schema_migrations").await;
    assert_eq!(ran as i64, migrations);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_schema_is_refused_and_the_error_names_the_command() {
    let db = TestDb::new().await;
    migrate::check(&mut *db.conn().await).await.unwrap();
    migrate::revert_all(&db.settings()).await.unwrap();
    let refused = migrate::check(&mut *db.conn().await).await.unwrap_err();
    assert!(matches!(refused, SchemaError::TooOld { .. }));
    assert!(refused.to_string().contains("trigrun-api migrate"), "{refused}");
}

/// As in a Postgres that was built without ICU. The collation belongs to the database of this test.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_collation_is_refused_and_the_error_names_the_remedy() {
    let db = TestDb::new().await;
    db.execute("drop index jobs_name; drop collation pg_catalog.\"und-x-icu\"").await;
    let refused = migrate::check(&mut *db.conn().await).await.unwrap_err();
    assert!(matches!(refused, SchemaError::NoCollation));
    assert!(refused.to_string().contains("built with ICU"), "{refused}");
    assert!(matches!(migrate::run(&db.settings()).await, Err(SchemaError::NoCollation)));
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable_within_seconds() {
    let mut settings = db::settings("postgres");
    settings.url = secrecy::SecretString::from("postgres://trigrun@127.0.0.1:1/trigrun");
    let started = std::time::Instant::now();
    let refused = migrate::connect(&settings).await.err().unwrap();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(started.elapsed().as_secs() < 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_inserted_while_their_partition_is_created_are_recorded_or_unavailable() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(60, "http://192.0.2.1/")).await;
    let now = db.now().await;
    // No day has its partition, as after a week without a scheduler.
    for table in ["executions", "earlier_attempts"] {
        for day in db
            .lines(&format!(
                "select inhrelid::regclass from pg_inherits where inhparent = '{table}'::regclass"
            ))
            .await
        {
            if !day.ends_with("_default") {
                db.execute(&format!("drop table {day}")).await;
            }
        }
    }
    let insert = || async {
        let run =
            NewRun { source: Source::Manual, replay_of: None, traceparent: None, depth: 0, key: None, now };
        executions::insert_now(&mut *db.conn().await, workspace, job, run).await
    };
    let create = async { partitions::make_ahead(&mut *db.conn().await, now, 1).await.unwrap() };
    let (created, inserted) =
        tokio::join!(create, futures_util::future::join_all((0..500).map(|_| insert())));
    assert_eq!(created, 16);
    let recorded = inserted.iter().filter(|inserted| inserted.is_ok()).count();
    for refused in inserted.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    }
    assert_eq!(db.count("select count(*) from all_executions").await, recorded as i64);
    assert_eq!(
        db.count("select count(*) from executions_default").await,
        0,
        "rows of the new partitions are moved out of the default partition"
    );
}
