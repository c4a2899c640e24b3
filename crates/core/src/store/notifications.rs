//! Notifications: the outbox and the delivery log.
//!
//! The commit that ends an execution writes its notifications, at most one per rule and execution. `deliver` has how they are delivered.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use uuid::Uuid;

mod deliver;
mod last_delivery;
mod of_workspace;
mod purge;
mod row;

pub use deliver::{CLAIM_DUE, Delivered, OpenWorkspace, claim_due, open_workspaces, record, release};
pub use last_delivery::{LAST_DELIVERIES, LastDelivery, last_deliveries};
pub(super) use of_workspace::{Decided, write as write_of_workspaces};
pub use purge::purge_old;
pub(super) use purge::{drop_open, drop_open_of_job, purge_jobs, purge_workspaces};

use super::{
    Conn, StoreError,
    columns::{SearchedRow, parse_enum},
    destination::SealedDestination,
    sql::prepared,
};
use crate::domain::{
    chain::Depth,
    execution::{Source, Status},
    id::{ChannelId, ExecutionId, JobId, NotificationId, WorkspaceId},
    notification::{Notification, NotificationEvent, NotificationStatus, Rule, failures_after},
    page::{List, Page, max_rows_searched},
};
use row::{AttemptRow, EndedRow, NotificationRow};

/// The right and the duty to make attempt `number` to deliver a notification.
pub struct ClaimedNotification {
    pub id: NotificationId,
    pub workspace: WorkspaceId,
    pub channel: ChannelId,
    /// As it may leave TrigRun: [`mask_urls`](crate::domain::redact::urls::mask_urls).
    pub channel_name: String,
    pub destination: SealedDestination,
    pub number: u16,
    pub event: NotificationEvent,
    pub created_at: DateTime<Utc>,
    /// The execution that it is about; `None` in a test, and if the execution has been purged.
    pub subject: Option<Subject>,
}

/// The execution that a notification is about.
#[derive(Clone, Debug)]
pub struct Subject {
    pub job: JobId,
    /// As it may leave TrigRun: [`mask_urls`](crate::domain::redact::urls::mask_urls).
    pub job_name: String,
    pub execution: ExecutionId,
    pub status: Status,
    pub source: Source,
    pub scheduled_for: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub attempt_count: u16,
    /// How deep it is in a chain of runs.
    pub depth: Depth,
    pub error_class: Option<String>,
    /// Of its last attempt.
    pub status_code: Option<u16>,
    pub error: Option<String>,
    /// How many executions had failed in a row: including this one if it failed, before it if it succeeded.
    pub failures: u32,
}

/// Writes the notifications of those of these executions that have ended, in the commit that ends them.
///
/// Rules are always locked in the same order, so that concurrent commits count failures in a row correctly.
pub(super) async fn write(conn: &mut Conn, ended: &[Uuid]) -> Result<(), StoreError> {
    if ended.is_empty() {
        return Ok(());
    }
    let rows: Vec<EndedRow> = prepared(
        sql_query(
            "select r.id as rule_id, r.event, r.after_failures, r.failures, r.channel_id, e.id as execution_id, e.workspace_id,
                    e.job_id, e.status, e.finished_at
             from notification_rules r join executions e on e.job_id = r.job_id
             where e.id = any($1) and e.status in ('succeeded', 'failed')
             order by r.id, e.finished_at, e.id for update of r",
        )
        .bind::<Array<SqlUuid>, _>(ended),
    )
    .load(conn)
    .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut failures: HashMap<Uuid, u32> = HashMap::new();
    let mut notified = Vec::new();
    for row in &rows {
        let before = match (failures.get(&row.rule_id), row.failures) {
            (Some(so_far), _) => *so_far,
            (None, Some(so_far)) => so_far.unsigned_abs(),
            (None, None) => failures_in_a_row(conn, row.job_id, ended).await?,
        };
        let rule = Rule {
            event: parse_enum("notification_rules.event", &row.event)?,
            after_failures: row.after_failures.map(i16::unsigned_abs),
        };
        let succeeded = row.status == Status::Succeeded.as_str();
        let after = failures_after(before, succeeded);
        failures.insert(row.rule_id, after);
        if let Some(event) = rule.event_after(before, succeeded) {
            // A recovery reports the number of failures that it ends.
            let failures = if succeeded { before } else { after };
            notified.push(NewNotification {
                rule: row.rule_id,
                channel: row.channel_id,
                workspace: row.workspace_id,
                job: row.job_id,
                execution: row.execution_id,
                finished_at: row.finished_at,
                event,
                failures,
            });
        }
    }
    for row in &rows {
        if row.failures.is_some_and(|so_far| failures.get(&row.rule_id) == Some(&so_far.unsigned_abs())) {
            failures.remove(&row.rule_id);
        }
    }
    count(conn, &failures).await?;
    insert(conn, &notified).await
}

