//! Tests of requests: each is sent once, like the request of an execution, and recorded.

use trigrun_core::{
    domain::{
        attempt::AttemptStatus,
        id::{ExecutionId, TestId},
        request::{Headers, Request},
        request_test::{RequestTest, TestStatus},
    },
    store::request_tests::{self, NewTest},
};
use trigrun_testkit::target::Script;

use crate::bench::{Bench, DEADLINE};

async fn start(bench: &Bench, request: &Request) -> TestId {
    let now = bench.db.now().await;
    let new = NewTest { id: TestId::at(now), job: None, created_at: now, depth: 0, request };
    request_tests::insert(&mut *bench.db.conn().await, bench.workspace, &new).await.unwrap();
    new.id
}

async fn ended(bench: &Bench, id: TestId) -> RequestTest {
    let polled = async {
        loop {
            let test = request_tests::get(&mut *bench.db.conn().await, bench.workspace, id).await.unwrap();
            if test.attempt.is_some() {
                return test;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, polled).await.expect("it ends")
}

#[tokio::test]
async fn a_test_is_sent_once_with_secrets_and_without_an_execution() {
    let bench = Bench::new().await;
    bench.secret("key", "a long secret value").await;
    bench.target.respond("/hook", Script::status(503));
    let executor = bench.executor();
    let mut request = bench.definition("/hook").request;
    request.headers = Headers::check(vec![("X-Key".into(), "secret://key".into())]).unwrap();
    let id = start(&bench, &request).await;
    let test = ended(&bench, id).await;
    let attempt = test.attempt.as_ref().unwrap();
    assert_eq!((attempt.status, attempt.status_code), (AttemptStatus::HttpError, Some(503)));
    assert_eq!(test.status(bench.db.now().await).0, TestStatus::Failed);
    executor.stop().await;
    let hits = bench.target.hits();
    assert_eq!(hits.len(), 1, "503 is not retried");
    let execution = ExecutionId::from_uuid(id.uuid()).to_string();
    assert_eq!(hits[0].header("trigrun-execution-id"), Some(&*execution));
    assert_eq!(hits[0].header("x-key"), Some("a long secret value"));
    assert!(hits[0].header("webhook-signature").is_some());
    let rows =
        bench.db.lines("select (select count(*) from runs) + (select count(*) from executions) || ''").await;
    assert_eq!(rows, ["0"]);
}

#[tokio::test]
async fn a_test_is_guarded_like_an_execution() {
    let mut bench = Bench::new().await;
    bench.settings.egress.allow.clear();
    let executor = bench.executor();
    let id = start(&bench, &bench.definition("/hook").request).await;
    let test = ended(&bench, id).await;
    assert_eq!(test.attempt.unwrap().status, AttemptStatus::Blocked);
    assert!(bench.target.hits().is_empty());
    executor.stop().await;
}

#[tokio::test]
async fn a_hanging_test_delays_no_execution_and_no_other_workspace() {
    let mut bench = Bench::new().await;
    bench.settings.executor.drain_seconds = 0;
    bench.target.respond("/slow", Script::status(200).after(2 * DEADLINE));
    let executor = bench.executor();
    let (slow, fast) = (bench.definition("/slow").request, bench.definition("/fast").request);
    for _ in 0..8 {
        start(&bench, &slow).await;
    }
    bench.target.wait_for(1, DEADLINE).await.unwrap();
    bench.ended(bench.published(&bench.definition("/hook")).await).await;
    let other = bench.db.workspace("b").await;
    let now = bench.db.now().await;
    let new = NewTest { id: TestId::at(now), job: None, created_at: now, depth: 0, request: &fast };
    request_tests::insert(&mut *bench.db.conn().await, other, &new).await.unwrap();
    let is_sent = async {
        while !bench.target.hits().iter().any(|hit| hit.path == "/fast") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, is_sent).await.expect("it is sent");
    executor.stop().await;
}
