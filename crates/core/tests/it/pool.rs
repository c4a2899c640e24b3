//! The pool of connections to Postgres.

use tokio::{runtime, task};
use trigrun_core::store::{Db, clock};
use trigrun_testkit::TestDb;

async fn sessions(test: &TestDb) -> Vec<String> {
    let sessions = "select pid::text from pg_stat_activity where datname = current_database() and application_name = 'trigrun'";
    test.lines(sessions).await
}

/// A thread of the API's server ends when it has no requests left, while others still finish theirs.
#[tokio::test]
async fn a_connection_outlives_the_runtime_of_the_request_that_opened_it() {
    let test = TestDb::new().await;
    let db = Db::new(&test.settings()).unwrap();
    let other = db.clone();
    let in_another_runtime = move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { clock::now(&mut other.conn().await.unwrap()).await.unwrap() });
    };
    task::spawn_blocking(in_another_runtime).await.unwrap();
    let opened = sessions(&test).await;
    assert_eq!(opened.len(), 1);
    clock::now(&mut db.conn().await.unwrap()).await.unwrap();
    assert_eq!(sessions(&test).await, opened);
}
