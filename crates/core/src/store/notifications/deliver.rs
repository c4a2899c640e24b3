//! Delivery of notifications: an executor claims them for half a minute, attempts them, and records the result.
//!
//! They have neither leases nor dispatch messages. An attempt takes at most ten seconds, so a claim that expires is enough to survive the
//! loss of an executor, and seconds do not matter (docs/decisions/0006). `due_at` is when to act next in every state, including the end of a
//! claim.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    ClaimedNotification,
    row::{ClaimedRow, Id},
};
use crate::{
    domain::{
        attempt::EndedAttempt,
        id::{AccountId, NotificationId, WorkspaceId},
        notification::{CLAIM_TIMEOUT, MAX_ATTEMPTS, NotificationStatus},
    },
    store::{
        Conn, StoreError,
        columns::{micros, millis, text},
        sql::prepared,
    },
};

/// A workspace with notifications that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenWorkspace {
    pub account: AccountId,
    pub workspace: WorkspaceId,
    /// One of them is due.
    pub is_due: bool,
}

/// Up to `limit` workspaces with notifications that have not ended, in the order of their ids, those after `after`. It jumps from one
/// workspace to the next in the index, whatever the number of notifications (Postgres wiki, "Loose indexscan").
pub async fn open_workspaces(
    conn: &mut Conn,
    after: Option<WorkspaceId>,
    limit: i64,
) -> Result<Vec<OpenWorkspace>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        account_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        workspace_id: Uuid,
        #[diesel(sql_type = Bool)]
        is_due: bool,
    }
    let rows: Vec<Row> = prepared(
        sql_query(
            "with recursive open(workspace_id, due_at, n) as (
                 select $1, null::timestamptz, 0::bigint
                 union all
                 select next.workspace_id, next.due_at, open.n + 1
                 from open cross join lateral (
                     select workspace_id, due_at from notifications
                     where finished_at is null and workspace_id > open.workspace_id
                     order by workspace_id, due_at limit 1) next
                 where open.n < $2)
             select coalesce(w.created_by, w.id) as account_id, o.workspace_id,
                    o.due_at <= statement_timestamp() and w.suspended_at is null as is_due
             from open o join workspaces w on w.id = o.workspace_id
             where o.n > 0 order by o.n",
        )
        .bind::<SqlUuid, _>(after.map_or(Uuid::nil(), WorkspaceId::uuid))
        .bind::<BigInt, _>(limit),
    )
    .load(conn)
    .await?;
    let open = |row: Row| OpenWorkspace {
        account: AccountId::from_uuid(row.account_id),
        workspace: WorkspaceId::from_uuid(row.workspace_id),
        is_due: row.is_due,
    };
    Ok(rows.into_iter().map(open).collect())
}

/// The statement of [`claim_due`], for the test of its plan. `statement_timestamp()` is constant within a statement; with
/// `clock_timestamp()`, no index can be searched.
pub const CLAIM_DUE: &str = "with due as (
         select n.* from unnest($1::uuid[], $4::bigint[]) w(id, wanted)
         cross join lateral (
             select id, status, attempt_count, due_at from notifications
             where workspace_id = w.id and finished_at is null and due_at <= statement_timestamp()
               and not exists (select from holds where released_at is null)
               and not exists (select from workspaces s where s.id = w.id and s.suspended_at is not null)
             order by due_at limit w.wanted for update skip locked) n),
     lost as (
         insert into notification_attempts (notification_id, number, status, error_class, error, started_at, total_us)
         select id, attempt_count, 'interrupted', 'executor_lost',
                'The executor that was delivering this stopped before it could record a result; the message may or may not have arrived.',
                due_at - $3 * interval '1 ms', 0
         from due where status = 'running'),
     claimed as (
         update notifications n
         set status = case when d.attempt_count < $2 then 'running' else 'failed' end,
             attempt_count = least(d.attempt_count + 1, $2),
             due_at = clock_timestamp() + $3 * interval '1 ms',
             error_class = case when d.attempt_count >= $2 then 'lost' end,
             finished_at = case when d.attempt_count >= $2 then clock_timestamp() end
         from due d where n.id = d.id returning n.*)
     select n.id, n.workspace_id, n.channel_id, n.attempt_count as number, n.event, n.failures, n.created_at,
            c.name as channel_name, c.version, c.sealed, j.id as job_id, j.name as job_name, e.id as execution_id,
            e.status, e.source, e.scheduled_for, e.started_at, e.finished_at, e.attempt_count, e.error_class,
            greatest(e.depth, v.made_at_depth) as depth, a.status_code, a.error
     from claimed n
     join channels c on c.id = n.channel_id
     left join jobs j on j.id = n.job_id
     left join executions e on e.id = n.execution_id and e.job_id = j.id
     left join job_versions v on v.job_id = e.job_id and v.version = e.version
     left join attempts a on a.execution_id = e.id and a.number = e.attempt_count
     where n.status = 'running'";

