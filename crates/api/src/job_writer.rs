//! Writes the jobs of many requests in one transaction.
//!
//! A commit waits for the disk, however little it writes. While it does, the jobs of further requests wait in a queue; the next transaction
//! takes all of them. No timer holds a job back, so a request without neighbours waits for none.
//!
//! No job depends on its neighbours. A transaction takes one job of each account in turn, so no account delays the others by more than one
//! transaction. It never waits for a lock: a job whose token or workspace is being deleted is left out, and its request writes it alone. If
//! Postgres refuses a job, all jobs of the transaction are written alone.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use trigrun_core::{
    domain::{
        audit::Author,
        chain::Depth,
        id::{AccountId, ExecutionId, JobId, WorkspaceId},
        job::Definition,
    },
    runtime::{
        shares::{Share, Shares},
        tasks,
    },
    store::{
        Db, StoreError,
        jobs::{self, NewJob},
    },
};
use uuid::Uuid;

use crate::{
    connections::{WRITERS, too_many},
    problem::Problem,
    result::ApiResult,
};

/// A transaction is short: a deletion of a token or a workspace waits for it.
const MAX_BATCH: usize = 200;
const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024;
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// What a job counts in addition to its texts. So there are at most 4,096 jobs in the queue.
const JOB_BYTES: usize = 4 * 1024;
/// An account may hold as much as it leaves free: alone, half of the queue.
const ACCOUNT_PERCENT: usize = 100;

type Account = [Uuid; 1];

/// A job to be created.
pub struct PendingJob {
    pub workspace: WorkspaceId,
    pub id: JobId,
    pub definition: Definition,
    pub now: DateTime<Utc>,
    pub first_fire: Option<DateTime<Utc>>,
    pub traceparent: Option<String>,
    pub depth: Depth,
    pub by: Author,
    pub token_hash: Option<Vec<u8>>,
}

impl PendingJob {
    pub fn new_job(&self) -> NewJob<'_> {
        NewJob {
            first_fire: self.first_fire,
            traceparent: self.traceparent.as_deref(),
            depth: self.depth,
            token_hash: self.token_hash.as_deref(),
            ..NewJob::new(self.id, &self.definition, &self.by, self.now)
        }
    }

    fn bytes(&self) -> usize {
        let request = &self.definition.request;
        let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        JOB_BYTES + request.url.len() + headers + request.body.as_ref().map_or(0, |body| body.as_str().len())
    }
}

/// What came of a job in the queue.
pub enum Written {
    /// With its execution, if it runs at once.
    Created(PendingJob, Option<ExecutionId>),
    /// Not with the others: it has to be written alone, and that says why.
    LeftOut(PendingJob),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct JobWriter {
    queue: Arc<Mutex<Queue<Queued>>>,
    added: Arc<Notify>,
    capacity: Shares<Account>,
    /// How long a job waits for its place in the queue.
    max_wait: Duration,
    /// How long a transaction may take. After that, no request waits for it any more.
    max_time: Duration,
}

struct Queued {
    job: PendingJob,
    bytes: usize,
    answer: oneshot::Sender<ApiResult<Written>>,
    _place: Share<Account>,
}

impl JobWriter {
    pub fn new(max_wait: Duration, max_time: Duration) -> Self {
        let capacity = Shares::new(MAX_QUEUED_BYTES, ACCOUNT_PERCENT);
        Self { queue: Arc::default(), added: Arc::default(), capacity, max_wait, max_time }
    }

    /// Starts the writers. They end when the result is dropped.
    pub fn start(&self, db: &Db) -> [AbortOnDropHandle<()>; WRITERS] {
        std::array::from_fn(|_| {
            AbortOnDropHandle::new(tasks::spawn("job_writer", self.clone().run(db.clone())))
        })
    }

    /// Writes the job together with those of other requests, or leaves it out. If this is dropped before the job is in a transaction, the
    /// job is not created.
    pub async fn write(&self, account: AccountId, job: PendingJob) -> ApiResult<Written> {
        let bytes = job.bytes();
        let place = timeout(self.max_wait, self.capacity.take([account.uuid()], bytes)).await;
        let (answer, answered) = oneshot::channel();
        let queued = Queued { job, bytes, answer, _place: place.map_err(|_| too_many())? };
        self.queue().push(account, queued);
        self.added.notify_one();
        // The time limit of the request bounds this wait. Without an answer, the writer has panicked.
        answered.await.unwrap_or_else(|_| Err(Problem::internal()))
    }

    fn queue(&self) -> MutexGuard<'_, Queue<Queued>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self, db: Db) {
        loop {
            if self.queue().is_empty() {
                self.added.notified().await;
                continue;
            }
            if AssertUnwindSafe(self.write_batch(&db)).catch_unwind().await.is_err() {
                tracing::error!("the writer of jobs panicked");
            }
        }
    }

    /// Takes the jobs only when it has a connection: those that come meanwhile are written too.
    async fn write_batch(&self, db: &Db) {
        let conn = db.conn().await;
        let batch = self.take_batch();
        if batch.is_empty() {
            return;
        }
        let new: Vec<_> = batch.iter().map(|queued| (queued.job.workspace, queued.job.new_job())).collect();
        let written = async { jobs::insert_unlocked(&mut *conn?, &new).await };
        let written = match timeout(self.max_time, written).await {
            Ok(written) => written,
            Err(_) => Err(StoreError::TimedOut("a transaction of new jobs".into())),
        };
        drop(new);
        answer(batch, written);
    }

