//! API tokens: stored and found by the digest of their secret.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::parse_enums,
    operator_audit,
    quotas::{self, Counted},
    rights::{self, Loss},
    schema::{self, tokens},
    workspaces::{self, PlanColumns},
};
use crate::domain::{
    access::{Grant, Scope},
    audit::{Action, Author},
    id::{AccountId, TokenId, UserId, WorkspaceId},
    operator::{OperatorAction, OperatorAuthor},
    page::{List, Page},
    rights::{Giver, Rights},
    workspace::Suspension,
};

/// Here, `workspaces` is the table.
mod joins {
    use crate::store::schema::{tokens, workspaces};

    diesel::joinable!(tokens -> workspaces (workspace_id));
    diesel::allow_tables_to_appear_in_same_query!(tokens, workspaces);
}

pub struct NewToken<'a> {
    pub id: TokenId,
    pub name: &'a str,
    /// SHA-256 of the secret.
    pub hash: &'a [u8],
    pub scopes: &'a [Scope],
    pub expires_at: Option<DateTime<Utc>>,
    /// Who creates it. The token is deleted when the giver may no longer give its scopes.
    pub giver: &'a Giver,
}

/// [`StoreError::NotFound`] without the workspace, or if the giver may not give these scopes, until then; [`StoreError::Conflict`] `quota` if
/// the workspace would have more than `max` tokens.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    token: NewToken<'_>,
    by: &Author,
    max: Option<u32>,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_rights(conn, workspace).await?;
        let wanted = Rights::of_token(token.scopes, token.expires_at);
        rights::check(conn, workspace, token.giver, &wanted, token.expires_at).await?;
        insert_row(conn, workspace, &token).await?;
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let expires_at = token.expires_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
        let mut details = vec![("scopes", scopes.join(" "))];
        details.extend(expires_at.map(|at| ("expires_at", at)));
        let details: Vec<_> = details.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let target = (token.id, Some(token.name));
        audit::write(conn, workspace, by, Action::TokenCreated, target, &details).await?;
        quotas::check(conn, workspace, Counted::Tokens, max).await
    })
    .await
}

/// For operators: as [`insert`], without a quota.
pub async fn insert_by_operator(
    conn: &mut Conn,
    workspace: WorkspaceId,
    token: NewToken<'_>,
    by: &OperatorAuthor,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let (id, name) = (token.id, token.name);
        insert(conn, workspace, token, &by.author(), None).await?;
        let details = [("workspace", &*workspace.to_string())];
        operator_audit::write(conn, by, OperatorAction::TokenCreated, (id, Some(name)), &details).await
    })
    .await
}

async fn insert_row(conn: &mut Conn, workspace: WorkspaceId, token: &NewToken<'_>) -> Result<(), StoreError> {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    diesel::insert_into(tokens::table)
        .values((
            tokens::id.eq(token.id.uuid()),
            tokens::workspace_id.eq(workspace.uuid()),
            tokens::name.eq(token.name),
            tokens::hash.eq(token.hash),
            tokens::scopes.eq(scopes),
            tokens::expires_at.eq(token.expires_at),
            tokens::created_by.eq(token.giver.user().map(UserId::uuid)),
            tokens::created_with.eq(token.giver.token().map(TokenId::uuid)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// A token without its secret.
#[derive(Clone, Debug)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub created_by: Option<UserId>,
}

type TokenRow =
    (Uuid, String, Vec<String>, DateTime<Utc>, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<Uuid>);
type TokenColumns = (
    tokens::id,
    tokens::name,
    tokens::scopes,
    tokens::created_at,
    tokens::expires_at,
    tokens::last_used_at,
    tokens::created_by,
);
const COLUMNS: TokenColumns = (
    tokens::id,
    tokens::name,
    tokens::scopes,
    tokens::created_at,
    tokens::expires_at,
    tokens::last_used_at,
    tokens::created_by,
);

fn token(row: TokenRow) -> Result<Token, StoreError> {
    let (id, name, scopes, created_at, expires_at, last_used_at, created_by) = row;
    let (id, created_by) = (TokenId::from_uuid(id), created_by.map(UserId::from_uuid));
    Ok(Token {
        id,
        name,
        scopes: parse_enums("tokens.scopes", &scopes)?,
        created_at,
        expires_at,
        last_used_at,
        created_by,
    })
}

/// Newest first.
pub async fn list(conn: &mut Conn, workspace: WorkspaceId, page: Page) -> Result<List<Token>, StoreError> {
    let rows: Vec<TokenRow> = tokens::table
        .filter(tokens::workspace_id.eq(workspace.uuid()))
        .filter(tokens::id.lt(page.before.unwrap_or_else(Uuid::max)))
        .order(tokens::id.desc())
        .limit(page.limit + 1)
        .select(COLUMNS)
        .load(conn)
        .await?;
    List::from_rows(rows, page, |row| row.0).try_map(token)
}

pub async fn get(conn: &mut Conn, workspace: WorkspaceId, id: TokenId) -> Result<Token, StoreError> {
    let row: TokenRow = tokens::table
        .filter(tokens::workspace_id.eq(workspace.uuid()))
        .filter(tokens::id.eq(id.uuid()))
        .select(COLUMNS)
        .first(conn)
        .await?;
    token(row)
}

/// Replaces the secret of a token; the previous one is invalid from then on, and what it gave falls. A client that knows the new secret can use it as
/// long as `giver` may give the token's scopes: the token is theirs now. [`StoreError::NotFound`] also if they may not.
pub async fn rotate(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: TokenId,
    hash: &[u8],
    giver: &Giver,
    by: &Author,
) -> Result<Token, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_rights(conn, workspace).await?;
        let old = get(conn, workspace, id).await?;
        let wanted = Rights::of_token(&old.scopes, old.expires_at);
        rights::check(conn, workspace, giver, &wanted, old.expires_at).await?;
        audit::write(conn, workspace, by, Action::TokenRotated, (id, Some(&old.name)), &[]).await?;
        rights::revoke(conn, workspace, Loss::Token(id), by).await?;
        let rotated = tokens::table.find(id.uuid());
        diesel::update(rotated)
            .set((tokens::hash.eq(hash), tokens::last_used_at.eq(None::<DateTime<Utc>>)))
            .execute(conn)
            .await?;
        // A token that rotates itself, or the one that it was created with and so ends with, gives nothing new.
        let is_there = match rights::of_giver(conn, workspace, giver).await {
            Err(StoreError::NotFound) => false,
            rights => rights.map(|_| true)?,
        };
        if is_there && giver.token() != Some(id) {
            let (by, with) = (giver.user().map(UserId::uuid), giver.token().map(TokenId::uuid));
            diesel::update(rotated)
                .set((tokens::created_by.eq(by), tokens::created_with.eq(with)))
                .execute(conn)
                .await?;
        }
        get(conn, workspace, id).await
    })
    .await
}

