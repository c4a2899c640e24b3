//! What is kept of the tests of a workspace.

use chrono::TimeDelta;
use trigrun_core::{
    domain::{
        id::{TestId, WorkspaceId},
        request_test::MAX_KEPT,
    },
    store::{
        StoreError,
        request_tests::{self, NewTest},
    },
};
use trigrun_testkit::{TestDb, jobs::every_seconds};

#[tokio::test]
async fn a_workspace_keeps_its_newest_tests() {
    let db = TestDb::new().await;
    let (one, other) = (db.workspace("one").await, db.workspace("other").await);
    let (mut conn, now) = (db.conn().await, db.now().await);
    let request = every_seconds(60, "http://192.0.2.1/").request;
    let mut insert = async |workspace: WorkspaceId, seconds: u16| {
        let created_at = now + TimeDelta::seconds(seconds.into());
        let test = NewTest { id: TestId::at(created_at), job: None, created_at, depth: 0, request: &request };
        request_tests::insert(&mut conn, workspace, &test).await.unwrap();
        test.id
    };
    let others = insert(other, 0).await;
    let mut tests = Vec::new();
    for seconds in 0..MAX_KEPT + 5 {
        tests.push(insert(one, seconds).await);
    }
    let mut conn = db.conn().await;
    let (deleted, kept) = tests.split_at(5);
    for id in deleted {
        let found = request_tests::get(&mut conn, one, *id).await;
        assert!(matches!(found, Err(StoreError::NotFound)));
    }
    for id in kept {
        request_tests::get(&mut conn, one, *id).await.unwrap();
    }
    request_tests::get(&mut conn, other, others).await.unwrap();
}
