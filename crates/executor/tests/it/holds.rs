//! An executor while an operator holds the installation.

use chrono::TimeDelta;
use trigrun_core::{
    domain::{execution::Status, hold::Missed},
    store::holds,
};
use trigrun_testkit::{client::Client, cluster::free_address, due, jobs::by_operator, target::Script};

use crate::bench::{Bench, DEADLINE};

impl Bench {
    async fn hold(&self) {
        assert!(holds::begin(&mut *self.db.conn().await, &by_operator("an incident")).await.unwrap());
    }

    async fn release(&self) {
        let by = by_operator("it is over");
        holds::release(&mut *self.db.conn().await, Missed::Run, &by).await.unwrap();
    }

    /// Until the executor says of itself whether it is held.
    async fn knows(&self, is_held: bool) {
        let probes = Client::new(self.settings.telemetry.probes_address);
        let knows = async || {
            let Ok(response) = probes.get("/readyz").await else { return false };
            response.status == 200 && response.text().contains("held since") == is_held
        };
        due::until("the executor knows the hold", DEADLINE, knows).await.unwrap();
    }
}

#[tokio::test]
async fn a_run_that_was_leased_before_the_hold_is_not_sent() {
    let mut bench = Bench::new().await;
    bench.settings.telemetry.probes_address = free_address().unwrap();
    let executor = bench.executor();
    let job = bench.db.job(bench.workspace, &bench.definition("/hook")).await;
    // On a busy machine, an executor may learn of the hold only after the instant of the run: then it tries again.
    let held = loop {
        let id = bench.run_in(job, TimeDelta::seconds(4)).await;
        bench.publish(id).await;
        let leased = bench.when(id, |execution| execution.status != Status::Queued).await;
        bench.hold().await;
        bench.knows(true).await;
        if bench.db.now().await < leased.scheduled_for {
            break id;
        }
        bench.release().await;
        bench.knows(false).await;
        bench.ended(id).await;
    };
    let sent_before = bench.target.hits().len();
    let released = bench.when(held, |execution| execution.status != Status::Running).await;
    assert_eq!((released.status, released.attempt_count), (Status::Queued, 0));
    assert_eq!(bench.target.hits().len(), sent_before);
    bench.release().await;
    bench.knows(false).await;
    let sent = bench.ended(held).await;
    assert_eq!((sent.status, sent.attempt_count), (Status::Succeeded, 1));
    assert_eq!(bench.target.hits().len(), sent_before + 1);
    executor.stop().await;
}

#[tokio::test]
async fn what_waits_for_the_release_is_sent_once_after_it() {
    let mut bench = Bench::new().await;
    bench.settings.telemetry.probes_address = free_address().unwrap();
    let executor = bench.executor();
    let later = Script::status(503).header("retry-after", "3600");
    bench.target.respond_in_turn("/retried", [later, Script::default()]);
    let mut definition = bench.definition("/retried");
    definition.retry_policy.max_attempts = 2;
    let retried = bench.published(&definition).await;
    bench.when(retried, |execution| execution.status == Status::Retrying).await;
    bench.hold().await;
    bench.knows(true).await;
    // It cannot be due before it is held, however slow the machine is.
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(bench.published(&bench.definition("/hook")).await);
    }
    let job = bench.db.job(bench.workspace, &bench.definition("/hook")).await;
    waiting.push(bench.run_in(job, TimeDelta::seconds(-60)).await);
    let before = bench.db.now().await;
    let have_passed = async || bench.db.now().await > before + TimeDelta::seconds(4);
    due::until("executors would have looked for overdue work", DEADLINE, have_passed).await.unwrap();
    assert_eq!(bench.target.hits().len(), 1, "the first attempt, before the hold");
    bench.release().await;
    bench.knows(false).await;
    for id in &waiting {
        let execution = bench.ended(*id).await;
        assert_eq!((execution.status, execution.attempt_count), (Status::Succeeded, 1));
    }
    assert_eq!(bench.target.hits().len(), 5);
    // The executor still keeps the retry.
    assert_eq!(bench.get(retried).await.status, Status::Retrying);
    let owned = "select count(*) from runs where owner_id is not null and status = 'retrying'";
    assert_eq!(bench.db.count(owned).await, 1);
    executor.stop().await;
}
