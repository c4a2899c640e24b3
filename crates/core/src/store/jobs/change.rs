//! Writes a change of a job. `domain::job::change` decides what it means for future fires.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::{dsl::sql, prelude::*, sql_types::Timestamptz};
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{Start, insert_version, pause, start};
use crate::{
    domain::{
        audit::{Action, Author},
        chain::Depth,
        id::{ExecutionId, JobId, WorkspaceId},
        job::{
            JobState,
            change::{ChangeError, FutureFires, JobChange, first_fire},
            pause::PauseTerms,
        },
        notification::ChannelRule,
    },
    store::{
        Conn, StoreError, audit, clock, executions, rules,
        schema::{job_versions, jobs},
        timers, workspaces,
    },
};

/// The request that changes a job.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    pub by: &'a Author,
    pub traceparent: Option<&'a str>,
    pub depth: Depth,
}

/// Applies a change in one transaction. It takes effect when the job and its timer are locked: fires that are due by then run with the
/// previous definition.
///
/// Returns the execution that a `one_time` job gets when it becomes active. [`StoreError::Conflict`] with `version` if the job has another
/// version or state, with `jobs_key` if another job has its key, or with the code of a [`ChangeError`] if its first fire can no longer be
/// computed.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    change: &JobChange,
    origin: Origin<'_>,
) -> Result<Option<ExecutionId>, StoreError> {
    change_with_rules(conn, workspace, id, (change, None), origin).await
}

/// As [`change`], and gives the job these notification rules: see [`rules::replace`].
pub async fn change_with_rules(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    (change, wanted): (&JobChange, Option<&[ChannelRule]>),
    origin: Origin<'_>,
) -> Result<Option<ExecutionId>, StoreError> {
    let Origin { by, traceparent, depth } = origin;
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let definition = &change.definition;
        let version = change.from_version + 1;
        workspaces::lock_active(conn, workspace).await?;
        // Before the job: in the order in which results are recorded, to avoid deadlocks.
        let locked = match wanted {
            Some(_) => rules::lock_of_job(conn, id).await?,
            None => Vec::new(),
        };
        let changed = diesel::update(jobs::table)
            .filter(jobs::workspace_id.eq(workspace.uuid()))
            .filter(jobs::id.eq(id.uuid()))
            .filter(jobs::version.eq(change.from_version))
            .filter(jobs::state.eq(change.from_state.as_str()))
            .set((
                jobs::version.eq(version),
                jobs::name.eq(&definition.name),
                jobs::kind.eq(definition.schedule.kind().as_str()),
                jobs::state.eq(change.state.as_str()),
                jobs::tags.eq(&definition.tags),
                jobs::key.eq(&definition.key),
                jobs::stack.eq(&definition.stack),
                jobs::host.eq(definition.request.host()),
                change.applied.then(|| jobs::applied_version.eq(version)),
                jobs::updated_at.eq(sql::<Timestamptz>("clock_timestamp()")),
            ))
            .execute(conn)
            .await?;
        if changed == 0 {
            return Err(why_unchanged(conn, workspace, id).await?);
        }
        // Waits for a scheduler that is planning this job and holds its timer. Its executions are visible afterwards.
        timers::lock(conn, id).await?;
        let now = clock::now(conn).await?;
        let since = match change.since {
            Some(since) => since.max(created_at(conn, id, change.from_version).await?),
            None => now,
        };
        insert_version(conn, id, version, definition, depth, &by.actor, since).await?;
        if let Some(wanted) = wanted {
            rules::write(conn, workspace, id, (&locked, wanted), now).await?;
        }
        diesel::update(job_versions::table.find((id.uuid(), change.from_version)))
            .set(job_versions::replaced_at.eq(now))
            .execute(conn)
            .await?;
        pause::record(conn, workspace, id, change, (&by.actor, depth, now)).await?;
        let details = details(change, version);
        let details: Vec<_> = details.iter().map(|(name, value)| (*name, value.as_str())).collect();
        audit::write(conn, workspace, by, action(change), (id, Some(&definition.name)), &details).await?;
        match change.future_fires {
            FutureFires::Keep => {
                timers::keep(conn, id, version, definition).await?;
                executions::move_planned(conn, id, version, now).await?;
                Ok(None)
            }
            FutureFires::Reset => {
                let anchor = change.anchor;
                timers::record_overdue(conn, id, now, traceparent).await?;
                timers::remove(conn, id).await?;
                executions::withdraw_planned(conn, id, now).await?;
                let next = first_fire(definition, anchor, since)
                    .map_err(|error: ChangeError| StoreError::conflict(error.code()))?;
                start(
                    conn,
                    workspace,
                    id,
                    Start { depth, version, definition, anchor, next, traceparent, now },
                )
                .await
            }
        }
    })
    .await
}

/// What the audit log calls the change.
fn action(change: &JobChange) -> Action {
    match (change.from_state, change.state) {
        (_, JobState::Paused) if change.pause.is_some() => Action::JobPaused,
        (before, after) if before == after => Action::JobChanged,
        (_, JobState::Paused) => Action::JobPaused,
        (JobState::Paused, JobState::Active) => Action::JobResumed,
        _ => Action::JobChanged,
    }
}

/// What the audit log says about it.
fn details(change: &JobChange, version: i32) -> Vec<(&'static str, String)> {
    let mut details = vec![("version", version.to_string())];
    if let Some(PauseTerms { note, until }) = &change.pause {
        details.extend(note.iter().map(|note| ("note", note.clone())));
        details.extend(until.iter().map(|until| ("until", instant(*until))));
    }
    details.extend(change.since.iter().map(|_| ("by_itself", "true".to_owned())));
    details
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

async fn created_at(conn: &mut Conn, job: JobId, version: i32) -> Result<DateTime<Utc>, StoreError> {
    let at =
        job_versions::table.find((job.uuid(), version)).select(job_versions::created_at).first(conn).await?;
    Ok(at)
}

async fn why_unchanged(conn: &mut Conn, workspace: WorkspaceId, id: JobId) -> Result<StoreError, StoreError> {
    let exists: i64 = jobs::table
        .filter(jobs::workspace_id.eq(workspace.uuid()))
        .filter(jobs::id.eq(id.uuid()))
        .count()
        .get_result(conn)
        .await?;
    Ok(if exists == 0 { StoreError::NotFound } else { StoreError::conflict("version") })
}
