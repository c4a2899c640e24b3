//! Rules of a workspace: which channel is notified of which events of many jobs. `notifications::of_workspace` applies them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::parse_enum,
    rules::check_channel,
    schema::{channels, workspace_rules},
    workspaces,
};
use crate::domain::{
    audit::{Action, Author},
    id::{ChannelId, RuleId, WorkspaceId},
    notification::{MAX_WORKSPACE_RULES, Rule, Selector, SelectorKind},
};

/// A rule of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRule {
    pub id: RuleId,
    pub channel: ChannelId,
    pub selector: Selector,
    pub rule: Rule,
    pub created_at: DateTime<Utc>,
}

type RuleRow = (Uuid, Uuid, String, Option<String>, String, Option<i16>, DateTime<Utc>);
type RuleColumns = (
    workspace_rules::id,
    workspace_rules::channel_id,
    workspace_rules::selector,
    workspace_rules::value,
    workspace_rules::event,
    workspace_rules::after_failures,
    workspace_rules::created_at,
);
const COLUMNS: RuleColumns = (
    workspace_rules::id,
    workspace_rules::channel_id,
    workspace_rules::selector,
    workspace_rules::value,
    workspace_rules::event,
    workspace_rules::after_failures,
    workspace_rules::created_at,
);

fn rule(row: RuleRow) -> Result<WorkspaceRule, StoreError> {
    let (id, channel, selector, value, event, after_failures, created_at) = row;
    let kind: SelectorKind = parse_enum("workspace_rules.selector", &selector)?;
    Ok(WorkspaceRule {
        id: RuleId::from_uuid(id),
        channel: ChannelId::from_uuid(channel),
        selector: Selector::check(kind, value)
            .map_err(|invalid| StoreError::unreadable("workspace_rules.value", invalid))?,
        rule: Rule {
            event: parse_enum("workspace_rules.event", &event)?,
            after_failures: after_failures.map(i16::unsigned_abs),
        },
        created_at,
    })
}

/// All rules of a workspace, oldest first: at most [`MAX_WORKSPACE_RULES`].
pub async fn list(conn: &mut Conn, workspace: WorkspaceId) -> Result<Vec<WorkspaceRule>, StoreError> {
    let rows: Vec<RuleRow> = workspace_rules::table
        .filter(workspace_rules::workspace_id.eq(workspace.uuid()))
        .order(workspace_rules::id)
        .select(COLUMNS)
        .load(conn)
        .await?;
    rows.into_iter().map(rule).collect()
}

/// [`StoreError::NotFound`] if the workspace has no such rule.
pub async fn get(conn: &mut Conn, workspace: WorkspaceId, id: RuleId) -> Result<WorkspaceRule, StoreError> {
    let row: RuleRow = workspace_rules::table
        .filter(workspace_rules::workspace_id.eq(workspace.uuid()))
        .filter(workspace_rules::id.eq(id.uuid()))
        .select(COLUMNS)
        .first(conn)
        .await?;
    rule(row)
}

/// [`StoreError::Conflict`] `channel` if the workspace has no such channel, `full` if it has [`MAX_WORKSPACE_RULES`] rules already,
/// `workspace_rules_once` if it has the same rule.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: &WorkspaceRule,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        // Serialises concurrent counts.
        workspaces::lock_active(conn, workspace).await?;
        let own = workspace_rules::table.filter(workspace_rules::workspace_id.eq(workspace.uuid()));
        if own.count().get_result::<i64>(conn).await? >= MAX_WORKSPACE_RULES {
            return Err(StoreError::conflict("full"));
        }
        check_channel(conn, workspace, new.channel).await?;
        diesel::insert_into(workspace_rules::table)
            .values((
                workspace_rules::id.eq(new.id.uuid()),
                workspace_rules::workspace_id.eq(workspace.uuid()),
                workspace_rules::created_at.eq(new.created_at),
                values(new),
            ))
            .execute(conn)
            .await?;
        record(conn, workspace, by, Action::RuleCreated, new).await
    })
    .await
}

/// Replaces a rule, except for its id and time. The same conflicts as [`insert`], except `full`.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    changed: &WorkspaceRule,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        if get(conn, workspace, changed.id).await? == *changed {
            return Ok(());
        }
        check_channel(conn, workspace, changed.channel).await?;
        diesel::update(workspace_rules::table.find(changed.id.uuid()))
            .set(values(changed))
            .execute(conn)
            .await?;
        record(conn, workspace, by, Action::RuleChanged, changed).await
    })
    .await
}

/// Its notifications stay in the log, and are still delivered.
pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: RuleId,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        let deleted = get(conn, workspace, id).await?;
        diesel::delete(workspace_rules::table.find(id.uuid())).execute(conn).await?;
        record(conn, workspace, by, Action::RuleDeleted, &deleted).await
    })
    .await
}

/// Whether a rule of the workspace notifies the channel.
pub async fn uses_channel(
    conn: &mut Conn,
    workspace: WorkspaceId,
    channel: ChannelId,
) -> Result<bool, StoreError> {
    let own = workspace_rules::table
        .filter(workspace_rules::workspace_id.eq(workspace.uuid()))
        .filter(workspace_rules::channel_id.eq(channel.uuid()));
    Ok(diesel::select(diesel::dsl::exists(own)).get_result(conn).await?)
}

type Values<'a> = (
    diesel::dsl::Eq<workspace_rules::channel_id, Uuid>,
    diesel::dsl::Eq<workspace_rules::selector, &'static str>,
    diesel::dsl::Eq<workspace_rules::value, Option<&'a str>>,
    diesel::dsl::Eq<workspace_rules::event, &'static str>,
    diesel::dsl::Eq<workspace_rules::after_failures, Option<i16>>,
);

fn values(rule: &WorkspaceRule) -> Values<'_> {
    (
        workspace_rules::channel_id.eq(rule.channel.uuid()),
        workspace_rules::selector.eq(rule.selector.kind().as_str()),
        workspace_rules::value.eq(rule.selector.value()),
        workspace_rules::event.eq(rule.rule.event.as_str()),
        workspace_rules::after_failures.eq(rule.rule.after_failures.map(|after| after as i16)),
    )
}

async fn record(
    conn: &mut Conn,
    workspace: WorkspaceId,
    by: &Author,
    action: Action,
    rule: &WorkspaceRule,
) -> Result<(), StoreError> {
    let channel = channels::table.find(rule.channel.uuid()).select(channels::name);
    let channel: String = channel.first(conn).await?;
    let mut details = vec![
        ("channel", channel.as_str()),
        ("event", rule.rule.event.as_str()),
        ("selector", rule.selector.kind().as_str()),
    ];
    details.extend(rule.selector.value().map(|value| ("value", value)));
    audit::write(conn, workspace, by, action, (rule.id, None), &details).await
}