/// With what it gave.
pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: TokenId,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_rights(conn, workspace).await?;
        let name = get(conn, workspace, id).await?.name;
        audit::write(conn, workspace, by, Action::TokenDeleted, (id, Some(&name)), &[]).await?;
        rights::revoke(conn, workspace, Loss::Token(id), by).await?;
        diesel::delete(tokens::table.find(id.uuid())).execute(conn).await?;
        Ok(())
    })
    .await
}

/// What the token with this digest grants, and when it was last used; `None` if there is none or it has expired.
///
/// This and a user's memberships are the roots of every tenant query: workspace ids come from nowhere else.
pub async fn find_by_hash(
    conn: &mut Conn,
    hash: &[u8],
) -> Result<Option<(Grant, Option<DateTime<Utc>>)>, StoreError> {
    type Row = (
        Uuid,
        String,
        Uuid,
        Option<Uuid>,
        Vec<String>,
        Option<DateTime<Utc>>,
        Option<DateTime<Utc>>,
        Option<Uuid>,
        (Option<DateTime<Utc>>, Option<String>),
        PlanColumns,
    );
    let row: Option<Row> = tokens::table
        .inner_join(schema::workspaces::table)
        .filter(tokens::hash.eq(hash))
        .filter(tokens::expires_at.is_null().or(tokens::expires_at.gt(diesel::dsl::now)))
        .select((
            tokens::id,
            tokens::name,
            tokens::workspace_id,
            schema::workspaces::created_by,
            tokens::scopes,
            tokens::expires_at,
            tokens::last_used_at,
            tokens::created_by,
            (schema::workspaces::suspended_at, schema::workspaces::suspended_reason),
            PlanColumns::as_select(),
        ))
        .first(conn)
        .await
        .optional()?;
    row.map(
        |(
            id,
            name,
            workspace,
            creator,
            scopes,
            expires_at,
            last_used_at,
            created_by,
            (since, reason),
            plan,
        )| {
            let account = AccountId::from_uuid(creator.unwrap_or(workspace));
            let (token, workspace) = (TokenId::from_uuid(id), WorkspaceId::from_uuid(workspace));
            let created_by = created_by.map(UserId::from_uuid);
            let scopes = parse_enums("tokens.scopes", &scopes)?;
            let suspension = Suspension::of(since, reason);
            Ok((
                Grant {
                    token,
                    name,
                    workspace,
                    account,
                    scopes,
                    expires_at,
                    created_by,
                    suspension,
                    plan: plan.into(),
                },
                last_used_at,
            ))
        },
    )
    .transpose()
}

/// Records that a token was used.
pub async fn touch(conn: &mut Conn, token: TokenId, now: DateTime<Utc>) -> Result<(), StoreError> {
    diesel::update(tokens::table.find(token.uuid()))
        .set(tokens::last_used_at.eq(Some(now)))
        .execute(conn)
        .await?;
    Ok(())
}
