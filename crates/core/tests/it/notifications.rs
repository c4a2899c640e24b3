//! Notifications: written once, in the commit that ends an execution, and delivered by the executor that claims them first.

use chrono::TimeDelta;
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Disposition, EndedAttempt, Outcome},
        audit::Author,
        channel::Destination,
        hold::Missed,
        id::{ChannelId, ExecutionId, ExecutorId, RuleId},
        job::Definition,
        notification::{
            MAX_ATTEMPTS, MAX_RULES, Notification, NotificationEvent, NotificationStatus, Rule, RuleEvent,
        },
        page::Page,
    },
    store::{
        StoreError,
        channels::{self, NewChannel},
        executors, holds, jobs,
        leases::{self, Ended},
        notifications::{self, ClaimedNotification, Delivered, Filter},
        rules::{self, NewRule},
        workspace_keys, workspaces,
    },
};
use trigrun_testkit::{
    jobs::{OPERATOR, by_operator, every_seconds},
    keys as master,
};

use crate::leases::Bench;

async fn bench() -> (Bench, ExecutorId) {
    let bench = Bench::new(&every_seconds(60, "http://192.0.2.1/")).await;
    let session = bench.session().await;
    (bench, session)
}

impl Bench {
    pub async fn channel(&self, name: &str) -> ChannelId {
        let (mut conn, now) = (self.db.conn().await, self.db.now().await);
        let key = workspace_keys::data_key(&mut conn, self.workspace, &master::keys()).await.unwrap();
        let destination = Destination::Webhook { url: "http://192.0.2.1/hook".into() };
        let new = NewChannel {
            id: ChannelId::at(now),
            name,
            destination: &destination,
            key: &key,
            by: &Author::operator(now),
        };
        channels::insert(&mut conn, self.workspace, new, None).await.unwrap().id
    }

    async fn try_rule(
        &self,
        channel: ChannelId,
        event: RuleEvent,
        after: Option<u16>,
    ) -> Result<RuleId, StoreError> {
        let now = self.db.now().await;
        let new = NewRule { id: RuleId::at(now), channel, rule: Rule { event, after_failures: after }, now };
        rules::insert(&mut *self.db.conn().await, self.workspace, self.job, &new).await.map(|()| new.id)
    }

    async fn rule(&self, channel: ChannelId, event: RuleEvent, after: Option<u16>) -> RuleId {
        self.try_rule(channel, event, after).await.unwrap()
    }

    /// Ends an execution in its own batch.
    async fn ends(&self, session: ExecutorId, succeeded: bool) -> ExecutionId {
        let id = self.run_now().await;
        let lease = self.lease(session, &[id]).await.remove(0);
        let (status, next) = match succeeded {
            true => (AttemptStatus::Success, Disposition::Succeeded),
            false => (AttemptStatus::HttpError, Disposition::Failed { error_class: "http_500".into() }),
        };
        assert_eq!(self.end(session, lease, status, next).await, 1);
        id
    }

    /// Oldest first.
    async fn notified(&self) -> Vec<Notification> {
        let page = Page { limit: 100, before: None };
        let (mut conn, all) = (self.db.conn().await, Filter::default());
        notifications::list(&mut conn, self.workspace, &all, page)
            .await
            .unwrap()
            .data
            .into_iter()
            .rev()
            .collect()
    }

    async fn claim(&self) -> Vec<ClaimedNotification> {
        notifications::claim_due(&mut *self.db.conn().await, &[(self.workspace, 1)]).await.unwrap()
    }

    async fn deliver(
        &self,
        delivery: &ClaimedNotification,
        status: AttemptStatus,
        disposition: Disposition,
    ) -> bool {
        let now = self.db.now().await;
        let outcome = Outcome { status_code: Some(200), ..Outcome::of(status) };
        let ClaimedNotification { id, number, .. } = *delivery;
        let attempt = EndedAttempt { outcome, disposition, started_at: now, ended_at: now };
        let delivered = Delivered { id, number, attempt };
        notifications::record(&mut *self.db.conn().await, &delivered).await.unwrap()
    }
}

