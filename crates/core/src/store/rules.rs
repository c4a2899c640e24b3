//! Rules: which channel is notified of which events of a job. Each rule keeps how many executions have failed in a row.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    Conn, StoreError,
    columns::parse_enum,
    schema::{channels, jobs, notification_rules},
};
use crate::domain::{
    id::{ChannelId, JobId, RuleId, WorkspaceId},
    notification::{MAX_RULES, Rule},
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
        insert_row(conn, workspace, job, new).await
    })
    .await
}

/// All rules of a job, oldest first.
pub async fn list(conn: &mut Conn, workspace: WorkspaceId, job: JobId) -> Result<Vec<JobRule>, StoreError> {
    let in_workspace =
        jobs::table.filter(jobs::workspace_id.eq(workspace.uuid())).filter(jobs::id.eq(job.uuid()));
    in_workspace.select(jobs::id).first::<Uuid>(conn).await?;
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
/// job, [`StoreError::Conflict`] `channel` if the workspace lacks one of the channels. The caller checks that there are at most [`MAX_RULES`],
/// each once.
pub async fn replace(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    wanted: &[(ChannelId, Rule)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // In the order in which results are recorded, to avoid deadlocks.
        lock_of_job(conn, job).await?;
        lock_job(conn, workspace, job).await?;
        let present = of_jobs(conn, workspace, &[job]).await?.remove(&job).unwrap_or_default();
        let is_wanted = |rule: &JobRule| wanted.contains(&(rule.channel, rule.rule));
        let removed = present.iter().filter(|rule| !is_wanted(rule)).map(|rule| rule.id.uuid());
        diesel::delete(notification_rules::table)
            .filter(notification_rules::id.eq_any(removed))
            .execute(conn)
            .await?;
        let is_present = |(channel, rule): &(ChannelId, Rule)| {
            present.iter().any(|present| (present.channel, present.rule) == (*channel, *rule))
        };
        for (index, (channel, rule)) in wanted.iter().filter(|wanted| !is_present(wanted)).enumerate() {
            check_channel(conn, workspace, *channel).await?;
            // Ids are a microsecond apart, so that lists show the rules in this order.
            let id = RuleId::at(now + TimeDelta::microseconds(index as i64));
            insert_row(conn, workspace, job, &NewRule { id, channel: *channel, rule: *rule, now }).await?;
        }
        Ok(())
    })
    .await
}

/// Serialises concurrent changes of the rules of a job: takes the row lock of the job.
async fn lock_job(conn: &mut Conn, workspace: WorkspaceId, job: JobId) -> Result<(), StoreError> {
    let in_workspace =
        jobs::table.filter(jobs::workspace_id.eq(workspace.uuid())).filter(jobs::id.eq(job.uuid()));
    in_workspace.select(jobs::id).for_no_key_update().first::<Uuid>(conn).await?;
    Ok(())
}

async fn insert_row(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    new: &NewRule,
) -> Result<(), StoreError> {
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

/// Locks a job's rules in the order in which recorded results lock them.
pub(super) async fn lock_of_job(conn: &mut Conn, job: JobId) -> Result<(), StoreError> {
    notification_rules::table
        .filter(notification_rules::job_id.eq(job.uuid()))
        .order(notification_rules::id)
        .select(notification_rules::id)
        .for_update()
        .load::<Uuid>(conn)
        .await?;
    Ok(())
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
