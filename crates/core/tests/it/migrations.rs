//! Migrations: up, down, up again; many at once; and a schema that is too old is refused.

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

/// Everything about the schema that a person could see.
const SHAPE: &str = "
    select string_agg(line, E'\\n' order by line) from (
        select table_name || '.' || column_name || ' ' || udt_name || ' ' || is_nullable || coalesce(column_default, '') as line
        from information_schema.columns where table_schema = 'public' and table_name <> '__diesel_schema_migrations'
            and table_name !~ '_\\d{8}$'
        union all select indexdef from pg_indexes where schemaname = 'public' and tablename !~ '_\\d{8}$'
        union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
            where connamespace = 'public'::regnamespace and conrelid::regclass::text !~ '_\\d{8}$') lines";

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
    let migrations = db.count("select count(*) from __diesel_schema_migrations").await;
    assert_eq!(ran as i64, migrations);
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

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_while_their_day_is_made_are_recorded_or_told_to_come_again() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(60, "http://192.0.2.1/")).await;
    let now = db.now().await;
    // As after a week without a scheduler: no day has its partition.
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
        let run = NewRun { source: Source::Manual, replay_of: None, traceparent: None, key: None, now };
        executions::insert_now(&mut *db.conn().await, workspace, job, run).await
    };
    let make = async { partitions::make_ahead(&mut *db.conn().await, now).await.unwrap() };
    let (made, inserted) = tokio::join!(make, futures_util::future::join_all((0..500).map(|_| insert())));
    assert_eq!(made, 16);
    let recorded = inserted.iter().filter(|inserted| inserted.is_ok()).count();
    for refused in inserted.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    }
    assert_eq!(db.count("select count(*) from executions").await, recorded as i64);
    assert_eq!(db.count("select count(*) from executions_default").await, 0, "early ones moved over");
}