#[tokio::test]
async fn each_rule_notifies_of_each_execution_once() {
    let (bench, session) = bench().await;
    let channel = bench.channel("a").await;
    let every = bench.rule(channel, RuleEvent::OnFailure, None).await;
    let second = bench.rule(channel, RuleEvent::OnFailure, Some(2)).await;
    let recovery = bench.rule(channel, RuleEvent::OnRecovery, None).await;
    let mut ended = Vec::new();
    for succeeded in [true, false, false, true, true] {
        ended.push(bench.ends(session, succeeded).await);
    }
    let written: Vec<_> = bench
        .notified()
        .await
        .into_iter()
        .map(|written| (written.rule.unwrap(), written.execution.unwrap(), written.event))
        .collect();
    let mut expected = vec![
        (every, ended[1], NotificationEvent::Failed),
        (every, ended[2], NotificationEvent::Failed),
        (second, ended[2], NotificationEvent::Failed),
        (recovery, ended[3], NotificationEvent::Recovered),
    ];
    expected.sort_by_key(|(rule, execution, _)| (*execution, *rule));
    let mut sorted = written.clone();
    sorted.sort_by_key(|(rule, execution, _)| (*execution, *rule));
    assert_eq!(sorted, expected);
    assert_eq!(bench.db.count("select sum(failures) from notification_rules").await, 0);
}

#[tokio::test]
async fn failures_are_counted_within_a_batch_and_concurrently() {
    let (bench, session) = bench().await;
    let channel = bench.channel("a").await;
    bench.rule(channel, RuleEvent::OnFailure, Some(12)).await;
    let mut batches = Vec::new();
    for _ in 0..4 {
        let ids = [bench.run_now().await, bench.run_now().await, bench.run_now().await];
        let now = bench.db.now().await;
        let failed = |lease| Ended {
            lease,
            attempt: EndedAttempt {
                outcome: Outcome::of(AttemptStatus::HttpError),
                disposition: Disposition::Failed { error_class: "http_500".into() },
                started_at: now,
                ended_at: now,
            },
            lateness_us: None,
        };
        batches.push(bench.lease(session, &ids).await.into_iter().map(failed).collect::<Vec<_>>());
    }
    let record = |batch: Vec<Ended>| {
        let bench = &bench;
        async move { leases::record(&mut *bench.db.conn().await, session, &batch).await.unwrap().len() }
    };
    let recorded = futures_util::future::join_all(batches.into_iter().map(record)).await;
    assert_eq!(recorded, [3, 3, 3, 3]);
    assert_eq!(bench.db.count("select failures::bigint from notification_rules").await, 12);
    assert_eq!(bench.notified().await.len(), 1, "only the twelfth");
}

#[tokio::test]
async fn a_rule_created_during_an_outage_counts_its_failures() {
    let (bench, session) = bench().await;
    for succeeded in [false, true, false, false] {
        bench.ends(session, succeeded).await;
    }
    let channel = bench.channel("a").await;
    bench.rule(channel, RuleEvent::OnRecovery, Some(2)).await;
    bench.rule(channel, RuleEvent::OnRecovery, Some(3)).await;
    let recovered = bench.ends(session, true).await;
    let written = bench.notified().await;
    assert_eq!(written.iter().map(|written| written.execution.unwrap()).collect::<Vec<_>>(), [recovered]);
}

#[tokio::test]
async fn an_execution_that_ends_by_losing_its_executor_is_notified() {
    let (bench, _) = bench().await;
    let channel = bench.channel("a").await;
    bench.rule(channel, RuleEvent::OnFailure, None).await;
    let id = bench.run_now().await;
    for _ in 0..3 {
        let session = bench.session().await;
        assert_eq!(bench.lease(session, &[id]).await.len(), 1);
        let mut conn = bench.db.conn().await;
        executors::end(&mut conn, session).await.unwrap();
        leases::reclaim(&mut conn, 10).await.unwrap();
    }
    let written = bench.notified().await;
    assert_eq!((written.len(), written[0].execution), (1, Some(id)));
}

