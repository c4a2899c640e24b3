//! Errors of Postgres are mapped by SQLSTATE: neither their text nor its language matters.

use trigrun_core::{
    domain::id::ExecutorId,
    store::{Db, PostgresSettings, StoreError, executors, migrate},
};
use trigrun_testkit::TestDb;
use uuid::Uuid;

/// Inserting an executor raises the error that `expected_error` describes, with a text that no program knows.
const RAISE: &str = "
    create table expected_error (code text, violated text);
    insert into expected_error values ('00000', '');
    create function raise_expected() returns trigger language plpgsql as $$
    declare e expected_error;
    begin
        select * into e from expected_error;
        if e.violated = '' then raise exception 'auf Deutsch' using errcode = e.code; end if;
        raise exception 'auf Deutsch' using errcode = e.code, constraint = e.violated;
    end $$;
    create trigger raise_expected before insert on executors for each row execute function raise_expected();";

async fn insert(db: &Db) -> Result<(), StoreError> {
    executors::insert(&mut *db.conn().await?, ExecutorId::from_uuid(Uuid::now_v7()), "test").await
}

async fn raised(db: &TestDb, code: &str, violated: &str) -> StoreError {
    db.execute(&format!("update expected_error set code = '{code}', violated = '{violated}'")).await;
    insert(db.db()).await.expect_err(code)
}

/// A server that is read-only, full, stopping or starting, a timeout, a conflict of sessions: trying again may help.
#[tokio::test]
async fn a_temporary_condition_is_unavailable() {
    let db = TestDb::new().await;
    db.execute(RAISE).await;
    for code in [
        "08000", "08003", "08006", "08P01", // connection exceptions
        "25006", "25P03", // read-only; idle in a transaction
        "40001", "40P01", // serialization failure, deadlock
        "53000", "53100", "53200", "53300", "53400", // disk, memory, connections, configured limits
        "55P03", // lock_timeout
        "57P01", "57P02", "57P03", "57P05", // shutdown, crash, start and recovery
        "58000", "58030", // the server's disk
        "23514", // no constraint is named: that of a partition
    ] {
        let error = raised(&db, code, "").await;
        assert!(matches!(error, StoreError::Unavailable(_)), "{code}: {error:?}");
        assert!(error.to_string().contains(code), "{code} is not in the text: {error}");
    }
}

#[tokio::test]
async fn a_cancelled_statement_has_timed_out() {
    let db = TestDb::new().await;
    db.execute(RAISE).await;
    let error = raised(&db, "57014", "").await;
    assert!(matches!(error, StoreError::TimedOut(_)) && error.is_temporary(), "{error:?}");
}

#[tokio::test]
async fn a_violated_constraint_is_a_conflict_or_not_found() {
    let db = TestDb::new().await;
    db.execute(RAISE).await;
    let unique = raised(&db, "23505", "users_email").await;
    assert!(unique.is_conflict("users_email"), "{unique:?}");
    let foreign_key = raised(&db, "23503", "members_user_id_fkey").await;
    assert!(matches!(foreign_key, StoreError::NotFound), "{foreign_key:?}");
}

#[tokio::test]
async fn a_defect_is_internal() {
    let db = TestDb::new().await;
    db.execute(RAISE).await;
    for (code, violated) in [
        ("22003", ""),           // a number out of range
        ("22P02", ""),           // an invalid value
        ("23502", ""),           // null in a column without null
        ("23514", "runs_owned"), // a check of a table
        ("42703", ""),           // no such column
        ("42501", ""),           // missing privileges
        ("P0001", ""),           // raised by a trigger
        ("XX000", ""),           // a bug in Postgres
    ] {
        let error = raised(&db, code, violated).await;
        assert!(matches!(error, StoreError::Internal(_)), "{code}: {error:?}");
    }
}

