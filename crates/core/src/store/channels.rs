//! Channels: sealed destinations with a name. Only executors open them, directly before they send.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::parse_enum,
    destination::seal,
    notifications,
    quotas::{self, Counted},
    rules,
    schema::{channels, notification_rules, workspaces},
    workspace_rules,
};
use crate::{
    crypto::seal::DataKey,
    domain::{
        audit::{Action, Author},
        channel::{ChannelType, Destination, MAX_CHANNELS},
        id::{ChannelId, JobId, WorkspaceId},
        page::{List, Page},
    },
};

/// A channel without its destination.
#[derive(Clone, Debug)]
pub struct Channel {
    pub id: ChannelId,
    pub name: String,
    pub kind: ChannelType,
    /// What may be shown of its destination; the rest is masked.
    pub masked: Vec<String>,
    pub snoozed_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

pub struct NewChannel<'a> {
    pub id: ChannelId,
    pub name: &'a str,
    pub destination: &'a Destination,
    pub key: &'a DataKey,
    pub by: &'a Author,
}

/// `None` leaves a field as it is.
pub struct ChannelChange<'a> {
    pub name: Option<&'a str>,
    pub destination: Option<(&'a Destination, &'a DataKey)>,
    pub by: &'a Author,
}

/// Rows that one transaction deletes.
const DELETE_BATCH: i64 = 1000;

type ChannelRow = (Uuid, String, String, Vec<String>, Option<DateTime<Utc>>, DateTime<Utc>, DateTime<Utc>);
type ChannelColumns = (
    channels::id,
    channels::name,
    channels::kind,
    channels::masked,
    channels::snoozed_until,
    channels::created_at,
    channels::updated_at,
);
const COLUMNS: ChannelColumns = (
    channels::id,
    channels::name,
    channels::kind,
    channels::masked,
    channels::snoozed_until,
    channels::created_at,
    channels::updated_at,
);

fn channel(row: ChannelRow) -> Result<Channel, StoreError> {
    let (id, name, kind, masked, snoozed_until, created_at, updated_at) = row;
    let kind = parse_enum("channels.kind", &kind)?;
    Ok(Channel { id: ChannelId::from_uuid(id), name, kind, masked, snoozed_until, created_at, updated_at })
}

/// [`StoreError::Conflict`] `channels_name` if the name is taken, `full` if there are [`MAX_CHANNELS`] already, `quota` if there
/// would be more than `max`.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: NewChannel<'_>,
    max: Option<u32>,
) -> Result<Channel, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // Serialises concurrent counts: takes the row lock of the workspace.
        workspaces::table
            .find(workspace.uuid())
            .select(workspaces::id)
            .for_no_key_update()
            .first::<Uuid>(conn)
            .await?;
        let count: i64 = channels::table
            .filter(channels::workspace_id.eq(workspace.uuid()))
            .count()
            .get_result(conn)
            .await?;
        if count >= MAX_CHANNELS {
            return Err(StoreError::conflict("full"));
        }
        let row: ChannelRow = diesel::insert_into(channels::table)
            .values((
                channels::id.eq(new.id.uuid()),
                channels::workspace_id.eq(workspace.uuid()),
                channels::name.eq(new.name),
                channels::kind.eq(new.destination.kind().as_str()),
                channels::version.eq(1),
                channels::sealed.eq(seal(new.id, 1, new.destination, new.key)?),
                channels::masked.eq(new.destination.masked()),
                channels::created_at.eq(new.by.at),
                channels::updated_at.eq(new.by.at),
            ))
            .returning(COLUMNS)
            .get_result(conn)
            .await?;
        let details = [("type", new.destination.kind().as_str())];
        audit::write(conn, workspace, new.by, Action::ChannelCreated, (new.id, Some(new.name)), &details)
            .await?;
        quotas::check(conn, workspace, Counted::Channels, max).await?;
        channel(row)
    })
    .await
}

/// The names of all channels of a workspace, of which there are at most [`MAX_CHANNELS`].
pub async fn names(
    conn: &mut Conn,
    workspace: WorkspaceId,
) -> Result<HashMap<ChannelId, String>, StoreError> {
    let rows: Vec<(Uuid, String)> = channels::table
        .filter(channels::workspace_id.eq(workspace.uuid()))
        .select((channels::id, channels::name))
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|(id, name)| (ChannelId::from_uuid(id), name)).collect())
}

pub async fn get(conn: &mut Conn, workspace: WorkspaceId, id: ChannelId) -> Result<Channel, StoreError> {
    let row: ChannelRow = channels::table
        .filter(channels::workspace_id.eq(workspace.uuid()))
        .filter(channels::id.eq(id.uuid()))
        .select(COLUMNS)
        .first(conn)
        .await?;
    channel(row)
}

/// Newest first.
pub async fn list(conn: &mut Conn, workspace: WorkspaceId, page: Page) -> Result<List<Channel>, StoreError> {
    let rows: Vec<ChannelRow> = channels::table
        .filter(channels::workspace_id.eq(workspace.uuid()))
        .filter(channels::id.lt(page.before.unwrap_or_else(Uuid::max)))
        .order(channels::id.desc())
        .limit(page.limit + 1)
        .select(COLUMNS)
        .load(conn)
        .await?;
    List::from_rows(rows, page, |row| row.0).try_map(channel)
}