    fn take_batch(&self) -> Vec<Queued> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            let Some(queued) = self.queue().pop() else { break };
            // A client that has disconnected does not want the job any more.
            if !queued.answer.is_closed() {
                bytes += queued.bytes;
                batch.push(queued);
            }
        }
        batch
    }
}

fn answer(batch: Vec<Queued>, written: Result<HashMap<JobId, Option<ExecutionId>>, StoreError>) {
    let (created, failed) = match written {
        Ok(created) => (created, false),
        // Postgres cannot be reached, or is too slow: to write each job alone would make it worse.
        Err(error) if error.is_temporary() => {
            tracing::warn!(%error, jobs = batch.len(), "cannot write new jobs");
            (HashMap::new(), true)
        }
        Err(error) => {
            tracing::debug!(%error, jobs = batch.len(), "new jobs are written one by one");
            (HashMap::new(), false)
        }
    };
    for Queued { job, answer, .. } in batch {
        let written = match (failed, created.get(&job.id)) {
            (true, _) => Err(Problem::unavailable()),
            (false, Some(execution)) => Ok(Written::Created(job, *execution)),
            (false, None) => Ok(Written::LeftOut(job)),
        };
        // The client may have disconnected.
        let _ = answer.send(written);
    }
}

/// First come, first served within an account. The accounts take turns.
struct Queue<T> {
    waiting: HashMap<AccountId, VecDeque<T>>,
    turns: VecDeque<AccountId>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    fn push(&mut self, account: AccountId, item: T) {
        let waiting = self.waiting.entry(account).or_default();
        if waiting.is_empty() {
            self.turns.push_back(account);
        }
        waiting.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        let account = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&account)?;
        let item = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&account);
        } else {
            self.turns.push_back(account);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;
    use trigrun_core::domain::request::Body;
    use trigrun_testkit::jobs::every_seconds;

    fn job(body: usize) -> PendingJob {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut definition = every_seconds(60, "https://example.com/");
        definition.request.body = Some(Body::Text("x".repeat(body)));
        PendingJob {
            workspace: WorkspaceId::at(now),
            id: JobId::at(now),
            definition,
            now,
            first_fire: None,
            traceparent: None,
            depth: 0,
            by: Author::operator(now),
            token_hash: None,
        }
    }

    fn writer() -> JobWriter {
        JobWriter::new(Duration::from_secs(600), Duration::from_secs(600))
    }

    #[actix_web::test]
    async fn a_job_whose_client_has_left_is_not_written() {
        let (writer, account) = (writer(), AccountId::from_uuid(Uuid::from_u128(1)));
        let stays = job(1);
        let id = stays.id;
        let mut stays = pin!(writer.write(account, stays));
        {
            let leaves = pin!(writer.write(account, job(1)));
            assert!(poll!(leaves).is_pending() && poll!(&mut stays).is_pending());
        }
        let batch = writer.take_batch();
        assert_eq!(batch.iter().map(|queued| queued.job.id).collect::<Vec<_>>(), [id]);
        answer(batch, Ok(HashMap::from([(id, None)])));
        assert!(matches!(stays.await, Ok(Written::Created(job, None)) if job.id == id));
    }

    #[actix_web::test]
    async fn an_account_leaves_room_for_others_in_the_queue() {
        let (writer, [greedy, other]) =
            (writer(), [1, 2].map(|id| AccountId::from_uuid(Uuid::from_u128(id))));
        let mut greedy: Vec<_> = (0..100).map(|_| Box::pin(writer.write(greedy, job(256 * 1024)))).collect();
        for write in &mut greedy {
            assert!(poll!(write).is_pending());
        }
        let held = MAX_QUEUED_BYTES - writer.capacity.free();
        assert!((MAX_QUEUED_BYTES / 3..=MAX_QUEUED_BYTES * 2 / 3).contains(&held), "{held}");
        let mut other = pin!(writer.write(other, job(256 * 1024)));
        assert!(poll!(&mut other).is_pending());
        let batch = writer.take_batch();
        let accounts = batch.len();
        assert!(accounts <= 1 + MAX_BATCH_BYTES / (256 * 1024), "a transaction is short: {accounts} jobs");
        drop(greedy);
        answer(batch, Ok(HashMap::new()));
        assert!(matches!(other.await, Ok(Written::LeftOut(_))), "it was among the first");
    }

    #[test]
    fn accounts_take_turns() {
        let [greedy, a, b] = [1, 2, 3].map(|id| AccountId::from_uuid(Uuid::from_u128(id)));
        let mut queue = Queue::default();
        for number in 0..1000 {
            queue.push(greedy, ("greedy", number));
        }
        queue.push(a, ("a", 0));
        queue.push(b, ("b", 0));
        queue.push(b, ("b", 1));
        let first: Vec<_> = std::iter::from_fn(|| queue.pop()).take(6).collect();
        let expected = [("greedy", 0), ("a", 0), ("b", 0), ("greedy", 1), ("b", 1), ("greedy", 2)];
        assert_eq!(first, expected);
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), 997);
        assert!(queue.is_empty() && queue.waiting.is_empty());
    }
}
