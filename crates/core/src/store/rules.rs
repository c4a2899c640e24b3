//! Rules: which channel is notified of which events of a job. Each rule keeps how many executions have failed in a row.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    Conn, StoreError,
    columns::parse_enum,
    schema::{channels, jobs, notification_rules},
    sql::prepared,
};
use crate::domain::{
    id::{ChannelId, JobId, RuleId, WorkspaceId},
    notification::{ChannelRule, MAX_RULES, Rule},
};

/// A rule of a job.
#[derive(Clone, Debug)]
pub struct JobRule {
    pub id: RuleId,
    pub channel: ChannelId,
    pub rule: Rule,
    pub created_at: DateTime<Utc>,
}

pub struct NewRule {
    pub id: RuleId,
    pub channel: ChannelId,
    pub rule: Rule,
    pub now: DateTime<Utc>,
}

/// [`StoreError::Conflict`] `channel` if the workspace has no such channel, `full` if the job has [`MAX_RULES`] rules already,
/// `notification_rules_once` if it has the same rule.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    new: &NewRule,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        lock_job(conn, workspace, job).await?;
        let of_job = notification_rules::table.filter(notification_rules::job_id.eq(job.uuid()));
        if of_job.count().get_result::<i64>(conn).await? >= MAX_RULES {
            return Err(StoreError::conflict("full"));
        }
        check_channel(conn, workspace, new.channel).await?;
        diesel::insert_into(notification_rules::table)
            .values((
                notification_rules::id.eq(new.id.uuid()),
                notification_rules::workspace_id.eq(workspace.uuid()),
                notification_rules::job_id.eq(job.uuid()),
                notification_rules::channel_id.eq(new.channel.uuid()),
                notification_rules::event.eq(new.rule.event.as_str()),
                notification_rules::after_failures.eq(new.rule.after_failures.map(|after| after as i16)),
                notification_rules::created_at.eq(new.now),
            ))
            .execute(conn)
            .await?;
        Ok(())
    })
    .await
}

#[diesel::dsl::auto_type]
fn in_workspace(workspace: WorkspaceId, job: JobId) -> _ {
    let (workspace, job): (Uuid, Uuid) = (workspace.uuid(), job.uuid());
    jobs::table.filter(jobs::workspace_id.eq(workspace)).filter(jobs::id.eq(job))
}

/// All rules of a job, oldest first.
pub async fn list(conn: &mut Conn, workspace: WorkspaceId, job: JobId) -> Result<Vec<JobRule>, StoreError> {
    in_workspace(workspace, job).select(jobs::id).first::<Uuid>(conn).await?;
    Ok(of_jobs(conn, workspace, &[job]).await?.remove(&job).unwrap_or_default())
}

/// The rules of these jobs, oldest first. A job that the workspace does not have, or that has no rules, is absent.
pub async fn of_jobs(
    conn: &mut Conn,
    workspace: WorkspaceId,
    jobs: &[JobId],
) -> Result<HashMap<JobId, Vec<JobRule>>, StoreError> {
    let rows: Vec<RuleRow> = notification_rules::table
        .filter(notification_rules::job_id.eq_any(jobs.iter().map(|job| job.uuid())))
        .filter(notification_rules::workspace_id.eq(workspace.uuid()))
        .order(notification_rules::id)
        .select(RULE_COLUMNS)
        .load(conn)
        .await?;
    let mut rules: HashMap<JobId, Vec<JobRule>> = HashMap::new();
    for (job, row) in rows {
        rules.entry(JobId::from_uuid(job)).or_default().push(job_rule(row)?);
    }
    Ok(rules)
}

type RuleColumns = (
    notification_rules::id,
    notification_rules::channel_id,
    notification_rules::event,
    notification_rules::after_failures,
    notification_rules::created_at,
);
type JobRuleRow = (Uuid, Uuid, String, Option<i16>, DateTime<Utc>);
type RuleRow = (Uuid, JobRuleRow);
const RULE_COLUMNS: (notification_rules::job_id, RuleColumns) = (
    notification_rules::job_id,
    (
        notification_rules::id,
        notification_rules::channel_id,
        notification_rules::event,
        notification_rules::after_failures,
        notification_rules::created_at,
    ),
);

