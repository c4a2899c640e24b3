//! Creation of jobs: one or many, of one workspace or of several, in a single statement.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, Binary, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write,
};
use uuid::Uuid;

use super::row::VersionRow;
use crate::{
    domain::{
        audit::Author,
        chain::Depth,
        id::{AuditId, ExecutionId, JobId, WorkspaceId},
        job::Definition,
        notification::ChannelRule,
        schedule::Kind,
        workspace::shard,
    },
    store::{
        Conn, StoreError,
        quotas::{self, Counted},
        rules,
        sql::prepared,
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
    pub by: &'a Author,
    /// Whether the application of a stack creates it.
    pub applied: bool,
    /// The digest of the token with which it is created. The token must still be valid when the job is written: see
    /// [`tokens::find_by_hash`](crate::store::tokens::find_by_hash). `None` if it is not created with a token.
    pub token_hash: Option<&'a [u8]>,
    /// Its notification rules, which only [`insert_all`] writes.
    pub rules: &'a [ChannelRule],
}

impl<'a> NewJob<'a> {
    /// Without a fire, an idempotency key, a trace, a token or notification rules.
    pub const fn new(id: JobId, definition: &'a Definition, by: &'a Author, now: DateTime<Utc>) -> Self {
        Self {
            id,
            definition,
            idempotency_key: None,
            request_digest: None,
            now,
            first_fire: None,
            traceparent: None,
            depth: 0,
            by,
            applied: false,
            token_hash: None,
            rules: &[],
        }
    }
}

/// What the statement reads of a new job. The names of the fields are those of its columns.
#[derive(Serialize)]
struct NewJobRow<'a> {
    #[serde(flatten)]
    version: VersionRow<'a>,
    workspace_id: String,
    token_hash: Option<String>,
    idempotency_key: Option<&'a str>,
    request_digest: Option<String>,
    shard: i16,
    next_run_at: Option<DateTime<Utc>>,
    /// The one execution of a `one_time` job.
    execution_id: Option<String>,
    traceparent: Option<&'a str>,
    key: Option<&'a str>,
    stack: Option<&'a str>,
    applied_version: Option<i32>,
    host: &'a str,
    /// Of its entry in the audit log.
    audit_id: Option<String>,
    target: String,
    changed_at: DateTime<Utc>,
    request_id: Option<&'a str>,
    address: Option<String>,
}

impl<'a> NewJobRow<'a> {
    fn new(workspace: WorkspaceId, new: &NewJob<'a>) -> Self {
        let NewJob { definition, by, .. } = *new;
        let runs_at_once = definition.runs_at_once();
        // A job that runs once is the subject of its execution; programs create many.
        let is_audited = matches!(definition.schedule.kind(), Kind::Recurring | Kind::Cron);
        Self {
            version: VersionRow::new(new.id, 1, definition, new.depth, &by.actor, new.now),
            workspace_id: workspace.uuid().to_string(),
            token_hash: new.token_hash.map(hex),
            idempotency_key: new.idempotency_key,
            request_digest: new.request_digest.map(hex),
            shard: shard(workspace),
            next_run_at: new.first_fire,
            execution_id: runs_at_once.then(|| ExecutionId::at(new.now).uuid().to_string()),
            traceparent: new.traceparent,
            key: definition.key.as_deref(),
            stack: definition.stack.as_deref(),
            applied_version: new.applied.then_some(1),
            host: definition.request.host(),
            audit_id: is_audited.then(|| AuditId::at(by.at).uuid().to_string()),
            target: new.id.to_string(),
            changed_at: by.at,
            request_id: by.request_id.as_deref(),
            address: by.address.map(|address| address.to_string()),
        }
    }
}

/// As Postgres reads a `bytea`.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Records the executions of new `one_time` jobs, as [`executions::insert_now`](crate::store::executions::insert_now) would: due now by
/// Postgres's clock, and to be published.
macro_rules! insert_runs {
    () => {
        "insert into runs (id, workspace_id, job_id, version, shard, status, source, scheduled_for, due_at, ends_job, traceparent,
                                 depth)
         select execution_id, workspace_id, job_id, version, shard, 'queued', 'one_time', due_at, due_at, true, traceparent, made_at_depth
         from allowed where execution_id is not null"
    };
}

