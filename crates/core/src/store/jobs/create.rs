//! Creation of jobs: one in a single statement, or many at once.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Start, row::VersionRow, start};
use crate::{
    domain::{
        chain::Depth,
        id::{ExecutionId, JobId, WorkspaceId},
        job::Definition,
    },
    store::{
        Conn, StoreError,
        quotas::{self, Counted},
        schema::{job_timers, job_versions, jobs},
        sql::InsertAll,
    },
};

/// A job to be created, with its first fire from `domain::job::change::first_fire`.
pub struct NewJob<'a> {
    pub id: JobId,
    pub definition: &'a Definition,
    pub idempotency_key: Option<&'a str>,
    /// Of the body of the request, if it has a key.
    pub request_digest: Option<&'a [u8]>,
    pub now: DateTime<Utc>,
    pub first_fire: Option<DateTime<Utc>>,
    pub traceparent: Option<&'a str>,
    /// Of the request that creates it.
    pub depth: Depth,
}

impl<'a> NewJob<'a> {
    fn start(&self) -> Start<'a> {
        let Self { definition, now, first_fire: next, traceparent, depth, .. } = *self;
        Start { depth, version: 1, definition, anchor: now, next, traceparent, now }
    }
}

/// The row of a new job in `jobs`.
#[derive(Insertable)]
#[diesel(table_name = jobs, treat_none_as_default_value = false)]
struct NewJobRow<'a> {
    id: Uuid,
    workspace_id: Uuid,
    version: i32,
    name: &'a str,
    kind: &'static str,
    state: &'static str,
    tags: &'a [String],
    idempotency_key: Option<&'a str>,
    request_digest: Option<&'a [u8]>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl<'a> NewJobRow<'a> {
    fn new(workspace: WorkspaceId, new: &NewJob<'a>) -> Self {
        let definition = new.definition;
        Self {
            id: new.id.uuid(),
            workspace_id: workspace.uuid(),
            version: 1,
            name: &definition.name,
            kind: definition.schedule.kind().as_str(),
            state: definition.state.as_str(),
            tags: &definition.tags,
            idempotency_key: new.idempotency_key,
            request_digest: new.request_digest,
            created_at: new.now,
            updated_at: new.now,
        }
    }
}

/// Creates the job with its first version and its timer. An active `one_time` job gets its execution at once.
///
/// [`StoreError::Conflict`] `jobs_idempotency_key` if the workspace already has a job under that key, `quota` if it would have more than
/// `max` jobs.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: &NewJob<'_>,
    max: Option<u32>,
) -> Result<Option<ExecutionId>, StoreError> {
    let start = new.start();
    let runs_at_once = new.definition.runs_at_once();
    if max.is_none() && !runs_at_once {
        insert_one(conn, workspace, new).await?;
        return Ok(None);
    }
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        insert_one(conn, workspace, new).await?;
        quotas::check(conn, workspace, Counted::Jobs, max).await?;
        if runs_at_once { super::start(conn, workspace, new.id, start).await } else { Ok(None) }
    })
    .await
}

/// With its version and, if it has one, its timer.
async fn insert_one(conn: &mut Conn, workspace: WorkspaceId, new: &NewJob<'_>) -> Result<(), StoreError> {
    let version = VersionRow::new(new.id, 1, new.definition, new.depth, new.now);
    let timer = new.start().timer(workspace, new.id);
    InsertAll(
        diesel::insert_into(jobs::table).values(NewJobRow::new(workspace, new)),
        diesel::insert_into(job_versions::table).values(version),
        timer.map(|timer| diesel::insert_into(job_timers::table).values(timer)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Rows per statement: few enough to stay far from a timeout.
const INSERT_BATCH: usize = 100;

/// Creates all of the jobs or none, each as [`insert`] would.
pub async fn insert_all(
    conn: &mut Conn,
    workspace: WorkspaceId,
    all: &[NewJob<'_>],
    max: Option<u32>,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        for batch in all.chunks(INSERT_BATCH) {
            let rows: Vec<_> = batch.iter().map(|new| NewJobRow::new(workspace, new)).collect();
            diesel::insert_into(jobs::table).values(rows).execute(conn).await?;
            let versions: Vec<_> = batch
                .iter()
                .map(|new| VersionRow::new(new.id, 1, new.definition, new.depth, new.now))
                .collect();
            diesel::insert_into(job_versions::table).values(versions).execute(conn).await?;
            let timers: Vec<_> =
                batch.iter().filter_map(|new| new.start().timer(workspace, new.id)).collect();
            diesel::insert_into(job_timers::table).values(timers).execute(conn).await?;
            for new in batch.iter().filter(|new| new.definition.runs_at_once()) {
                start(conn, workspace, new.id, new.start()).await?;
            }
        }
        quotas::check(conn, workspace, Counted::Jobs, max).await
    })
    .await
}
