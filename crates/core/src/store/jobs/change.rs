//! A change of a job, and what it means for the fires to come.

use chrono::{DateTime, Utc};
use diesel::{dsl::sql, prelude::*, sql_types::Timestamptz};
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{Start, insert_version, start};
use crate::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        job::{Definition, JobState},
        schedule::Kind,
    },
    store::{Conn, StoreError, clock, executions, schema::jobs, timers, workspaces},
};

/// A new definition for a job, valid only against the version that it was made from.
pub struct Change<'a> {
    pub from_version: i32,
    pub definition: &'a Definition,
    /// The state of the job afterwards: the definition's, or still `completed`.
    pub state: JobState,
    pub timing: FutureFires,
    pub anchor: DateTime<Utc>,
    pub traceparent: Option<&'a str>,
}

/// What a change means for the fires to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FutureFires {
    /// They stay as they are, and run the new version.
    Keep,
    /// Those not yet due are withdrawn; the next is the first after the change.
    Reset,
}

/// Applies a change, all or nothing. It comes into force once the job and its timer are locked, however long that took: what is due
/// by then was wanted as the job was before.
///
/// [`StoreError::Conflict`] `version` when somebody else changed the job first; `run_at_past` when its one instant has passed, and
/// `schedule_unreadable` when its next fire cannot be computed. Returns the execution that a `one_time` job gets by becoming active.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    change: &Change<'_>,
) -> Result<Option<ExecutionId>, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let definition = change.definition;
        let version = change.from_version + 1;
        workspaces::lock_active(conn, workspace).await?;
        let changed = diesel::update(jobs::table)
            .filter(jobs::workspace_id.eq(workspace.uuid()))
            .filter(jobs::id.eq(id.uuid()))
            .filter(jobs::version.eq(change.from_version))
            .set((
                jobs::version.eq(version),
                jobs::name.eq(&definition.name),
                jobs::kind.eq(definition.schedule.kind().as_str()),
                jobs::state.eq(change.state.as_str()),
                jobs::tags.eq(&definition.tags),
                jobs::updated_at.eq(sql::<Timestamptz>("clock_timestamp()")),
            ))
            .execute(conn)
            .await?;
        if changed == 0 {
            return Err(why_unchanged(conn, workspace, id).await?);
        }
        // Whoever is planning this job right now holds its timer, and what they planned is seen after.
        timers::lock(conn, id).await?;
        let now = clock::now(conn).await?;
        insert_version(conn, id, version, definition, now).await?;
        match change.timing {
            FutureFires::Keep => {
                timers::keep(conn, id, version, definition).await?;
                executions::move_planned(conn, id, version, now).await?;
                Ok(None)
            }
            FutureFires::Reset => {
                let Change { anchor, traceparent, .. } = *change;
                timers::fire_overdue(conn, id, now, traceparent).await?;
                timers::remove(conn, id).await?;
                executions::withdraw_planned(conn, id, now).await?;
                let next = next_fire(definition, anchor, now)?;
                start(conn, workspace, id, Start { version, definition, anchor, next, traceparent, now })
                    .await
            }
        }
    })
    .await
}

fn next_fire(
    definition: &Definition,
    anchor: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    if definition.state != JobState::Active {
        return Ok(None);
    }
    let next = definition.schedule.next_after(anchor, now);
    let next = next.map_err(|_| StoreError::conflict("schedule_unreadable"))?;
    if next.is_none() && definition.schedule.kind() == Kind::Scheduled {
        return Err(StoreError::conflict("run_at_past"));
    }
    Ok(next)
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
