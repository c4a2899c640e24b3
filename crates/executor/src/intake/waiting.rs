//! Takes in executions that wait for capacity in Postgres, job by job, as far as each job's share allows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use trigrun_core::store::{
    StoreError,
    leases::{self, WaitingJob},
};

use super::{Intake, LEASE_BATCH};
use crate::{shares::Owner, spans};

/// How many jobs one look finds; the next look continues after them.
const MAX_JOBS: i64 = 500;
/// How often a process looks that knows of no waiting job: another one may have released some.
const IDLE_INTERVAL: Duration = Duration::from_millis(500);
/// How often it looks for jobs while it knows of some.
const BUSY_INTERVAL: Duration = Duration::from_millis(200);
/// The minimum time between two rounds: permits that become free meanwhile are filled together.
const ROUND_INTERVAL: Duration = Duration::from_millis(5);

/// Whether this process has just made an execution wait.
#[derive(Clone, Default)]
pub struct WaitingJobs(Arc<Expected>);

#[derive(Default)]
struct Expected {
    is_expected: AtomicBool,
    changed: Notify,
}

impl WaitingJobs {
    pub fn expect(&self) {
        if !self.0.is_expected.swap(true, Ordering::Relaxed) {
            self.0.changed.notify_one();
        }
    }

    fn take_expected(&self) -> bool {
        self.0.is_expected.swap(false, Ordering::Relaxed)
    }
}

impl Intake {
    /// Leases what waits for capacity whenever there is some, until the process stops.
    pub async fn take_waiting(self: Arc<Self>) {
        let (mut jobs, mut found_at): (Vec<WaitingJob>, Option<Instant>) = (Vec::new(), None);
        while !self.stop.is_cancelled() {
            if self.waiting_jobs.take_expected() || found_at.is_none_or(|at| at.elapsed() >= BUSY_INTERVAL) {
                found_at = Some(Instant::now());
                match self.find_waiting(jobs.last()).await {
                    Ok(found) => jobs = found,
                    Err(error) => {
                        tracing::debug!(%error, "cannot look for executions that wait for capacity")
                    }
                }
            }
            for job in &jobs {
                self.take_waiting_of(job).await;
            }
            self.pause(jobs.is_empty()).await;
        }
    }

    async fn find_waiting(&self, after: Option<&WaitingJob>) -> Result<Vec<WaitingJob>, StoreError> {
        leases::waiting_jobs(&mut *self.db.conn().await?, after, MAX_JOBS).await
    }

    async fn take_waiting_of(self: &Arc<Self>, job: &WaitingJob) {
        let available = self.permits.available(&Owner::new(job.account, job.workspace, job.job.uuid()));
        if available == 0 || self.stop.is_cancelled() {
            return;
        }
        let (started, limit) = (Instant::now(), available.min(LEASE_BATCH) as i64);
        let leased =
            async { leases::lease_waiting(&mut *self.db.conn().await?, self.session.id, job, limit).await };
        match leased.await {
            Ok(leases) => {
                spans::leased(&leases, false, &self.runner.clock, started);
                self.start_all(leases).await;
            }
            Err::<_, StoreError>(error) => tracing::debug!(%error, "cannot lease what waits for capacity"),
        }
    }

    /// Until a permit was freed or a job waits, or for as long as another executor may make some wait unnoticed.
    async fn pause(&self, is_idle: bool) {
        let pause = async {
            if is_idle {
                let _ = tokio::time::timeout(IDLE_INTERVAL, self.waiting_jobs.0.changed.notified()).await;
            } else {
                tokio::time::sleep(ROUND_INTERVAL).await;
                let _ = tokio::time::timeout(BUSY_INTERVAL, self.permits.freed()).await;
            }
        };
        let _ = self.stop.run_until_cancelled(pause).await;
    }
}