/// `$1` are the jobs, `$2` their workspaces, `$3` the tokens with which they are created. Writes the jobs whose workspace is not deleted
/// and whose token is valid, and keeps both so until the commit: rotating or deleting a token, or deleting a workspace, waits for it.
/// The locks are taken in the order in which a deletion takes them, workspace first. `$locked` says what happens to rows that are locked.
///
/// The rows come as JSON. It costs Postgres as much as one array per column, and columns are matched by name, not by place.
macro_rules! insert_jobs {
    ($locked:literal) => {
        concat!(
            "with new as materialized (
                 select * from json_to_recordset($1::json) as new(
                     job_id uuid, version int, created_at timestamptz, name text, state text, tags text[], kind text, every_seconds int,
                     cron text, timezone text, run_at timestamptz, url text, method text, headers text[], body text, body_is_json boolean,
                     timeout_seconds smallint, success_statuses smallint[], max_attempts smallint, retry_on_statuses smallint[],
                     concurrency_limit int, overlap_policy text, misfire_policy text, catch_up_limit smallint, delivery text,
                     secrets text[], made_at_depth smallint, workspace_id uuid, token_hash bytea, idempotency_key text,
                     request_digest bytea, shard smallint, next_run_at timestamptz, execution_id uuid, traceparent text, key text,
                     stack text, applied_version int, host text, actor text, actor_id uuid, actor_name text, audit_id uuid, target text,
                     changed_at timestamptz, request_id text, address text)),
             active as (
                 select id from workspaces where id = any($2) and deleted_at is null for key share",
            $locked,
            "),
             valid as (
                 select t.hash, t.workspace_id from tokens t join active w on w.id = t.workspace_id
                 where t.hash = any($3) and (t.expires_at is null or t.expires_at > clock_timestamp()) for key share of t",
            $locked,
            "),
             allowed as materialized (
                 select new.*, clock_timestamp() as due_at from new join active on active.id = new.workspace_id
                 where new.token_hash is null
                    or exists (select from valid where valid.hash = new.token_hash and valid.workspace_id = new.workspace_id)),
             identities as (
                 insert into jobs (id, workspace_id, version, name, kind, state, tags, key, stack, applied_version, host, idempotency_key,
                                   request_digest, created_at, updated_at)
                 select job_id, workspace_id, version, name, kind, state, tags, key, stack, applied_version, host, idempotency_key,
                        request_digest, created_at, created_at
                 from allowed),
             versions as (
                 insert into job_versions (job_id, version, created_at, name, state, tags, kind, every_seconds, cron, timezone, run_at,
                                           url, method, headers, body, body_is_json, timeout_seconds, success_statuses, max_attempts,
                                           retry_on_statuses, concurrency_limit, overlap_policy, misfire_policy, catch_up_limit,
                                           delivery, secrets, made_at_depth, actor, actor_id, actor_name)
                 select job_id, version, created_at, name, state, tags, kind, every_seconds, cron, timezone, run_at, url, method, headers,
                        body, body_is_json, timeout_seconds, success_statuses, max_attempts, retry_on_statuses, concurrency_limit,
                        overlap_policy, misfire_policy, catch_up_limit, delivery, secrets, made_at_depth, actor, actor_id, actor_name
                 from allowed),
             paused as (
                 insert into pauses (job_id, workspace_id, paused_at, actor, actor_id, actor_name)
                 select job_id, workspace_id, created_at, actor, actor_id, actor_name from allowed where state = 'paused'),
             audited as (
                 insert into audit_entries (id, workspace_id, created_at, actor, actor_id, actor_name, action, target, target_name,
                                            details, request_id, address)
                 select audit_id, workspace_id, changed_at, actor, actor_id, actor_name, 'job.created', target, name, '{}', request_id,
                        address
                 from allowed where audit_id is not null),
             timers as (
                 insert into job_timers (job_id, workspace_id, shard, version, next_run_at, anchor_at, every_seconds, cron, timezone,
                                         misfire_policy, catch_up_limit)
                 select job_id, workspace_id, shard, version, next_run_at, created_at, every_seconds, cron, timezone, misfire_policy,
                        catch_up_limit
                 from allowed where next_run_at is not null),
             runs as (",
            insert_runs!(),
            ")
             select job_id, execution_id from allowed"
        )
    };
}

/// What happens to the jobs of a workspace, or of a token, that another transaction is deleting.
#[derive(Clone, Copy)]
enum Locked {
    /// They wait for the other transaction, up to `lock_timeout_ms`.
    Wait,
    /// They are left out.
    Skip,
}

async fn insert_rows(
    conn: &mut Conn,
    rows: &[NewJobRow<'_>],
    workspaces: BTreeSet<Uuid>,
    tokens: BTreeSet<&[u8]>,
    locked: Locked,
) -> Result<HashMap<JobId, Option<ExecutionId>>, StoreError> {
    #[derive(QueryableByName)]
    struct Written {
        #[diesel(sql_type = SqlUuid)]
        job_id: Uuid,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        execution_id: Option<Uuid>,
    }
    let rows = serde_json::to_string(rows).map_err(|error| StoreError::Internal(error.to_string()))?;
    let written: Vec<Written> = prepared(
        sql_query(match locked {
            Locked::Wait => insert_jobs!(""),
            Locked::Skip => insert_jobs!(" skip locked"),
        })
        .bind::<Text, _>(rows)
        .bind::<Array<SqlUuid>, _>(Vec::from_iter(workspaces))
        .bind::<Array<Binary>, _>(Vec::from_iter(tokens)),
    )
    .load(conn)
    .await?;
    let id = |row: Written| (JobId::from_uuid(row.job_id), row.execution_id.map(ExecutionId::from_uuid));
    Ok(written.into_iter().map(id).collect())
}

/// Creates jobs of any workspaces in one statement, without waiting for a lock. Returns those that were created, each with its execution, if it has one. Of the others, the workspace or
/// the token does not exist any more, or another transaction is deleting it: [`insert`] waits for that, and says what came of it.
///
/// If any row is refused, none is written.
pub async fn insert_unlocked(
    conn: &mut Conn,
    all: &[(WorkspaceId, NewJob<'_>)],
) -> Result<HashMap<JobId, Option<ExecutionId>>, StoreError> {
    let rows: Vec<_> = all.iter().map(|(workspace, new)| NewJobRow::new(*workspace, new)).collect();
    let workspaces = all.iter().map(|(workspace, _)| workspace.uuid()).collect();
    let tokens = all.iter().filter_map(|(_, new)| new.token_hash).collect();
    insert_rows(conn, &rows, workspaces, tokens, Locked::Skip).await
}

/// Returns their executions, in the same order. [`StoreError::NotFound`] if any of them was not written.
async fn insert_of(
    conn: &mut Conn,
    workspace: WorkspaceId,
    all: &[NewJob<'_>],
) -> Result<Vec<Option<ExecutionId>>, StoreError> {
    let rows: Vec<_> = all.iter().map(|new| NewJobRow::new(workspace, new)).collect();
    let tokens = all.iter().filter_map(|new| new.token_hash).collect();
    let written = insert_rows(conn, &rows, [workspace.uuid()].into(), tokens, Locked::Wait).await?;
    all.iter().map(|new| written.get(&new.id).copied().ok_or(StoreError::NotFound)).collect()
}

/// Creates the job with its first version and its timer. An active `one_time` job gets its execution at once.
///
/// [`StoreError::NotFound`] if the workspace is deleted or the token is not valid any more; [`StoreError::Conflict`] `jobs_idempotency_key`
/// if the workspace already has a job under that key, `jobs_key` if it has a job with the key of the definition, `quota` if it would have more than `max` jobs.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: &NewJob<'_>,
    max: Option<u32>,
) -> Result<Option<ExecutionId>, StoreError> {
    let one = std::slice::from_ref(new);
    let runs = match max {
        None => insert_of(conn, workspace, one).await?,
        Some(_) => insert_all(conn, workspace, one, max).await?,
    };
    Ok(runs.into_iter().next().flatten())
}

/// Rows per statement: few enough to stay far from a timeout.
const INSERT_BATCH: usize = 200;

/// Creates all of the jobs or none, each as [`insert`] would, with their notification rules. Returns the execution of each, in their order.
/// [`StoreError::Conflict`] `channel` if the workspace lacks a channel of the rules.
pub async fn insert_all(
    conn: &mut Conn,
    workspace: WorkspaceId,
    all: &[NewJob<'_>],
    max: Option<u32>,
) -> Result<Vec<Option<ExecutionId>>, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let mut runs = Vec::with_capacity(all.len());
        for batch in all.chunks(INSERT_BATCH) {
            runs.extend(insert_of(conn, workspace, batch).await?);
        }
        let rules = all.iter().flat_map(|new| new.rules.iter().map(|rule| (new.id, *rule)));
        if let Some(first) = all.first() {
            rules::insert_many(conn, workspace, &rules.collect::<Vec<_>>(), first.now).await?;
        }
        quotas::check(conn, workspace, Counted::Jobs, max).await?;
        Ok(runs)
    })
    .await
}
