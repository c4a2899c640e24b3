//! Creating a job: once per idempotency key, also when two requests arrive together.

use trigrun_core::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::FieldErrors,
        job::State as JobState,
        schedule::Kind,
    },
    store::jobs::{self, NewJob},
    telemetry::trace,
};

use super::{body::JobBody, change::next_fire, define::Context};
use crate::{
    problem::Problem,
    state::{Answer, State},
};

pub struct Created {
    pub id: JobId,
    pub execution: Option<ExecutionId>,
    /// The key had made this job before.
    pub replayed: bool,
}

pub async fn create(
    state: &State,
    workspace: WorkspaceId,
    body: JobBody,
    key: Option<String>,
    mut errors: FieldErrors,
) -> Answer<Created> {
    let context = Context { policy: &state.policy, now: state.clock.now(), before: None };
    let definition = body.define(&context, &mut errors);
    Problem::validation(errors)?;
    let definition = definition.ok_or_else(Problem::internal)?;
    let runs = definition.schedule.kind() == Kind::OneTime && definition.state == JobState::Active;
    if runs && made_before(state, workspace, key.as_deref()).await?.is_none() {
        state.quotas.run(state, workspace).await?;
    }
    let plan = state.quotas.plan(state, workspace).await?;
    let traceparent = trace::current();
    let created = state.run(async move |state| {
        let now = state.clock.now();
        let new = NewJob {
            id: JobId::at(now),
            definition: &definition,
            idempotency_key: key.as_deref(),
            now,
            first_fire: next_fire(&definition, now, now)?,
            traceparent: traceparent.as_deref(),
        };
        let mut conn = state.conn().await?;
        match (jobs::insert(&mut conn, workspace, &new, plan.jobs()).await, &key) {
            (Ok(execution), _) => Ok(Created { id: new.id, execution, replayed: false }),
            (Err(error), Some(key)) if error.is_conflict("jobs_idempotency_key") => {
                drop(conn);
                let id = made_before(&state, workspace, Some(key)).await?;
                // Deleted in between: as if the key had never been used.
                let id = id.ok_or_else(|| {
                    Problem::conflict("job_changes", "The job of this key was just deleted; try again.")
                })?;
                Ok(Created { id, execution: None, replayed: true })
            }
            (Err(error), _) => Err(plan.refused(error)),
        }
    });
    let created = created.await?;
    state.waker.wake();
    Ok(created)
}

/// The job that this key has made already.
async fn made_before(state: &State, workspace: WorkspaceId, key: Option<&str>) -> Answer<Option<JobId>> {
    let Some(key) = key else { return Ok(None) };
    let found = jobs::find_by_idempotency_keys(&mut *state.conn().await?, workspace, &[key]).await?;
    Ok(found.get(key).map(|keyed| keyed.id))
}