#[tokio::test]
async fn delivery_is_retried_and_fenced() {
    let (bench, session) = bench().await;
    let channel = bench.channel("a").await;
    bench.rule(channel, RuleEvent::OnFailure, None).await;
    let execution = bench.ends(session, false).await;
    let first = bench.claim().await.remove(0);
    let subject = first.subject.as_ref().unwrap();
    assert_eq!(
        (first.number, first.event, subject.execution, subject.failures),
        (1, NotificationEvent::Failed, execution, 1)
    );
    let key = workspace_keys::data_key(&mut *bench.db.conn().await, bench.workspace, &master::keys())
        .await
        .unwrap();
    assert!(
        first.destination.open(&key).unwrap() == Destination::Webhook { url: "http://192.0.2.1/hook".into() }
    );
    assert!(bench.claim().await.is_empty(), "it is claimed");
    let again = Disposition::Retry { due_at: bench.db.now().await + TimeDelta::seconds(60) };
    assert!(bench.deliver(&first, AttemptStatus::Timeout, again.clone()).await);
    assert!(bench.claim().await.is_empty(), "it is not due");
    let written = bench.notified().await;
    assert!(written[0].next_attempt_at.unwrap() > bench.db.now().await + TimeDelta::seconds(50));
    assert!(
        !bench.deliver(&first, AttemptStatus::Success, Disposition::Succeeded).await,
        "it was recorded before"
    );

    // The executor is lost.
    bench.db.execute("update notifications set due_at = now()").await;
    let lost = bench.claim().await.remove(0);
    bench.db.execute("update notifications set due_at = now()").await;
    let successor = bench.claim().await.remove(0);
    assert_eq!((lost.number, successor.number), (2, 3));
    assert!(
        !bench.deliver(&lost, AttemptStatus::Success, Disposition::Succeeded).await,
        "the claim has expired"
    );
    assert!(bench.deliver(&successor, AttemptStatus::Success, Disposition::Succeeded).await);
    let written = bench.notified().await.remove(0);
    assert_eq!((written.status, written.next_attempt_at), (NotificationStatus::Succeeded, None));
    let attempts: Vec<_> = written.attempts.iter().map(|attempt| (attempt.number, attempt.status)).collect();
    let expected =
        [(1, AttemptStatus::Timeout), (2, AttemptStatus::Interrupted), (3, AttemptStatus::Success)];
    assert_eq!(attempts, expected);
}

#[tokio::test]
async fn none_is_claimed_while_there_is_a_hold() {
    let (bench, _) = bench().await;
    let channel = bench.channel("a").await;
    let now = bench.db.now().await;
    let mut conn = bench.db.conn().await;
    notifications::insert_test(&mut conn, bench.workspace, channel, now).await.unwrap();
    assert!(holds::begin(&mut conn, &by_operator("an incident")).await.unwrap());
    assert!(bench.claim().await.is_empty());
    assert_eq!(bench.db.count("select count(*) from notifications where status = 'queued'").await, 1);
    holds::release(&mut conn, Missed::Run, &by_operator("it is over")).await.unwrap();
    assert_eq!(bench.claim().await.len(), 1);
}

#[tokio::test]
async fn a_release_leaves_no_trace() {
    let (bench, _) = bench().await;
    let channel = bench.channel("a").await;
    let now = bench.db.now().await;
    notifications::insert_test(&mut *bench.db.conn().await, bench.workspace, channel, now).await.unwrap();
    let claimed = bench.claim().await.remove(0);
    for number in [claimed.number + 1, claimed.number, claimed.number] {
        notifications::release(&mut *bench.db.conn().await, claimed.id, number).await.unwrap();
    }
    let written = bench.notified().await.remove(0);
    assert_eq!((written.status, written.attempts.len()), (NotificationStatus::Queued, 0));
    assert!(bench.claim().await.is_empty(), "it is due again in a few seconds");
    bench.db.execute("update notifications set due_at = now()").await;
    assert_eq!(bench.claim().await.remove(0).number, 1);
}

