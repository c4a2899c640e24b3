//! Many executions at once: read by their ids, and replayed.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, Nullable, SmallInt, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    list::add_earlier_attempts,
    row::{ExecutionRow, authority, execution_columns, run_columns},
};
use crate::{
    domain::{
        chain::Depth,
        execution::Execution,
        id::{ExecutionId, JobId, WorkspaceId},
        job::JobState,
        workspace::shard,
    },
    store::{
        Conn, StoreError,
        columns::parse_enum,
        schema::{jobs, run_keys},
        sql::prepared,
    },
};

/// Those of these executions that the workspace has, oldest first, without their attempts.
pub async fn find_all(
    conn: &mut Conn,
    workspace: WorkspaceId,
    ids: &[ExecutionId],
) -> Result<Vec<Execution>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    // With the first and the last id, few partitions are searched.
    let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else { return Ok(Vec::new()) };
    let mut rows: Vec<ExecutionRow> = prepared(
        sql_query(concat!(
            "select j.name as job_name, e.*, ",
            authority!(),
            " as authority from (select ",
            run_columns!(),
            " from runs e where e.id = any($2) union all select ",
            execution_columns!(),
            " from executions e where e.id = any($2) and e.id between $3 and $4) e
             join jobs j on j.id = e.job_id and j.workspace_id = e.workspace_id
             where e.workspace_id = $1 order by e.id"
        ))
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Array<SqlUuid>, _>(&ids)
        .bind::<SqlUuid, _>(first)
        .bind::<SqlUuid, _>(last),
    )
    .load(conn)
    .await?;
    add_earlier_attempts(conn, &mut rows).await?;
    rows.into_iter().map(ExecutionRow::into_execution).collect()
}

/// A replay of one of many executions.
#[derive(Clone, Debug)]
pub struct NewReplay {
    pub id: ExecutionId,
    pub job: JobId,
    pub original: ExecutionId,
    /// At most one execution is recorded under it.
    pub key: Option<String>,
}

/// What has become of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// As this execution, now or earlier under the same key.
    As(ExecutionId),
    /// The job is a draft, which never runs.
    Draft,
    /// The job is paused, and a run asks for the replay.
    Paused,
    /// The job does not exist any more.
    NotFound,
}

#[derive(QueryableByName)]
#[diesel(table_name = run_keys)]
struct InsertedRow {
    execution_id: Uuid,
}

/// Records replays of these executions, due now in their order, and requests their publication. Each is recorded or refused by itself; the
/// results have the order of `replays`. One statement, however many they are: the caller limits them.
pub async fn insert_replays(
    conn: &mut Conn,
    workspace: WorkspaceId,
    replays: &[NewReplay],
    traceparent: Option<&str>,
    depth: Depth,
) -> Result<Vec<Replayed>, StoreError> {
    let column = |value: fn(&NewReplay) -> Uuid| replays.iter().map(value).collect::<Vec<_>>();
    let keys: Vec<Option<&str>> = replays.iter().map(|replay| replay.key.as_deref()).collect();
    let inserted: Vec<InsertedRow> = prepared(
        // The locks are those of a single run.
        sql_query(
            "with wanted as (
                 select * from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[]) with ordinality as w(id, job_id, replay_of, key, number)),
             job as (
                 select j.id, j.version, clock_timestamp() as now
                 from jobs j join workspaces w on w.id = j.workspace_id and w.deleted_at is null
                 where j.workspace_id = $1 and j.id in (select job_id from wanted) and j.state <> 'draft'
                       and (j.state <> 'paused' or $8 = 0)
                 order by j.id for key share),
             keyed as (
                 insert into run_keys (workspace_id, key, execution_id, job_id, replay_of)
                 select $1, w.key, w.id, w.job_id, w.replay_of from wanted w join job j on j.id = w.job_id where w.key is not null
                 order by w.key on conflict do nothing returning execution_id)
             insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, ends_job,
                               replay_of, traceparent, depth)
             select w.id, $1, w.job_id, j.version, $6, 'queued', 'replay', at.due, at.due, false, w.replay_of, $7, $8
             from wanted w join job j on j.id = w.job_id
                  cross join lateral (select j.now + w.number * interval '1 microsecond' as due) at
             where w.key is null or w.id in (select execution_id from keyed)
             returning id as execution_id",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Array<SqlUuid>, _>(column(|replay| replay.id.uuid()))
        .bind::<Array<SqlUuid>, _>(column(|replay| replay.job.uuid()))
        .bind::<Array<SqlUuid>, _>(column(|replay| replay.original.uuid()))
        .bind::<Array<Nullable<Text>>, _>(&keys)
        .bind::<SmallInt, _>(shard(workspace))
        .bind::<Nullable<Text>, _>(traceparent)
        .bind::<SmallInt, _>(depth),
    )
    .load(conn)
    .await?;
    let mut results: HashMap<ExecutionId, Replayed> = HashMap::new();
    for InsertedRow { execution_id } in inserted {
        let id = ExecutionId::from_uuid(execution_id);
        results.insert(id, Replayed::As(id));
    }
    let others: Vec<&NewReplay> = replays.iter().filter(|replay| !results.contains_key(&replay.id)).collect();
    if !others.is_empty() {
        results.extend(not_inserted(conn, workspace, &others).await?);
    }
    Ok(replays.iter().map(|replay| results.get(&replay.id).copied().unwrap_or(Replayed::NotFound)).collect())
}

#[derive(QueryableByName)]
#[diesel(table_name = run_keys)]
struct KeyRow {
    key: String,
    execution_id: Uuid,
}

#[derive(QueryableByName)]
#[diesel(table_name = jobs)]
struct StateRow {
    id: Uuid,
    state: String,
}

/// Why these were not recorded: under their keys, others were; or their jobs do not run.
async fn not_inserted(
    conn: &mut Conn,
    workspace: WorkspaceId,
    replays: &[&NewReplay],
) -> Result<Vec<(ExecutionId, Replayed)>, StoreError> {
    let keys: Vec<&str> = replays.iter().filter_map(|replay| replay.key.as_deref()).collect();
    let earlier: Vec<KeyRow> = prepared(
        sql_query("select key, execution_id from run_keys where workspace_id = $1 and key = any($2)")
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Array<Text>, _>(&keys),
    )
    .load(conn)
    .await?;
    let ids: Vec<Uuid> = replays.iter().map(|replay| replay.job.uuid()).collect();
    let states: Vec<StateRow> = prepared(
        sql_query("select id, state from jobs where workspace_id = $1 and id = any($2)")
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Array<SqlUuid>, _>(&ids),
    )
    .load(conn)
    .await?;
    replays
        .iter()
        .map(|replay| {
            let before = earlier.iter().find(|row| Some(row.key.as_str()) == replay.key.as_deref());
            let state = states.iter().find(|row| row.id == replay.job.uuid());
            let result = match (before, state) {
                (Some(row), _) => Replayed::As(ExecutionId::from_uuid(row.execution_id)),
                (None, None) => Replayed::NotFound,
                (None, Some(row)) => match parse_enum("jobs.state", &row.state)? {
                    JobState::Draft => Replayed::Draft,
                    JobState::Paused => Replayed::Paused,
                    JobState::Active | JobState::Completed => Replayed::NotFound,
                },
            };
            Ok((replay.id, result))
        })
        .collect()
}
