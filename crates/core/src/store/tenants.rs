//! Tenants: workspaces as operators see them, and what operators do to them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Conn, StoreError, audit, operator_audit, schema::workspaces, workspaces::PlanColumns};
use crate::domain::{
    audit::Action,
    id::{UserId, WorkspaceId},
    operator::{OperatorAction, OperatorAuthor},
    page::{List, MAX_ROWS_SEARCHED, Page, Searched},
    workspace::{OwnLimits, Suspension, Workspace, WorkspacePlan},
};

/// A workspace as operators see it.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub workspace: Workspace,
    pub plan: WorkspacePlan,
    pub created_at: DateTime<Utc>,
    /// `None` if an operator created it.
    pub created_by: Option<UserId>,
    pub suspension: Option<Suspension>,
}

/// Filters of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A part of the name, in upper or lower case.
    pub name: Option<String>,
    pub plan: Option<String>,
    pub created_by: Option<UserId>,
    pub only_suspended: bool,
}

impl Filter {
    fn matches(&self, tenant: &Tenant) -> bool {
        let name = tenant.workspace.name.to_lowercase();
        self.name.as_ref().is_none_or(|part| name.contains(&part.to_lowercase()))
            && self.plan.as_ref().is_none_or(|plan| *plan == tenant.plan.name)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = workspaces)]
struct TenantRow {
    id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
    created_by: Option<Uuid>,
    suspended_at: Option<DateTime<Utc>>,
    suspended_reason: Option<String>,
    #[diesel(embed)]
    plan: PlanColumns,
}

fn tenant(row: TenantRow) -> Tenant {
    Tenant {
        workspace: Workspace { id: WorkspaceId::from_uuid(row.id), name: row.name },
        plan: row.plan.into(),
        created_at: row.created_at,
        created_by: row.created_by.map(UserId::from_uuid),
        suspension: Suspension::of(row.suspended_at, row.suspended_reason),
    }
}

/// Newest first. A page may be short, or even empty, and have a next one: see [`MAX_ROWS_SEARCHED`].
pub async fn list(conn: &mut Conn, filter: &Filter, page: Page) -> Result<List<Tenant>, StoreError> {
    // What the statement itself cannot find is searched for in these rows.
    let is_search = filter.name.is_some() || filter.plan.is_some();
    let mut query = workspaces::table
        .filter(workspaces::deleted_at.is_null())
        .filter(workspaces::id.lt(page.before.unwrap_or(Uuid::max())))
        .order(workspaces::id.desc())
        .limit(if is_search { MAX_ROWS_SEARCHED } else { page.limit + 1 })
        .select(TenantRow::as_select())
        .into_boxed();
    if let Some(user) = filter.created_by {
        query = query.filter(workspaces::created_by.eq(user.uuid()));
    }
    if filter.only_suspended {
        query = query.filter(workspaces::suspended_at.is_not_null());
    }
    let rows: Vec<TenantRow> = query.load(conn).await?;
    let searched = |(index, row): (usize, TenantRow)| {
        let row = tenant(row);
        Searched { matches: filter.matches(&row), is_last: index as i64 + 1 == MAX_ROWS_SEARCHED, row }
    };
    let rows = rows.into_iter().enumerate().map(searched).collect();
    Ok(List::from_search(rows, page.limit, |tenant: &Tenant| tenant.workspace.id.uuid()))
}

pub async fn get(conn: &mut Conn, workspace: WorkspaceId) -> Result<Tenant, StoreError> {
    let row = workspaces::table
        .find(workspace.uuid())
        .filter(workspaces::deleted_at.is_null())
        .select(TenantRow::as_select())
        .first::<TenantRow>(conn)
        .await?;
    Ok(tenant(row))
}

/// Locks the workspace against other changes until the transaction ends.
async fn lock(conn: &mut Conn, workspace: WorkspaceId) -> Result<Tenant, StoreError> {
    let row = workspaces::table
        .find(workspace.uuid())
        .filter(workspaces::deleted_at.is_null())
        .select(TenantRow::as_select())
        .for_no_key_update()
        .first::<TenantRow>(conn)
        .await?;
    Ok(tenant(row))
}

/// Creates a workspace of the operator.
pub async fn insert(conn: &mut Conn, workspace: &Workspace, by: &OperatorAuthor) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        super::workspaces::insert(conn, workspace, &by.author()).await?;
        let target = (workspace.id, Some(workspace.name.as_str()));
        operator_audit::write(conn, by, OperatorAction::WorkspaceCreated, target, &[]).await
    })
    .await
}