#[tokio::test]
async fn an_execution_that_runs_while_a_rule_is_created_counts() {
    let (bench, session) = bench().await;
    let channel = bench.channel("a").await;
    for _ in 0..2 {
        bench.ends(session, false).await;
    }
    let running = bench.run_now().await;
    let lease = bench.lease(session, &[running]).await.remove(0);
    bench.rule(channel, RuleEvent::OnFailure, Some(1)).await;
    bench.end(session, lease, AttemptStatus::Success, Disposition::Succeeded).await;
    let failed = bench.ends(session, false).await;
    let written = bench.notified().await;
    assert_eq!(
        written.iter().map(|written| written.execution.unwrap()).collect::<Vec<_>>(),
        [failed],
        "the first in a row"
    );
}

#[tokio::test]
async fn a_job_can_be_deleted_while_its_executions_end() {
    let (bench, session) = bench().await;
    for at in 0..8 {
        let channel = bench.channel(&at.to_string()).await;
        bench.rule(channel, RuleEvent::OnCompletion, None).await;
    }
    let mut leases = Vec::new();
    for _ in 0..8 {
        let id = bench.run_now().await;
        // Each is recorded as the last one, so that the row of the job is locked too.
        bench.db.execute("update runs set ends_job = true").await;
        bench.db.execute("delete from job_timers").await;
        leases.extend(bench.lease(session, &[id]).await);
    }
    let ends = leases
        .into_iter()
        .map(|lease| bench.end(session, lease, AttemptStatus::Success, Disposition::Succeeded));
    let delete = async {
        let mut conn = bench.db.conn().await;
        jobs::delete(&mut conn, bench.workspace, bench.job, None, &OPERATOR).await.unwrap();
    };
    futures_util::future::join(futures_util::future::join_all(ends), delete).await;
    assert_eq!(bench.db.count("select count(*) from notifications where finished_at is null").await, 0);
}

#[tokio::test]
async fn a_notification_that_loses_its_executors_ends() {
    let (bench, _) = bench().await;
    let channel = bench.channel("a").await;
    let now = bench.db.now().await;
    let id =
        notifications::insert_test(&mut *bench.db.conn().await, bench.workspace, channel, now).await.unwrap();
    for number in 1..=MAX_ATTEMPTS {
        assert_eq!(bench.claim().await.remove(0).number, number);
        bench.db.execute("update notifications set due_at = now()").await;
    }
    assert!(bench.claim().await.is_empty());
    let written = notifications::get(&mut *bench.db.conn().await, bench.workspace, id).await.unwrap();
    assert_eq!((written.status, written.error_class.as_deref()), (NotificationStatus::Failed, Some("lost")));
    assert_eq!(written.attempts.len(), usize::from(MAX_ATTEMPTS));
}

#[tokio::test]
async fn each_notification_is_claimed_once() {
    let (bench, session) = bench().await;
    let channel = bench.channel("a").await;
    bench.rule(channel, RuleEvent::OnCompletion, None).await;
    for _ in 0..20 {
        bench.ends(session, true).await;
    }
    let claim = || async {
        let mut ids = Vec::new();
        while let Some(delivery) = bench.claim().await.pop() {
            ids.push(delivery.id);
        }
        ids
    };
    let mut claimed = futures_util::future::join_all((0..4).map(|_| claim())).await.concat();
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 20);
    assert_eq!(bench.db.count("select count(*) from notifications where attempt_count = 1").await, 20);
}

#[tokio::test]
async fn limits_hold_under_concurrency() {
    let (bench, _) = bench().await;
    let channel = bench.channel("a").await;
    bench.rule(channel, RuleEvent::OnFailure, None).await;
    let twice = bench.try_rule(channel, RuleEvent::OnFailure, None).await.unwrap_err();
    assert!(twice.is_conflict("notification_rules_once"), "{twice}");
    let make = |after| bench.try_rule(channel, RuleEvent::OnFailure, Some(after));
    let created = futures_util::future::join_all((1..=30).map(make)).await;
    assert_eq!(created.iter().filter(|created| created.is_ok()).count() as i64, MAX_RULES - 1);
    assert!(
        created.iter().all(|created| created.as_ref().err().is_none_or(|error| error.is_conflict("full")))
    );
}

