//! While an operator holds the installation, or has suspended a workspace, nothing is leased or claimed.

use trigrun_core::{
    domain::{hold::Missed, id::TestId},
    store::{
        Conn, StoreError, holds, leases, notifications,
        request_tests::{self, NewTest},
        tenants,
    },
};
use trigrun_testkit::jobs::{by_operator, every_seconds};

use crate::leases::Bench;

const URL: &str = "http://192.0.2.1/";

impl Bench {
    async fn hold(&self) {
        assert!(holds::begin(&mut *self.db.conn().await, &by_operator("a restored backup")).await.unwrap());
    }

    async fn release_hold(&self, missed: Missed) -> Result<(), StoreError> {
        holds::release(&mut *self.db.conn().await, missed, &by_operator("checked")).await
    }
}

#[tokio::test]
async fn there_is_at_most_one_and_released_ones_are_kept() {
    let bench = Bench::new(&every_seconds(60, URL)).await;
    let mut conn = bench.db.conn().await;
    assert_eq!(holds::active(&mut conn).await.unwrap(), None);
    assert!(matches!(bench.release_hold(Missed::Run).await, Err(StoreError::NotFound)));
    for missed in [Missed::Run, Missed::Skip] {
        bench.hold().await;
        let hold = holds::active(&mut conn).await.unwrap().unwrap();
        assert!(!holds::begin(&mut conn, &by_operator("another")).await.unwrap());
        assert_eq!(holds::active(&mut conn).await.unwrap().unwrap(), hold);
        assert_eq!(hold.reason, "a restored backup");
        bench.release_hold(missed).await.unwrap();
        assert_eq!(holds::active(&mut conn).await.unwrap(), None);
    }
    assert_eq!(bench.db.lines("select missed from holds order by created_at").await, ["run", "skip"]);
}

#[tokio::test]
async fn nothing_is_leased_or_claimed() {
    let bench = Bench::new(&every_seconds(60, URL)).await;
    let (session, id) = (bench.session().await, bench.run_now().await);
    let mut definition = every_seconds(60, URL);
    definition.concurrency_limit = Some(1);
    let job = bench.db.job(bench.workspace, &definition).await;
    let limited = Bench { job, ..bench };
    let with_slot = limited.run_now().await;
    let now = limited.db.now().await;
    let request = every_seconds(60, URL).request;
    let test = NewTest { id: TestId::at(now), job: None, created_at: now, depth: 0, request: &request };
    let mut conn = limited.db.conn().await;
    request_tests::insert(&mut conn, limited.workspace, &test).await.unwrap();
    limited.hold().await;
    assert!(limited.lease(session, &[id, with_slot]).await.is_empty());
    assert!(request_tests::claim(&mut conn, &[test.id]).await.unwrap().is_empty());
    let slots = "select count(*) from job_slots";
    assert_eq!(limited.db.count(slots).await, 0, "no slot is taken");
    assert_eq!(leases::owned(&mut conn, session).await.unwrap().running.len(), 0);
    limited.release_hold(Missed::Run).await.unwrap();
    assert_eq!(limited.lease(session, &[id, with_slot]).await.len(), 2);
    assert_eq!(request_tests::claim(&mut conn, &[test.id]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_of_a_suspended_workspace_is_leased_or_claimed() {
    let bench = Bench::new(&every_seconds(60, URL)).await;
    let (session, id) = (bench.session().await, bench.run_now().await);
    let mut definition = every_seconds(60, URL);
    definition.concurrency_limit = Some(1);
    let (workspace, job) = (bench.workspace, bench.db.job(bench.workspace, &definition).await);
    let limited = Bench { job, ..bench };
    let with_slot = limited.run_now().await;
    let now = limited.db.now().await;
    let request = every_seconds(60, URL).request;
    let test = NewTest { id: TestId::at(now), job: None, created_at: now, depth: 0, request: &request };
    let mut conn = limited.db.conn().await;
    request_tests::insert(&mut conn, workspace, &test).await.unwrap();
    let channel = limited.channel("hook").await;
    notifications::insert_test(&mut conn, workspace, channel, now).await.unwrap();

    tenants::suspend(&mut conn, workspace, &by_operator("unpaid")).await.unwrap();
    assert!(limited.lease(session, &[id, with_slot]).await.is_empty());
    assert!(leases::limited(&mut conn, session, &[with_slot]).await.unwrap().is_empty());
    assert!(request_tests::queued(&mut conn, 9).await.unwrap().is_empty());
    assert!(request_tests::claim(&mut conn, &[test.id]).await.unwrap().is_empty());
    let open = notifications::open_workspaces(&mut conn, None, 9).await.unwrap();
    assert_eq!(open.iter().map(|open| open.is_due).collect::<Vec<_>>(), [false]);
    let claim =
        async |conn: &mut Conn| notifications::claim_due(conn, &[(workspace, 9)]).await.unwrap().len();
    assert_eq!(claim(&mut conn).await, 0);
    assert_eq!(limited.db.count("select count(*) from job_slots").await, 0, "no slot is taken");

    tenants::resume(&mut conn, workspace, &by_operator("paid")).await.unwrap();
    assert_eq!(limited.lease(session, &[id, with_slot]).await.len(), 2);
    assert_eq!(request_tests::claim(&mut conn, &[test.id]).await.unwrap().len(), 1);
    assert_eq!(claim(&mut conn).await, 1);
}

#[tokio::test]
async fn what_waits_is_listed_without_what_an_executor_is_doing() {
    let bench = Bench::new(&every_seconds(60, URL)).await;
    let (session, lost) = (bench.session().await, bench.session().await);
    let ids = [bench.run_now().await, bench.run_now().await, bench.run_now().await, bench.run_now().await];
    bench.lease(session, &ids[..1]).await;
    bench.lease(lost, &ids[1..2]).await;
    let gone = format!(
        "update executors set heartbeat_at = now() - interval '5 minutes' where id = '{}'",
        lost.uuid()
    );
    bench.db.execute(&gone).await;
    let later =
        format!("update runs set due_at = now() + interval '1 minute' where id = '{}'", ids[3].uuid());
    bench.db.execute(&later).await;
    let mut conn = bench.db.conn().await;
    let waiting = holds::waiting(&mut conn, 10).await.unwrap();
    assert_eq!(waiting, [(bench.workspace, ids[1]), (bench.workspace, ids[2])]);
    assert_eq!(holds::waiting(&mut conn, 1).await.unwrap().len(), 1);
}
