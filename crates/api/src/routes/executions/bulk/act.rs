//! Replays and cancels executions one batch after the other, for a bounded time.

use std::time::{Duration, Instant};
use trigrun_core::{
    domain::{
        chain::Depth,
        execution::Status,
        id::{ExecutionId, JobId, WorkspaceId},
    },
    store::{
        StoreError,
        executions::{self, NewReplay, Replayed},
        leases,
    },
    telemetry::trace,
};

use crate::{
    problem::ProblemCode,
    quotas::{Plan, Quotas},
    result::ApiResult,
    routes::bulk::{deadline, key_of},
    state::State,
};

/// Replays per transaction.
const REPLAY_BATCH: u32 = 50;

#[derive(Clone, Copy)]
pub struct Target {
    pub id: ExecutionId,
    pub job: JobId,
}

/// What has been done.
#[derive(Default)]
pub struct Done {
    /// The replays, or the executions that were cancelled.
    pub executions: Vec<ExecutionId>,
    pub failed: Vec<(ExecutionId, ProblemCode)>,
    /// The index of the first execution that is left.
    pub stopped_at: Option<usize>,
    pub retry_after: Option<Duration>,
}

/// Of the request for replays.
pub struct Replays {
    /// What the workspace may have.
    pub plan: Plan,
    pub key: Option<String>,
    pub depth: Depth,
}

/// Replays executions in their order, as far as the plan of the workspace allows.
pub async fn replay(
    state: &State,
    workspace: WorkspaceId,
    targets: Vec<Target>,
    replays: Replays,
) -> ApiResult<Done> {
    let (deadline, traceparent) = (deadline(state), trace::current());
    let replayed = state.run(async move |state| {
        let mut done = Done::default();
        let size = Quotas::batch(replays.plan, REPLAY_BATCH);
        for (number, batch) in targets.chunks(size).enumerate() {
            done.retry_after = state.quotas.wait(replays.plan, workspace, batch.len()).await;
            if done.retry_after.is_some() || Instant::now() > deadline {
                done.stopped_at = Some(number * size);
                break;
            }
            let new = new_replays(batch, &replays, state.clock.now());
            let conn = &mut *state.conn().await?;
            let results =
                executions::insert_replays(conn, workspace, &new, traceparent.as_deref(), replays.depth)
                    .await?;
            for (target, result) in batch.iter().zip(results) {
                done.add(target.id, result);
            }
            state.waker.wake();
        }
        Ok(done)
    });
    replayed.await
}

/// Their ids have the order of the executions that they replay.
fn new_replays(targets: &[Target], replays: &Replays, now: chrono::DateTime<chrono::Utc>) -> Vec<NewReplay> {
    let mut ids: Vec<ExecutionId> = targets.iter().map(|_| ExecutionId::at(now)).collect();
    ids.sort_unstable();
    let new = targets.iter().zip(ids).map(|(target, id)| NewReplay {
        id,
        job: target.job,
        original: target.id,
        key: replays.key.as_ref().map(|key| key_of(key, target.id)),
    });
    new.collect()
}

/// Cancels executions one by one.
pub async fn cancel(state: &State, workspace: WorkspaceId, targets: Vec<Target>) -> ApiResult<Done> {
    let deadline = deadline(state);
    let cancelled = state.run(async move |state| {
        let mut done = Done::default();
        for (index, target) in targets.iter().enumerate() {
            if Instant::now() > deadline {
                done.stopped_at = Some(index);
                break;
            }
            match leases::cancel(&mut *state.conn().await?, workspace, target.id).await {
                // Cancelling is idempotent.
                Ok(None | Some(Status::Cancelled)) => done.executions.push(target.id),
                Ok(Some(_)) => done.failed.push((target.id, ProblemCode::ExecutionEnded)),
                Err(StoreError::NotFound) => done.failed.push((target.id, ProblemCode::NotFound)),
                Err(error) => return Err(error.into()),
            }
        }
        state.waker.wake();
        Ok(done)
    });
    cancelled.await
}

impl Done {
    fn add(&mut self, original: ExecutionId, result: Replayed) {
        match result {
            Replayed::As(id) => self.executions.push(id),
            Replayed::Draft => self.failed.push((original, ProblemCode::JobIsDraft)),
            Replayed::Paused => self.failed.push((original, ProblemCode::JobIsPaused)),
            Replayed::NotFound => self.failed.push((original, ProblemCode::NotFound)),
        }
    }
}
