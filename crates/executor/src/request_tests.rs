//! Makes the requests of tests: each once, with a capacity of their own, so that they never delay executions.

use backon::{ConstantBuilder, Retryable};
use chrono::{DateTime, Utc};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    domain::{
        attempt::{AttemptStatus, Disposition, EndedAttempt, Outcome},
        id::TestId,
        request_test::time_limit,
    },
    runtime::tasks::{every, spawn},
    store::{
        Db, StoreError,
        request_tests::{self, ClaimedTest, QueuedTest},
    },
};

use crate::{
    accounts::Accounts,
    attempt::AttemptRunner,
    owner::{Owner, Share, Shares},
    secrets::SecretResolver,
};

/// How often Postgres is polled. A user looks at the result.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How many workspaces one look finds. The end of a test, and the next look, find the next.
const MAX_WORKSPACES: i64 = 256;
/// How many tests this process makes at the same time, and how much of what is free one account may occupy.
pub const MAX_TESTS: usize = 32;
pub const TESTS_PERCENT: usize = 12;
const RECORD_RETRY_INTERVAL: Duration = Duration::from_millis(500);
const MAX_RECORD_RETRIES: usize = 15;

pub struct RequestTester {
    pub db: Db,
    pub accounts: Accounts,
    pub capacity: Shares,
    /// Bytes of requests and responses in flight, shared with executions.
    pub memory: Shares,
    pub secrets: Arc<SecretResolver>,
    pub runner: Arc<AttemptRunner>,
    pub runs: TaskTracker,
    /// Raised when a test has ended.
    pub ended: Notify,
}

impl RequestTester {
    /// Starts tests until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        every("test", stop, POLL_INTERVAL, || self.ended.notified(), || self.clone().start_queued()).await;
    }

    /// Claims one test of each workspace, as far as there is capacity for its account, and starts them.
    async fn start_queued(self: Arc<Self>) -> Result<(), StoreError> {
        if self.runner.hold.is_active() {
            return Ok(());
        }
        let queued = request_tests::queued(&mut *self.db.conn().await?, MAX_WORKSPACES).await?;
        if queued.is_empty() {
            return Ok(());
        }
        let workspaces: Vec<_> = queued.iter().map(|test| test.workspace()).collect();
        let accounts = self.accounts.of(&self.db, &workspaces).await;
        let take = |test: &QueuedTest| {
            let account = *accounts.get(&test.workspace())?;
            let owner = Owner::new(account, test.workspace(), test.id().uuid());
            Some((test.id(), self.capacity.try_take(owner, 1)?))
        };
        let mut shares: HashMap<TestId, Share> = queued.iter().filter_map(take).collect();
        if shares.is_empty() {
            return Ok(());
        }
        let ids: Vec<TestId> = shares.keys().copied().collect();
        for test in request_tests::claim(&mut *self.db.conn().await?, &ids).await? {
            if let Some(share) = shares.remove(&test.id) {
                spawn("request_test", self.runs.track_future(Box::pin(self.clone().make(test, share))));
            }
        }
        Ok(())
    }

    async fn make(self: Arc<Self>, test: ClaimedTest, share: Share) {
        let ClaimedTest { id, claimed_at, lease } = test;
        // It does not wait for memory: its client does not wait for long, either.
        let Some(mut memory) = self.memory.try_take(share.owner(), lease.bytes()) else {
            return self.write(id, claimed_at, None).await;
        };
        let resolved = async { self.secrets.resolve(&mut *self.db.conn().await?, &[&lease]).await };
        let attempt = match resolved.await {
            Ok(mut secrets) => {
                let Some(secrets) = secrets.pop() else { return };
                let limit = time_limit(lease.request.timeout_seconds).to_std().unwrap_or_default();
                let making = tokio::time::timeout(limit, self.runner.run(lease, secrets, &mut memory));
                // Otherwise the test stays claimed, because its request may have been sent.
                let ended = self.runner.session.expired.run_until_cancelled(making).await;
                let Some(Ok(ended)) = ended else { return };
                ended.map(|ended| ended.attempt)
            }
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, test = %id, "cannot read what the request of a test needs");
                Some(self.unprepared())
            }
        };
        self.write(id, claimed_at, attempt).await;
        drop((memory, share));
        self.ended.notify_one();
    }

    async fn write(&self, id: TestId, claimed_at: DateTime<Utc>, attempt: Option<EndedAttempt>) {
        let written = || async {
            let mut conn = self.db.conn().await?;
            match &attempt {
                Some(attempt) => request_tests::record(&mut conn, id, claimed_at, attempt).await,
                // Nothing was sent: the process stops, or has no memory or connection left.
                None => request_tests::release(&mut conn, id, claimed_at).await.map(|()| true),
            }
        };
        let retries = ConstantBuilder::default()
            .with_delay(RECORD_RETRY_INTERVAL)
            .with_max_times(MAX_RECORD_RETRIES)
            .with_jitter();
        match written.retry(retries).await {
            Ok(true) => {}
            Ok(false) => tracing::debug!(test = %id, "result discarded: the workspace was deleted"),
            Err::<_, StoreError>(error) => tracing::warn!(%error, test = %id, "cannot record a test"),
        }
    }

    fn unprepared(&self) -> EndedAttempt {
        let outcome = Outcome::failed(
            AttemptStatus::Blocked,
            "internal",
            "TrigRun could not prepare this request; nothing was sent. Try again, or contact your administrator.",
        );
        let now = self.runner.clock.now();
        let disposition = Disposition::failed(&outcome);
        EndedAttempt { outcome, disposition, started_at: now, ended_at: now }
    }
}