/// Assigns a plan. A workspace that has it already is unchanged.
pub async fn set_plan(
    conn: &mut Conn,
    workspace: WorkspaceId,
    plan: &str,
    by: &OperatorAuthor,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let previous = lock(conn, workspace).await?;
        if previous.plan.name == plan {
            return Ok(());
        }
        diesel::update(workspaces::table.find(workspace.uuid()))
            .set(workspaces::plan.eq(plan))
            .execute(conn)
            .await?;
        let target = (workspace, Some(previous.workspace.name.as_str()));
        let details = [("plan", plan), ("previous_plan", previous.plan.name.as_str())];
        audit::write(conn, workspace, &by.author(), Action::WorkspacePlanChanged, target, &details).await?;
        operator_audit::write(conn, by, OperatorAction::WorkspacePlanChanged, target, &details).await
    })
    .await
}

/// Gives a workspace limits of its own. They replace those that it had. A workspace that has them already is unchanged.
pub async fn set_limits(
    conn: &mut Conn,
    workspace: WorkspaceId,
    own: &OwnLimits,
    by: &OperatorAuthor,
) -> Result<(), StoreError> {
    let column = |limit: Option<u32>| limit.and_then(|limit| i32::try_from(limit).ok());
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let tenant = lock(conn, workspace).await?;
        let previous = tenant.plan.own;
        if previous == *own {
            return Ok(());
        }
        diesel::update(workspaces::table.find(workspace.uuid()))
            .set((
                workspaces::max_jobs.eq(column(own.jobs)),
                workspaces::max_tokens.eq(column(own.tokens)),
                workspaces::max_executions_per_minute.eq(column(own.executions_per_minute)),
                workspaces::max_members.eq(column(own.members)),
                workspaces::max_channels.eq(column(own.channels)),
            ))
            .execute(conn)
            .await?;
        let as_in_plan = || "plan".to_owned();
        let text = |limit: Option<u32>| limit.map_or_else(as_in_plan, |limit| limit.to_string());
        let both = own.named().into_iter().zip(previous.named());
        let changed = both.filter(|((_, limit), (_, previous))| limit != previous);
        let changed = changed.flat_map(|((name, limit), (_, previous))| {
            [(name.to_owned(), text(limit)), (format!("previous_{name}"), text(previous))]
        });
        let changed: Vec<_> = changed.collect();
        let details: Vec<_> = changed.iter().map(|(name, limit)| (name.as_str(), limit.as_str())).collect();
        let target = (workspace, Some(tenant.workspace.name.as_str()));
        audit::write(conn, workspace, &by.author(), Action::WorkspaceLimitsChanged, target, &details).await?;
        operator_audit::write(conn, by, OperatorAction::WorkspaceLimitsChanged, target, &details).await
    })
    .await
}

/// Suspends a workspace. Its members see the reason. `false`, and nothing changes, if it is suspended already.
pub async fn suspend(
    conn: &mut Conn,
    workspace: WorkspaceId,
    by: &OperatorAuthor,
) -> Result<bool, StoreError> {
    set_suspension(conn, workspace, true, by).await
}

/// Ends a suspension. `false` if there is none.
pub async fn resume(
    conn: &mut Conn,
    workspace: WorkspaceId,
    by: &OperatorAuthor,
) -> Result<bool, StoreError> {
    set_suspension(conn, workspace, false, by).await
}

async fn set_suspension(
    conn: &mut Conn,
    workspace: WorkspaceId,
    suspended: bool,
    by: &OperatorAuthor,
) -> Result<bool, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let Tenant { workspace: Workspace { name, .. }, suspension, .. } = lock(conn, workspace).await?;
        if suspension.is_some() == suspended {
            return Ok(false);
        }
        let reason = suspended.then_some(by.reason.as_str());
        diesel::update(workspaces::table.find(workspace.uuid()))
            .set((
                workspaces::suspended_at.eq(suspended.then_some(by.at)),
                workspaces::suspended_reason.eq(reason),
            ))
            .execute(conn)
            .await?;
        let (action, of_operator) = match suspended {
            true => (Action::WorkspaceSuspended, OperatorAction::WorkspaceSuspended),
            false => (Action::WorkspaceResumed, OperatorAction::WorkspaceResumed),
        };
        let target = (workspace, Some(name.as_str()));
        let details: Vec<_> = reason.map(|reason| ("reason", reason)).into_iter().collect();
        audit::write(conn, workspace, &by.author(), action, target, &details).await?;
        operator_audit::write(conn, by, of_operator, target, &[]).await?;
        Ok(true)
    })
    .await
}

/// Deletes a workspace, as its owner can.
pub async fn delete(conn: &mut Conn, workspace: WorkspaceId, by: &OperatorAuthor) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let tenant = get(conn, workspace).await?;
        super::workspaces::delete(conn, workspace, by.at).await?;
        let target = (workspace, Some(tenant.workspace.name.as_str()));
        operator_audit::write(conn, by, OperatorAction::WorkspaceDeleted, target, &[]).await
    })
    .await
}