fn job_rule((id, channel, event, after_failures, created_at): JobRuleRow) -> Result<JobRule, StoreError> {
    Ok(JobRule {
        id: RuleId::from_uuid(id),
        channel: ChannelId::from_uuid(channel),
        rule: Rule {
            event: parse_enum("notification_rules.event", &event)?,
            after_failures: after_failures.map(i16::unsigned_abs),
        },
        created_at,
    })
}

/// Gives the job these rules and no others. A rule that it has already stays, with its count of failures. [`StoreError::NotFound`] without the
/// job, [`StoreError::Conflict`] `channel` if the workspace lacks one of the channels, `version` if others change the rules at the same time. The
/// caller checks that there are at most [`MAX_RULES`], each once.
pub async fn replace(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    wanted: &[ChannelRule],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        in_workspace(workspace, job).select(jobs::id).first::<Uuid>(conn).await?;
        // Before the job: in the order in which results are recorded, to avoid deadlocks.
        let locked = lock_of_job(conn, job).await?;
        lock_job(conn, workspace, job).await?;
        write(conn, workspace, job, (&locked, wanted), now).await
    })
    .await
}

/// As [`replace`], in a transaction that has locked first the rules, which are `locked`, and then the job.
pub(super) async fn write(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    (locked, wanted): (&[Uuid], &[ChannelRule]),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let present = of_jobs(conn, workspace, &[job]).await?.remove(&job).unwrap_or_default();
    // It was inserted while this transaction waited for the job.
    if present.iter().any(|rule| !locked.contains(&rule.id.uuid())) {
        return Err(StoreError::conflict("version"));
    }
    let is_wanted = |rule: &JobRule| wanted.contains(&(rule.channel, rule.rule));
    let removed = present.iter().filter(|rule| !is_wanted(rule)).map(|rule| rule.id.uuid());
    diesel::delete(notification_rules::table)
        .filter(notification_rules::id.eq_any(removed))
        .execute(conn)
        .await?;
    let is_present = |(channel, rule): &ChannelRule| {
        present.iter().any(|present| (present.channel, present.rule) == (*channel, *rule))
    };
    let added: Vec<_> = wanted.iter().filter(|rule| !is_present(rule)).map(|rule| (job, *rule)).collect();
    insert_many(conn, workspace, &added, now).await
}