async fn count(conn: &mut Conn, failures: &HashMap<Uuid, u32>) -> Result<(), StoreError> {
    if failures.is_empty() {
        return Ok(());
    }
    let (rules, failures): (Vec<Uuid>, Vec<i32>) =
        failures.iter().map(|(rule, count)| (*rule, i32::try_from(*count).unwrap_or(i32::MAX))).unzip();
    prepared(
        sql_query(
            "update notification_rules r set failures = n.failures
             from unnest($1::uuid[], $2::int[]) as n(id, failures) where r.id = n.id",
        )
        .bind::<Array<SqlUuid>, _>(rules)
        .bind::<Array<Integer>, _>(failures),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many of the last thousand executions before these failed in a row: a rule may be created while a job fails.
async fn failures_in_a_row(conn: &mut Conn, job: Uuid, before: &[Uuid]) -> Result<u32, StoreError> {
    #[derive(QueryableByName)]
    struct Failures {
        #[diesel(sql_type = BigInt)]
        failures: i64,
    }
    let row: Failures = prepared(
        sql_query(
            "with last as (
                 select id, status from executions
                 where job_id = $1 and status in ('succeeded', 'failed') and id <> all($2) order by id desc limit 1000)
             select count(*) as failures from last
             where not exists (select from last s where s.status = 'succeeded' and s.id >= last.id)",
        )
        .bind::<SqlUuid, _>(job)
        .bind::<Array<SqlUuid>, _>(before),
    )
    .get_result(conn)
    .await?;
    Ok(u32::try_from(row.failures).unwrap_or(u32::MAX))
}

/// A notification of an execution.
pub(super) struct NewNotification {
    pub rule: Uuid,
    pub channel: Uuid,
    pub workspace: Uuid,
    pub job: Uuid,
    pub execution: Uuid,
    pub finished_at: DateTime<Utc>,
    pub event: NotificationEvent,
    pub failures: u32,
}

/// Those of a channel that is snoozed are skipped.
pub(super) async fn insert(conn: &mut Conn, new: &[NewNotification]) -> Result<(), StoreError> {
    fn column<'a, T>(new: &'a [NewNotification], value: impl Fn(&'a NewNotification) -> T) -> Vec<T> {
        new.iter().map(value).collect()
    }
    if new.is_empty() {
        return Ok(());
    }
    prepared(
        sql_query(
            "insert into notifications (id, workspace_id, channel_id, rule_id, job_id, execution_id, event, failures, status,
                                        error_class, due_at, created_at, finished_at)
             select n.id, n.workspace_id, n.channel_id, n.rule_id, n.job_id, n.execution_id, n.event, n.failures,
                    case when s.snoozed then 'skipped' else 'queued' end, case when s.snoozed then 'snoozed' end,
                    clock_timestamp(), n.created_at, case when s.snoozed then clock_timestamp() end
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::int[],
                         $9::timestamptz[])
               as n(id, workspace_id, channel_id, rule_id, job_id, execution_id, event, failures, created_at)
             cross join lateral (
                 select coalesce((select snoozed_until > clock_timestamp() from channels where id = n.channel_id limit 1), false)
                     as snoozed) s
             on conflict on constraint notifications_once do nothing",
        )
        .bind::<Array<SqlUuid>, _>(column(new, |new| NotificationId::at(new.finished_at).uuid()))
        .bind::<Array<SqlUuid>, _>(column(new, |new| new.workspace))
        .bind::<Array<SqlUuid>, _>(column(new, |new| new.channel))
        .bind::<Array<SqlUuid>, _>(column(new, |new| new.rule))
        .bind::<Array<SqlUuid>, _>(column(new, |new| new.job))
        .bind::<Array<SqlUuid>, _>(column(new, |new| new.execution))
        .bind::<Array<Text>, _>(column(new, |new| new.event.as_str()))
        .bind::<Array<Integer>, _>(column(new, |new| i32::try_from(new.failures).unwrap_or(i32::MAX)))
        .bind::<Array<Timestamptz>, _>(column(new, |new| new.finished_at)),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A test message. [`StoreError::NotFound`] without the channel.
pub async fn insert_test(
    conn: &mut Conn,
    workspace: WorkspaceId,
    channel: ChannelId,
    now: DateTime<Utc>,
) -> Result<NotificationId, StoreError> {
    let id = NotificationId::at(now);
    let inserted = prepared(
        sql_query(
            "with channel as (
                 select c.id, c.workspace_id from channels c join workspaces w on w.id = c.workspace_id and w.deleted_at is null
                 where c.workspace_id = $2 and c.id = $3 for key share)
             insert into notifications (id, workspace_id, channel_id, event, failures, status, due_at, created_at)
             select $1, workspace_id, id, 'test', 0, 'queued', clock_timestamp(), $4 from channel",
        )
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(channel.uuid())
        .bind::<Timestamptz, _>(now),
    )
    .execute(conn)
    .await?;
    if inserted == 0 { Err(StoreError::NotFound) } else { Ok(id) }
}

/// Filters of a list. The default matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<NotificationStatus>,
    pub channel: Option<ChannelId>,
    pub job: Option<JobId>,
    pub execution: Option<ExecutionId>,
}

