//! Takes in executions that wait for capacity in Postgres, workspace by workspace, as far as the share of each job allows.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Notify, task::JoinHandle};
use trigrun_core::{
    domain::id::JobId,
    runtime::tasks,
    store::{
        StoreError,
        leases::{self, JobCapacity, WaitingJob},
    },
};

use super::{Intake, LEASE_BATCH};
use crate::{owner::Owner, spans};

/// How many jobs one look finds; the next look continues after them.
const MAX_JOBS: i64 = 500;
/// How many jobs of a workspace one statement leases from. One per job would cost a transaction for each few executions.
const JOBS_BATCH: usize = 64;
/// How often a process looks that knows of no waiting job: another one may have released some.
const IDLE_INTERVAL: Duration = Duration::from_millis(500);
/// How often it looks for jobs while it knows of some.
const BUSY_INTERVAL: Duration = Duration::from_millis(200);
/// Of a URL, headers and a body that comes with the lease.
const MAX_DEFINITION_BYTES: usize = 32 * 1024;
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
        let mut with_slots: HashMap<JobId, JoinHandle<()>> = HashMap::new();
        while self.stop.run_until_cancelled(self.runner.hold.released()).await.is_some() {
            if self.waiting_jobs.take_expected() || found_at.is_none_or(|at| at.elapsed() >= BUSY_INTERVAL) {
                found_at = Some(Instant::now());
                match self.find_waiting(jobs.last()).await {
                    Ok(found) => jobs = found,
                    Err(error) => {
                        tracing::debug!(%error, "cannot look for executions that wait for capacity")
                    }
                }
            }
            with_slots.retain(|_, leasing| !leasing.is_finished());
            for of_workspace in jobs.chunk_by(|job, next| job.workspace == next.workspace) {
                for jobs in of_workspace.chunks(JOBS_BATCH) {
                    if let Err(error) = self.take_waiting_of(jobs, &mut with_slots).await {
                        tracing::debug!(%error, "cannot lease what waits for capacity");
                    }
                }
            }
            self.pause(jobs.is_empty()).await;
        }
    }

    async fn find_waiting(&self, after: Option<&WaitingJob>) -> Result<Vec<WaitingJob>, StoreError> {
        leases::waiting_jobs(&mut *self.db.conn().await?, after, MAX_JOBS).await
    }

    /// Leases and starts executions of these jobs of a workspace. Those that need a slot are leased by a task of their job, in `with_slots`.
    async fn take_waiting_of(
        self: &Arc<Self>,
        jobs: &[WaitingJob],
        with_slots: &mut HashMap<JobId, JoinHandle<()>>,
    ) -> Result<(), StoreError> {
        let Some(WaitingJob { workspace, .. }) = jobs.first().copied() else { return Ok(()) };
        let without_task = jobs.iter().filter(|job| !with_slots.contains_key(&job.job));
        let mut jobs: Vec<JobCapacity> = without_task.filter_map(|job| self.capacity_for(job)).collect();
        // A job that runs nothing may have all that its workspace may have.
        let limit = jobs.iter().map(|job| job.limit).max().unwrap_or(0);
        if limit == 0 || self.stop.is_cancelled() {
            return Ok(());
        }
        let (started, mut conn) = (Instant::now(), self.db.conn().await?);
        let leases = leases::lease_waiting(&mut conn, workspace, self.session.id, &jobs, limit).await?;
        if leases.len() < limit {
            let leased: HashSet<JobId> = leases.iter().map(|lease| lease.job).collect();
            jobs.retain(|job| !leased.contains(&job.job));
            for (job, limited) in leases::waiting_limited(&mut conn, workspace, &jobs).await? {
                let leasing = self.clone().take_limited_of(limited, Vec::new());
                let leasing = tasks::spawn("lease_limited", self.runs.track_future(leasing));
                with_slots.insert(job, leasing);
            }
        }
        drop(conn);
        spans::leased(&leases, false, &self.runner.clock, started);
        self.start_all(leases).await;
        Ok(())
    }

    /// `None` if the job has its share of this process.
    fn capacity_for(&self, job: &WaitingJob) -> Option<JobCapacity> {
        let owner = Owner::new(job.account, job.workspace, job.job.uuid());
        // Without bytes left, they would be released again.
        let by_memory = self.memory.available(&owner) / MAX_DEFINITION_BYTES;
        let limit = self.permits.available(&owner).min(by_memory).min(LEASE_BATCH);
        (limit > 0).then_some(JobCapacity { job: job.job, limit })
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