/// As a server with German messages, if it has them; the conditions are real in any case.
async fn german(db: &TestDb, settings: PostgresSettings) -> Db {
    let name = db.lines("select current_database()").await.remove(0);
    db.execute(&format!(
        "do $$ begin alter database {name} set lc_messages = 'de_DE.UTF-8';
         exception when invalid_parameter_value then raise notice 'the locale is not installed'; end $$"
    ))
    .await;
    Db::new(&settings).unwrap()
}

fn assert_unavailable(result: Result<(), StoreError>, code: &str) {
    let error = result.expect_err(code);
    assert!(matches!(error, StoreError::Unavailable(_)), "{code}: {error:?}");
    assert!(error.to_string().contains(code), "{code}: {error}");
}

#[tokio::test]
async fn a_read_only_server_is_unavailable() {
    let db = TestDb::new().await;
    let german = german(&db, db.settings()).await;
    let name = db.lines("select current_database()").await.remove(0);
    db.execute(&format!("alter database {name} set default_transaction_read_only = on")).await;
    assert_unavailable(insert(&german).await, "25006");
}

#[tokio::test]
async fn a_timeout_is_temporary() {
    let db = TestDb::new().await;
    let locked = db.session().await;
    locked.batch_execute("begin; lock table executors").await.unwrap();
    let lock = german(&db, PostgresSettings { lock_timeout_ms: 20, ..db.settings() }).await;
    assert_unavailable(insert(&lock).await, "55P03");
    let statement = german(&db, PostgresSettings { statement_timeout_ms: 20, ..db.settings() }).await;
    let error = insert(&statement).await.expect_err("57014");
    assert!(matches!(error, StoreError::TimedOut(_)) && error.to_string().contains("57014"), "{error:?}");
}

#[tokio::test]
async fn a_session_that_the_server_ends_is_unavailable() {
    let db = TestDb::new().await;
    let locked = db.session().await;
    locked.batch_execute("begin; lock table executors").await.unwrap();
    let german = german(&db, db.settings()).await;
    let terminate = async {
        let terminate = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                         where datname = current_database() and wait_event_type = 'Lock'";
        while db.count(terminate).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    let (inserted, ()) = tokio::join!(insert(&german), terminate);
    assert_unavailable(inserted, "57P01");
    drop(locked);
    insert(&german).await.expect("the pool opens another session");
}

/// Also while the connection is idle: the reason is remembered.
#[tokio::test]
async fn an_idle_session_that_the_server_ended_says_why() {
    let db = TestDb::new().await;
    let german = german(&db, db.settings()).await;
    let mut conn = german.conn().await.unwrap();
    executors::insert(&mut conn, ExecutorId::from_uuid(Uuid::now_v7()), "before").await.unwrap();
    let terminated = db.count(
        "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
         where datname = current_database() and application_name = 'trigrun'",
    );
    assert_eq!(terminated.await, 1);
    let inserted = executors::insert(&mut conn, ExecutorId::from_uuid(Uuid::now_v7()), "after").await;
    assert_unavailable(inserted, "57P01");
}

/// The runtime has one thread, which waits here: nothing can have noticed the end of the session before it is used again.
#[tokio::test]
async fn a_session_that_ended_while_it_rested_is_not_used() {
    let db = TestDb::new().await;
    let timeout = "do $$ begin
        execute format('alter database %I set idle_session_timeout = 1500', current_database());
    end $$";
    db.execute(timeout).await;
    let pool = Db::new(&PostgresSettings { max_connections: 1, ..db.settings() }).unwrap();
    insert(&pool).await.unwrap();
    let ours = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'trigrun'";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { while db.count(ours).await > 0 {} });
        });
    });
    insert(&pool).await.unwrap();
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let db = TestDb::new().await;
    // 55000. A server that starts says 57P03, and a full one 53300.
    db.execute("update pg_database set datallowconn = false where datname = current_database()").await;
    assert_unavailable(migrate::connect(&db.settings()).await.map(drop), "55000");
    assert_unavailable(insert(&Db::new(&db.settings()).unwrap()).await, "55000");
}
