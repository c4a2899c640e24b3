//! Resumes jobs whose pauses have ended, as of the end of the pause: what a late scheduler has missed since is decided by the misfire policy of the
//! job. `domain::job::change` decides.

use std::time::Instant;
use trigrun_core::{
    domain::{
        audit::Author,
        id::{JobId, WorkspaceId},
        job::{Job, change::resume_by_itself},
    },
    store::{
        Conn, StoreError, clock,
        jobs::{self, Origin},
    },
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

const RESUME_BATCH: i64 = 100;

/// One pass. Of two at once, one resumes the job, and the other finds it changed. A job that cannot be resumed holds up no other.
pub async fn resume(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    let mut resumed = 0;
    for (workspace, job) in jobs::due_pauses(&mut conn, RESUME_BATCH).await? {
        let one = async {
            let found = jobs::get(&mut conn, workspace, job, scheduler.clock.now()).await?;
            resume_one(&mut conn, workspace, &found).await
        };
        match one.await {
            Ok(is_resumed) => resumed += usize::from(is_resumed),
            // It was deleted meanwhile.
            Err(StoreError::NotFound) => {}
            Err(error @ StoreError::Unavailable(_)) => return Err(error.into()),
            Err(error) => tracing::error!(%job, %error, "cannot resume a job at the end of its pause"),
        }
    }
    if resumed > 0 {
        tracing::info!(jobs = resumed, "resumed at the end of their pauses");
        // Their first fires may be due.
        scheduler.searches.restart_timers();
        scheduler.wake_passes();
    }
    metrics::pass("resume", started.elapsed());
    Ok(())
}

async fn resume_one(conn: &mut Conn, workspace: WorkspaceId, job: &Job) -> Result<bool, StoreError> {
    let Some(pause) = &job.pause else { return Ok(false) };
    let now = clock::now(conn).await?;
    let change = match resume_by_itself(job, now) {
        Ok(Some(change)) => change,
        Ok(None) => return Ok(false),
        Err(error) => return stay_paused(conn, workspace, job.id, error.code()).await,
    };
    let by = Author { actor: pause.by.clone(), at: now, request_id: None, address: None };
    let origin = Origin { by: &by, traceparent: None, depth: pause.depth };
    match jobs::change(conn, workspace, job.id, &change, origin).await {
        Ok(_) => Ok(true),
        // A client has changed it meanwhile. If it is still paused, the next pass resumes it.
        Err(StoreError::NotFound) => Ok(false),
        Err(error) if error.is_conflict("version") => Ok(false),
        Err(StoreError::Conflict(code)) => stay_paused(conn, workspace, job.id, &code).await,
        Err(error) => Err(error),
    }
}

/// Its only run has passed, or its time zone is not known any more.
async fn stay_paused(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    reason: &str,
) -> Result<bool, StoreError> {
    tracing::warn!(%job, reason, "the job stays paused: it cannot become active any more");
    jobs::stay_paused(conn, workspace, job).await?;
    Ok(false)
}
