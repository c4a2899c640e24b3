//! What is kept of the tests of a workspace.

use chrono::TimeDelta;
use trigrun_core::{
    domain::{
        id::{TestId, WorkspaceId},
        request_test::MAX_KEPT,
    },
    store::request_tests::{self, NewTest},
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
    for seconds in 0..MAX_KEPT + 4 {
        tests.push(insert(one, seconds).await);
    }
    // None of them has ended.
    assert_eq!(db.count("select count(*) from request_tests").await, i64::from(MAX_KEPT) + 5);
    db.execute("update request_tests set claimed_at = created_at, status = 'timeout'").await;
    tests.push(insert(one, MAX_KEPT + 4).await);
    let kept = async |workspace: WorkspaceId| {
        let sql = "select id::text from request_tests where workspace_id = '{}' order by created_at";
        db.lines(&sql.replace("{}", &workspace.uuid().to_string())).await
    };
    let texts = |tests: &[TestId]| tests.iter().map(|id| id.uuid().to_string()).collect::<Vec<_>>();
    assert_eq!(kept(one).await, texts(&tests[5..]));
    assert_eq!(kept(other).await, texts(&[others]));
    // Those that no executor has claimed are not kept for longer.
    db.execute("update request_tests set claimed_at = null, status = null, created_at = created_at - interval '20 minutes'").await;
    tests.push(insert(one, MAX_KEPT + 5).await);
    assert_eq!(kept(one).await, texts(&tests[6..]));
    assert_eq!(kept(other).await, texts(&[others]));
}