/// A list by its most selective filter, newest first; the other filters apply to those rows. It stops when the page is full or when it has
/// read as many rows as a list may. The row at which it stopped becomes a cursor, so it is never one of another workspace; a channel, a job
/// or an execution has rows of one workspace only. The filters are inside a `case`, so that it reads in order: see `executions::list`.
macro_rules! list_notifications {
    ($of:literal) => {
        concat!(
            "select * from (
                 select n.*, n.number = ",
            max_rows_searched!(),
            " and n.workspace_id = $1 as is_last,
                        workspace_id = $1
                        and case when status = $2 then true else $2::text is null end
                        and case when channel_id = $3 then true else $3::uuid is null end
                        and case when job_id = $4 then true else $4::uuid is null end
                        and case when execution_id = $5 then true else $5::uuid is null end as matches
                 from (
                     select n.*, row_number() over () as number from (
                         select id, workspace_id, channel_id, rule_id, job_id, execution_id, event, status, due_at, error_class, created_at,
                                finished_at
                         from notifications where ",
            $of,
            " limit ",
            max_rows_searched!(),
            ") n) n) n
             where matches or is_last limit $7"
        )
    };
}

/// The statements of [`list`], for the test of their plans.
pub const LISTS: [&str; 4] = [
    list_notifications!(
        "(workspace_id, id) < ($1, $6) and workspace_id >= $1 order by workspace_id desc, id desc"
    ),
    list_notifications!("(channel_id, id) < ($3, $6) and channel_id >= $3 order by channel_id desc, id desc"),
    list_notifications!(
        "(job_id, id) < ($4, $6) and job_id >= $4 and job_id is not null order by job_id desc, id desc"
    ),
    // An execution has few.
    list_notifications!(
        "(execution_id, id) < ($5, $6) and execution_id >= $5 order by execution_id desc, id desc"
    ),
];

/// Newest first, each with its attempts. A page may be short, or even empty, and have a next one: see [`MAX_ROWS_SEARCHED`].
///
/// [`MAX_ROWS_SEARCHED`]: crate::domain::page::MAX_ROWS_SEARCHED
pub async fn list(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    page: Page,
) -> Result<List<Notification>, StoreError> {
    let statement = match filter {
        Filter { execution: Some(_), .. } => LISTS[3],
        Filter { job: Some(_), .. } => LISTS[2],
        Filter { channel: Some(_), .. } => LISTS[1],
        _ => LISTS[0],
    };
    let rows: Vec<SearchedRow<NotificationRow>> = prepared(
        sql_query(statement)
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<Nullable<Text>, _>(filter.status.map(NotificationStatus::as_str))
            .bind::<Nullable<SqlUuid>, _>(filter.channel.map(ChannelId::uuid))
            .bind::<Nullable<SqlUuid>, _>(filter.job.map(JobId::uuid))
            .bind::<Nullable<SqlUuid>, _>(filter.execution.map(ExecutionId::uuid))
            .bind::<SqlUuid, _>(page.before.unwrap_or_else(Uuid::max))
            .bind::<BigInt, _>(page.limit + 1),
    )
    .load(conn)
    .await?;
    let rows = rows.into_iter().map(Into::into).collect();
    let mut list = List::from_search(rows, page.limit, NotificationRow::id)
        .try_map(NotificationRow::into_notification)?;
    with_attempts(conn, &mut list.data).await?;
    Ok(list)
}

/// With its attempts.
pub async fn get(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: NotificationId,
) -> Result<Notification, StoreError> {
    let row: NotificationRow = prepared(
        sql_query(
            "select id, channel_id, rule_id, job_id, execution_id, event, status, due_at, error_class, created_at, finished_at
             from notifications where workspace_id = $1 and id = $2",
        )
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<SqlUuid, _>(id.uuid()),
    )
    .get_result(conn)
    .await?;
    let mut one = [row.into_notification()?];
    with_attempts(conn, &mut one).await?;
    let [notification] = one;
    Ok(notification)
}

async fn with_attempts(conn: &mut Conn, notifications: &mut [Notification]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = notifications.iter().map(|notification| notification.id.uuid()).collect();
    let rows: Vec<AttemptRow> = prepared(
        // Columns are named, so that a column that a later version of TrigRun adds does not break running processes.
        sql_query(
            "select notification_id, number, status, status_code, error_class, error, started_at, total_us
             from notification_attempts where notification_id = any($1) order by number",
        )
        .bind::<Array<SqlUuid>, _>(ids),
    )
    .load(conn)
    .await?;
    let mut of: HashMap<Uuid, Vec<AttemptRow>> = HashMap::new();
    for row in rows {
        of.entry(row.notification_id).or_default().push(row);
    }
    for notification in notifications {
        let attempts = of.remove(&notification.id.uuid()).unwrap_or_default();
        notification.attempts =
            attempts.into_iter().map(AttemptRow::into_attempt).collect::<Result<_, _>>()?;
    }
    Ok(())
}
