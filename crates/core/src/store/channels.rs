//! Channels: sealed destinations under a name. They are opened by an executor only, right before something is sent there.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::parse_enum,
    destination::seal,
    notifications, rules,
    schema::{channels, notification_rules, workspaces},
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

/// What may be known of a channel.
#[derive(Clone, Debug)]
pub struct Channel {
    pub id: ChannelId,
    pub name: String,
    pub kind: ChannelType,
    /// What may be masked of its destination.
    pub masked: Vec<String>,
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

/// What is not given stays.
pub struct ChannelChange<'a> {
    pub name: Option<&'a str>,
    pub destination: Option<(&'a Destination, &'a DataKey)>,
    pub by: &'a Author,
}

/// So many rows are deleted by one transaction.
const BATCH: i64 = 1000;

type ChannelRow = (Uuid, String, String, Vec<String>, DateTime<Utc>, DateTime<Utc>);
type ChannelColumns = (
    channels::id,
    channels::name,
    channels::kind,
    channels::masked,
    channels::created_at,
    channels::updated_at,
);
const COLUMNS: ChannelColumns = (
    channels::id,
    channels::name,
    channels::kind,
    channels::masked,
    channels::created_at,
    channels::updated_at,
);

fn channel((id, name, kind, masked, created_at, updated_at): ChannelRow) -> Result<Channel, StoreError> {
    let kind = parse_enum("channels.kind", &kind)?;
    Ok(Channel { id: ChannelId::from_uuid(id), name, kind, masked, created_at, updated_at })
}

/// [`StoreError::Conflict`] `channels_name` when the name is taken, `full` when there are [`MAX_CHANNELS`] already.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: NewChannel<'_>,
) -> Result<Channel, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // Whoever counts waits for whoever counts.
        workspaces::table
            .find(workspace.uuid())
            .select(workspaces::id)
            .for_no_key_update()
            .first::<Uuid>(conn)
            .await?;
        let there: i64 = channels::table
            .filter(channels::workspace_id.eq(workspace.uuid()))
            .count()
            .get_result(conn)
            .await?;
        if there >= MAX_CHANNELS {
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
        channel(row)
    })
    .await
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

/// What is on its way goes where it was to go; the next attempt goes to the new place.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: ChannelId,
    change: ChannelChange<'_>,
) -> Result<Channel, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_active(conn, workspace).await?;
        let version: i32 = channels::table
            .filter(channels::workspace_id.eq(workspace.uuid()))
            .filter(channels::id.eq(id.uuid()))
            .select(channels::version)
            .for_update()
            .first(conn)
            .await?;
        if let Some(name) = change.name {
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
        let changed = [change.name.map(|_| "name"), change.destination.map(|_| "config")];
        let changed: Vec<&str> = changed.into_iter().flatten().collect();
        if !changed.is_empty() {
            let (target, details) = ((id, Some(row.1.as_str())), changed.join(" "));
            audit::write(
                conn,
                workspace,
                change.by,
                Action::ChannelChanged,
                target,
                &[("changed", &details)],
            )
            .await?;
        }
        channel(row)
    })
    .await
}

/// Jobs with a rule that tells the channel, at most 100.
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

/// With its rules, and with whatever it was still to be told. [`StoreError::Conflict`] `in_use` when there are rules, unless `force`.
pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: ChannelId,
    force: bool,
    by: &Author,
) -> Result<(), StoreError> {
    let Channel { name, .. } = get(conn, workspace, id).await?;
    if force || jobs_using(conn, workspace, id).await?.is_empty() {
        // Most of it in bites, each its own transaction: those who record executions wait for rules.
        while force && rules::drop_of_channel(conn, id, BATCH).await? > 0 {}
        while notifications::drop_open(conn, id, Some(BATCH)).await? > 0 {}
    }
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::lock_active(conn, workspace).await?;
        // Nobody makes a rule from here on.
        let own = channels::table
            .filter(channels::workspace_id.eq(workspace.uuid()))
            .filter(channels::id.eq(id.uuid()));
        own.select(channels::id).for_update().first::<Uuid>(conn).await?;
        if !force && !jobs_using(conn, workspace, id).await?.is_empty() {
            return Err(StoreError::conflict("in_use"));
        }
        // Rules go first: a commit that holds one is waited for, and what it has written is seen below.
        while rules::drop_of_channel(conn, id, BATCH).await? > 0 {}
        diesel::delete(channels::table.find(id.uuid())).execute(conn).await?;
        let details = [("force", if force { "true" } else { "false" })];
        audit::write(conn, workspace, by, Action::ChannelDeleted, (id, Some(&name)), &details).await?;
        notifications::drop_open(conn, id, None).await.map(drop)
    })
    .await
}