/// An attempt in progress still goes to the old destination; the next one goes to the new destination. Without a change, the channel is as it
/// was. A destination always counts as one: the stored one is not opened for a comparison.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: ChannelId,
    change: ChannelChange<'_>,
) -> Result<Channel, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_active(conn, workspace).await?;
        let (version, before): (i32, ChannelRow) = channels::table
            .filter(channels::workspace_id.eq(workspace.uuid()))
            .filter(channels::id.eq(id.uuid()))
            .select((channels::version, COLUMNS))
            .for_update()
            .first(conn)
            .await?;
        let new_name = change.name.filter(|name| *name != before.1);
        if new_name.is_none() && change.destination.is_none() {
            return channel(before);
        }
        if let Some(name) = new_name {
            diesel::update(channels::table.find(id.uuid()))
                .set(channels::name.eq(name))
                .execute(conn)
                .await?;
        }
        if let Some((destination, key)) = change.destination {
            diesel::update(channels::table.find(id.uuid()))
                .set((
                    channels::kind.eq(destination.kind().as_str()),
                    channels::version.eq(version + 1),
                    channels::sealed.eq(seal(id, version + 1, destination, key)?),
                    channels::masked.eq(destination.masked()),
                ))
                .execute(conn)
                .await?;
        }
        let row: ChannelRow = diesel::update(channels::table.find(id.uuid()))
            .set(channels::updated_at.eq(change.by.at))
            .returning(COLUMNS)
            .get_result(conn)
            .await?;
        let changed = [new_name.map(|_| "name"), change.destination.map(|_| "config")];
        let changed: Vec<&str> = changed.into_iter().flatten().collect();
        let (target, details) = ((id, Some(row.1.as_str())), changed.join(" "));
        let details = [("changed", details.as_str())];
        audit::write(conn, workspace, change.by, Action::ChannelChanged, target, &details).await?;
        channel(row)
    })
    .await
}

/// Until then, the channel is not notified of executions; `None` ends it. Notifications that wait already are delivered.
pub async fn snooze(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: ChannelId,
    until: Option<DateTime<Utc>>,
    by: &Author,
) -> Result<Channel, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_active(conn, workspace).await?;
        let own = channels::table
            .filter(channels::workspace_id.eq(workspace.uuid()))
            .filter(channels::id.eq(id.uuid()));
        let before: ChannelRow = own.select(COLUMNS).for_update().first(conn).await?;
        if before.4 == until {
            return channel(before);
        }
        let row: ChannelRow = diesel::update(channels::table.find(id.uuid()))
            .set(channels::snoozed_until.eq(until))
            .returning(COLUMNS)
            .get_result(conn)
            .await?;
        let until = until.map(|until| until.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default();
        let (target, details) = ((id, Some(row.1.as_str())), [("until", until.as_str())]);
        audit::write(conn, workspace, by, Action::ChannelSnoozed, target, &details).await?;
        channel(row)
    })
    .await
}

/// Whether rules notify the channel.
async fn is_used(conn: &mut Conn, workspace: WorkspaceId, id: ChannelId) -> Result<bool, StoreError> {
    Ok(!jobs_using(conn, workspace, id).await?.is_empty()
        || workspace_rules::uses_channel(conn, workspace, id).await?)
}

/// Jobs with a rule that notifies the channel, at most 100.
pub async fn jobs_using(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: ChannelId,
) -> Result<Vec<JobId>, StoreError> {
    let jobs: Vec<Uuid> = notification_rules::table
        .filter(notification_rules::workspace_id.eq(workspace.uuid()))
        .filter(notification_rules::channel_id.eq(id.uuid()))
        .select(notification_rules::job_id)
        .distinct()
        .order(notification_rules::job_id)
        .limit(100)
        .load(conn)
        .await?;
    Ok(jobs.into_iter().map(JobId::from_uuid).collect())
}

/// Deletes the channel with its rules and its undelivered notifications. [`StoreError::Conflict`] `in_use` if there are rules, unless `force`.
pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: ChannelId,
    force: bool,
    by: &Author,
) -> Result<(), StoreError> {
    let Channel { name, .. } = get(conn, workspace, id).await?;
    if force || !is_used(conn, workspace, id).await? {
        // Most of it in batches, each in its own transaction, because recording results waits for the locks of rules.
        while force && rules::drop_of_channel(conn, id, DELETE_BATCH).await? > 0 {}
        while notifications::drop_open(conn, id, Some(DELETE_BATCH)).await? > 0 {}
    }
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_active(conn, workspace).await?;
        // Prevents new rules.
        let own = channels::table
            .filter(channels::workspace_id.eq(workspace.uuid()))
            .filter(channels::id.eq(id.uuid()));
        own.select(channels::id).for_update().first::<Uuid>(conn).await?;
        if !force && is_used(conn, workspace, id).await? {
            return Err(StoreError::conflict("in_use"));
        }
        // Rules first: this waits for commits that hold one, and the last statement sees what they wrote.
        while rules::drop_of_channel(conn, id, DELETE_BATCH).await? > 0 {}
        diesel::delete(channels::table.find(id.uuid())).execute(conn).await?;
        let details = [("force", if force { "true" } else { "false" })];
        audit::write(conn, workspace, by, Action::ChannelDeleted, (id, Some(&name)), &details).await?;
        notifications::drop_open(conn, id, None).await.map(drop)
    })
    .await
}