/// Inserts rules of one or many jobs. [`StoreError::Conflict`] `channel` if the workspace lacks one of the channels.
pub(super) async fn insert_many(
    conn: &mut Conn,
    workspace: WorkspaceId,
    rules: &[(JobId, ChannelRule)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if rules.is_empty() {
        return Ok(());
    }
    // Ids are a microsecond apart, so that lists show the rules of a job in this order.
    let id = |index: usize| RuleId::at(now + TimeDelta::microseconds(index as i64)).uuid();
    let ids: Vec<Uuid> = (0..rules.len()).map(id).collect();
    let jobs: Vec<Uuid> = rules.iter().map(|(job, _)| job.uuid()).collect();
    let channels: Vec<Uuid> = rules.iter().map(|(_, (channel, _))| channel.uuid()).collect();
    let events: Vec<&str> = rules.iter().map(|(_, (_, rule))| rule.event.as_str()).collect();
    let after: Vec<Option<i16>> =
        rules.iter().map(|(_, (_, rule))| rule.after_failures.map(|after| after as i16)).collect();
    let inserted = prepared(
        sql_query(
            "with own as (select id from channels where workspace_id = $1 and id = any($4) for key share)
             insert into notification_rules (id, workspace_id, job_id, channel_id, event, after_failures, created_at)
             select n.id, $1, n.job_id, n.channel_id, n.event, n.after_failures, $7
             from unnest($2, $3, $4, $5, $6) as n(id, job_id, channel_id, event, after_failures) join own on own.id = n.channel_id",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<SqlUuid>, _>(jobs)
        .bind::<Array<SqlUuid>, _>(channels)
        .bind::<Array<Text>, _>(events)
        .bind::<Array<Nullable<SmallInt>>, _>(after)
        .bind::<Timestamptz, _>(now),
    )
    .execute(conn)
    .await?;
    if inserted == rules.len() { Ok(()) } else { Err(StoreError::conflict("channel")) }
}

/// Serialises concurrent changes of the rules of a job: takes the row lock of the job.
async fn lock_job(conn: &mut Conn, workspace: WorkspaceId, job: JobId) -> Result<(), StoreError> {
    in_workspace(workspace, job).select(jobs::id).for_no_key_update().first::<Uuid>(conn).await?;
    Ok(())
}

/// [`StoreError::NotFound`] if the job has no such rule.
pub async fn get(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    id: RuleId,
) -> Result<JobRule, StoreError> {
    list(conn, workspace, job).await?.into_iter().find(|rule| rule.id == id).ok_or(StoreError::NotFound)
}

/// Replaces a rule, except for its id, its time and its count of failures. [`StoreError::Conflict`] `channel` or
/// `notification_rules_once` as for [`insert`].
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    changed: &JobRule,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        check_channel(conn, workspace, changed.channel).await?;
        let updated = diesel::update(notification_rules::table)
            .filter(notification_rules::workspace_id.eq(workspace.uuid()))
            .filter(notification_rules::job_id.eq(job.uuid()))
            .filter(notification_rules::id.eq(changed.id.uuid()))
            .set((
                notification_rules::channel_id.eq(changed.channel.uuid()),
                notification_rules::event.eq(changed.rule.event.as_str()),
                notification_rules::after_failures.eq(changed.rule.after_failures.map(|after| after as i16)),
            ))
            .execute(conn)
            .await?;
        if updated == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    })
    .await
}

/// [`StoreError::Conflict`] `channel` if the workspace has no such channel.
pub(super) async fn check_channel(
    conn: &mut Conn,
    workspace: WorkspaceId,
    channel: ChannelId,
) -> Result<(), StoreError> {
    let own = channels::table
        .filter(channels::workspace_id.eq(workspace.uuid()))
        .filter(channels::id.eq(channel.uuid()));
    let found = own.select(channels::id).first::<Uuid>(conn).await.optional()?;
    found.map(drop).ok_or_else(|| StoreError::conflict("channel"))
}

/// Its notifications stay in the log, and are still delivered.
pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    id: RuleId,
) -> Result<(), StoreError> {
    let deleted = diesel::delete(notification_rules::table)
        .filter(notification_rules::workspace_id.eq(workspace.uuid()))
        .filter(notification_rules::job_id.eq(job.uuid()))
        .filter(notification_rules::id.eq(id.uuid()))
        .execute(conn)
        .await?;
    if deleted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Locks a job's rules in the order in which recorded results lock them, and returns their ids.
pub(super) async fn lock_of_job(conn: &mut Conn, job: JobId) -> Result<Vec<Uuid>, StoreError> {
    Ok(notification_rules::table
        .filter(notification_rules::job_id.eq(job.uuid()))
        .order(notification_rules::id)
        .select(notification_rules::id)
        .for_update()
        .load(conn)
        .await?)
}

/// Deletes up to `limit` rules of a channel, in the order in which recorded results lock them; returns how many.
pub(super) async fn drop_of_channel(
    conn: &mut Conn,
    channel: ChannelId,
    limit: i64,
) -> Result<usize, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let some: Vec<Uuid> = notification_rules::table
            .filter(notification_rules::channel_id.eq(channel.uuid()))
            .order(notification_rules::id)
            .limit(limit)
            .select(notification_rules::id)
            .for_update()
            .load(conn)
            .await?;
        Ok(diesel::delete(notification_rules::table)
            .filter(notification_rules::id.eq_any(some))
            .execute(conn)
            .await?)
    })
    .await
}
