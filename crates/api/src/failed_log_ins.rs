//! Records failed log-ins in the audit log, one after another and apart from their responses. Attackers decide how many there are, so few
//! wait: of a flood, some are dropped and counted.

use tokio::sync::mpsc;
use trigrun_core::{
    domain::audit::Author,
    runtime::tasks,
    store::{Db, StoreError, users},
    telemetry::metrics,
};

/// What waits to be written. Log-ins cannot fail faster than passwords are hashed, so the queue fills only while Postgres is slower than
/// that.
const MAX_WAITING: usize = 64;

/// Cheap to clone. The last clone ends the task that writes.
#[derive(Clone)]
pub struct FailedLogIns(mpsc::Sender<Author>);

impl FailedLogIns {
    /// Must be called within a runtime. The writer uses one connection at a time.
    pub fn start(db: Db) -> Self {
        let (sender, waiting) = mpsc::channel(MAX_WAITING);
        tasks::spawn("failed_log_ins", write_each(db, waiting));
        Self(sender)
    }

    /// Never waits: the response takes as long as for an address without a user.
    pub fn record(&self, by: Author) {
        if self.0.try_send(by).is_err() {
            metrics::failed_log_in_dropped();
        }
    }
}

async fn write_each(db: Db, mut waiting: mpsc::Receiver<Author>) {
    while let Some(by) = waiting.recv().await {
        let written = async { users::log_in_failed(&mut *db.conn().await?, &by).await };
        if let Err::<_, StoreError>(error) = written.await {
            metrics::failed_log_in_dropped();
            tracing::warn!(%error, "cannot record a failed log-in");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trigrun_core::domain::{audit::Actor, id::UserId};

    #[tokio::test]
    async fn few_wait_and_the_rest_is_dropped() {
        let (sender, mut waiting) = mpsc::channel(MAX_WAITING);
        let failed = FailedLogIns(sender);
        let now = chrono::DateTime::UNIX_EPOCH;
        for _ in 0..MAX_WAITING + 100 {
            let ada = Actor::User { id: UserId::at(now), email: "ada@example.com".into() };
            failed.record(Author { actor: ada, ..Author::operator(now) });
        }
        drop(failed);
        let mut kept = 0;
        while waiting.recv().await.is_some() {
            kept += 1;
        }
        assert_eq!(kept, MAX_WAITING);
    }
}
