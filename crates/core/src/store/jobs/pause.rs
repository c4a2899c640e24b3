//! Pauses of jobs: a row for each job that is paused.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    domain::{
        audit::Actor,
        chain::Depth,
        id::{JobId, WorkspaceId},
        job::{
            JobState,
            change::JobChange,
            pause::{Pause, PauseTerms},
        },
    },
    store::{Conn, StoreError, schema::pauses, sql::prepared},
};

/// The columns of the pause `p` of a job. All are null if it is not paused.
macro_rules! pause_columns {
    () => {
        "p.paused_at, p.actor as pause_actor, p.actor_id as pause_actor_id, p.actor_name as pause_actor_name, p.note as pause_note,
         p.paused_until, p.depth as pause_depth"
    };
}
pub(super) use pause_columns;

/// A pause, if the job is paused.
#[derive(QueryableByName)]
pub struct PauseRow {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    paused_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pause_actor: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pause_actor_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pause_actor_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pause_note: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    paused_until: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    pause_depth: Option<i16>,
}

impl PauseRow {
    pub fn into_pause(self) -> Option<Pause> {
        Some(Pause {
            at: self.paused_at?,
            by: Actor::from_columns(&self.pause_actor?, self.pause_actor_id, self.pause_actor_name),
            terms: PauseTerms { note: self.pause_note, until: self.paused_until },
            depth: self.pause_depth?,
        })
    }
}

/// Records what a change means for the pause of the job, in its transaction.
pub(super) async fn record(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: JobId,
    change: &JobChange,
    (by, depth, now): (&Actor, Depth, DateTime<Utc>),
) -> Result<(), StoreError> {
    let (was_paused, is_paused) = (change.from_state == JobState::Paused, change.state == JobState::Paused);
    if was_paused && !is_paused {
        diesel::delete(pauses::table.find(id.uuid())).execute(conn).await?;
        return Ok(());
    }
    if !is_paused || (was_paused && change.pause.is_none()) {
        return Ok(());
    }
    let PauseTerms { note, until } = change.pause.clone().unwrap_or_default();
    let (actor, actor_id, actor_name) = by.columns();
    let said = (
        pauses::actor.eq(actor),
        pauses::actor_id.eq(actor_id),
        pauses::actor_name.eq(actor_name),
        pauses::note.eq(note),
        pauses::paused_until.eq(until),
        pauses::depth.eq(depth),
    );
    diesel::insert_into(pauses::table)
        .values((
            pauses::job_id.eq(id.uuid()),
            pauses::workspace_id.eq(workspace.uuid()),
            pauses::paused_at.eq(now),
            said.clone(),
        ))
        .on_conflict(pauses::job_id)
        .do_update()
        .set(said)
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
#[diesel(table_name = pauses)]
struct DueRow {
    workspace_id: Uuid,
    job_id: Uuid,
}

/// The statement of [`due_pauses`], for the test of its plan.
pub const DUE_PAUSES: &str = "select workspace_id, job_id from pauses where paused_until <= clock_timestamp() order by paused_until limit $1";

/// The jobs whose pauses have ended, those first that ended first.
pub async fn due_pauses(conn: &mut Conn, limit: i64) -> Result<Vec<(WorkspaceId, JobId)>, StoreError> {
    let rows: Vec<DueRow> = prepared(sql_query(DUE_PAUSES).bind::<BigInt, _>(limit)).load(conn).await?;
    let ids = |row: DueRow| (WorkspaceId::from_uuid(row.workspace_id), JobId::from_uuid(row.job_id));
    Ok(rows.into_iter().map(ids).collect())
}

/// Keeps a job paused that cannot become active by itself, until a client resumes it, unless its pause has been prolonged meanwhile.
pub async fn stay_paused(conn: &mut Conn, workspace: WorkspaceId, id: JobId) -> Result<(), StoreError> {
    diesel::update(pauses::table.find(id.uuid()))
        .filter(pauses::workspace_id.eq(workspace.uuid()))
        .filter(pauses::paused_until.le(diesel::dsl::now))
        .set(pauses::paused_until.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await?;
    Ok(())
}