/// Claims due notifications of these workspaces, at most as many of each as given, and none while there is a hold. A notification that another executor claimed and did not
/// record in time gets an `interrupted` attempt, and fails when all attempts are used up.
pub async fn claim_due(
    conn: &mut Conn,
    wanted: &[(WorkspaceId, usize)],
) -> Result<Vec<ClaimedNotification>, StoreError> {
    let (workspaces, counts): (Vec<Uuid>, Vec<i64>) =
        wanted.iter().map(|(workspace, count)| (workspace.uuid(), *count as i64)).unzip();
    let rows: Vec<ClaimedRow> = prepared(
        sql_query(CLAIM_DUE)
            .bind::<Array<SqlUuid>, _>(workspaces)
            .bind::<SmallInt, _>(MAX_ATTEMPTS as i16)
            .bind::<BigInt, _>(millis(CLAIM_TIMEOUT))
            .bind::<Array<BigInt>, _>(counts),
    )
    .load(conn)
    .await?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, number) = row.claim();
        match row.into_claimed() {
            Ok(delivery) => deliveries.push(delivery),
            // A newer version of TrigRun wrote it; an executor of that version can read it.
            Err(error) => {
                tracing::error!(%error, notification = %id, "cannot read a notification");
                release(conn, id, number).await?;
            }
        }
    }
    Ok(deliveries)
}

/// Releases a claim of which nothing was sent, as if it had never been made. It is due again in a few seconds.
pub async fn release(conn: &mut Conn, id: NotificationId, number: u16) -> Result<(), StoreError> {
    prepared(
        sql_query(
            "update notifications
             set status = case when attempt_count = 1 then 'queued' else 'retrying' end, attempt_count = attempt_count - 1,
                 due_at = clock_timestamp() + interval '5 s'
             where id = $1 and status = 'running' and attempt_count = $2",
        )
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<SmallInt, _>(number as i16),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An attempt to deliver that ended.
pub struct Delivered {
    pub id: NotificationId,
    pub number: u16,
    pub attempt: EndedAttempt,
}

/// Records an attempt. `false` if the claim had expired or the notification was deleted: another process won.
pub async fn record(conn: &mut Conn, delivered: &Delivered) -> Result<bool, StoreError> {
    let EndedAttempt { outcome, disposition, started_at, ended_at } = &delivered.attempt;
    let rows: Vec<Id> = prepared(
        sql_query(
            "with moved as (
                 update notifications
                 set status = $3, error_class = $4, due_at = coalesce($5, due_at),
                     finished_at = case when $3 <> 'retrying' then $6 end
                 where id = $1 and status = 'running' and attempt_count = $2
                 returning id),
             tries as (
                 insert into notification_attempts (notification_id, number, status, status_code, error_class, error, started_at, total_us)
                 select id, $2, $7, $8, $9, $10, $11, $12 from moved)
             select id from moved",
        )
        .bind::<SqlUuid, _>(delivered.id.uuid())
        .bind::<SmallInt, _>(delivered.number as i16)
        .bind::<Text, _>(NotificationStatus::from(disposition).as_str())
        .bind::<Nullable<Text>, _>(disposition.error_class())
        .bind::<Nullable<Timestamptz>, _>(disposition.due_at())
        .bind::<Timestamptz, _>(ended_at)
        .bind::<Text, _>(outcome.status.as_str())
        .bind::<Nullable<SmallInt>, _>(outcome.status_code.map(|code| code as i16))
        .bind::<Nullable<Text>, _>(outcome.error_class)
        .bind::<Nullable<Text>, _>(outcome.error.as_deref().map(text))
        .bind::<Timestamptz, _>(started_at)
        .bind::<Integer, _>(micros(outcome.timing.total)),
    )
    .load(conn)
    .await?;
    Ok(!rows.is_empty())
}