#[tokio::test]
async fn a_deleted_channel_or_job_is_not_notified() {
    let (bench, session) = bench().await;
    let (kept, deleted) = (bench.channel("kept").await, bench.channel("deleted").await);
    for channel in [kept, deleted] {
        bench.rule(channel, RuleEvent::OnCompletion, None).await;
    }
    bench.ends(session, true).await;
    let mut conn = bench.db.conn().await;
    assert_eq!(channels::jobs_using(&mut conn, bench.workspace, deleted).await.unwrap(), [bench.job]);
    let by = Author::operator(bench.db.now().await);
    let refused = channels::delete(&mut conn, bench.workspace, deleted, false, &by).await.unwrap_err();
    assert!(refused.is_conflict("in_use"), "{refused}");
    channels::delete(&mut conn, bench.workspace, deleted, true, &by).await.unwrap();
    assert_eq!(bench.notified().await.len(), 1);
    assert_eq!(rules::list(&mut conn, bench.workspace, bench.job).await.unwrap().len(), 1);
    // The delivered notification stays in the log until the job's history is purged.
    let delivery = bench.claim().await.remove(0);
    assert!(bench.deliver(&delivery, AttemptStatus::Success, Disposition::Succeeded).await);
    bench.ends(session, true).await;
    jobs::delete(&mut conn, bench.workspace, bench.job, None, &OPERATOR).await.unwrap();
    assert_eq!(bench.notified().await.len(), 1, "the undelivered ones are deleted");
    while !jobs::purge_deleted(&mut conn, 100).await.unwrap() {}
    assert_eq!(bench.notified().await.len(), 0);
    assert_eq!(bench.db.count("select count(*) from notification_attempts").await, 0);
}

#[tokio::test]
async fn notifications_are_purged_with_their_workspace() {
    let (bench, _) = bench().await;
    let channel = bench.channel("a").await;
    let (mut conn, now) = (bench.db.conn().await, bench.db.now().await);
    for _ in 0..3 {
        notifications::insert_test(&mut conn, bench.workspace, channel, now).await.unwrap();
    }
    let delivery = bench.claim().await.remove(0);
    assert!(bench.deliver(&delivery, AttemptStatus::Success, Disposition::Succeeded).await);
    workspaces::delete(&mut conn, bench.workspace, now).await.unwrap();
    assert!(bench.claim().await.is_empty());
    while !workspaces::purge_deleted(&mut conn, 1).await.unwrap() {}
    assert_eq!(bench.db.count("select count(*) from notifications").await, 0);
    assert_eq!(bench.db.count("select count(*) from workspaces").await, 0);
}

#[tokio::test]
async fn old_notifications_are_purged_in_batches() {
    let (bench, _) = bench().await;
    let channel = bench.channel("a").await;
    let (mut conn, now) = (bench.db.conn().await, bench.db.now().await);
    for age in [0, 10, 20, 30] {
        let created = now - TimeDelta::days(age);
        notifications::insert_test(&mut conn, bench.workspace, channel, created).await.unwrap();
    }
    let oldest = now - TimeDelta::days(15);
    assert_eq!(notifications::purge_old(&mut conn, oldest, 1).await.unwrap(), 1);
    assert_eq!(notifications::purge_old(&mut conn, oldest, 10).await.unwrap(), 1);
    assert_eq!(notifications::purge_old(&mut conn, oldest, 10).await.unwrap(), 0);
    assert_eq!(bench.notified().await.len(), 2);
}

/// Its receivers need not be members of the workspace.
#[tokio::test]
async fn a_claim_has_no_credentials_of_urls_in_its_names() {
    let definition = Definition {
        name: "GET https://ada:KEY@b.example/a?token=KEY daily".into(),
        ..every_seconds(60, "http://192.0.2.1/")
    };
    let bench = Bench::new(&definition).await;
    let session = bench.session().await;
    let channel = bench.channel("https://c.example/hook#KEY").await;
    bench.rule(channel, RuleEvent::OnFailure, None).await;
    bench.ends(session, false).await;
    let claimed = bench.claim().await.remove(0);
    assert_eq!(claimed.channel_name, "https://c.example/hook#••••");
    assert_eq!(claimed.subject.unwrap().job_name, "GET https://••••@b.example/a?•••• daily");
}
