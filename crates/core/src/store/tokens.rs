//! API tokens: stored as a digest, found by it.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::parse_enum,
    quotas::{self, Counted},
    schema::{members, tokens},
    workspaces,
};
use crate::domain::{
    access::{Grant, Scope},
    audit::{Action, Author},
    id::{TokenId, UserId, WorkspaceId},
    page::{List, Page},
    user::Role,
};

pub struct NewToken<'a> {
    pub id: TokenId,
    pub name: &'a str,
    /// SHA-256 of the secret.
    pub hash: &'a [u8],
    pub scopes: &'a [Scope],
    pub expires_at: Option<DateTime<Utc>>,
    /// It goes when they leave the workspace, or may only read there.
    pub created_by: Option<UserId>,
}

/// [`StoreError::NotFound`] when there is no such workspace, [`StoreError::Conflict`] `quota` when it would have more than `most`.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    token: NewToken<'_>,
    by: &Author,
    most: Option<u32>,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        if let Some(maker) = token.created_by {
            check_creator(conn, workspace, maker).await?;
        }
        insert_row(conn, workspace, &token).await?;
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let expires_at = token.expires_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
        let mut details = vec![("scopes", scopes.join(" "))];
        details.extend(expires_at.map(|at| ("expires_at", at)));
        let details: Vec<_> = details.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let target = (token.id, Some(token.name));
        audit::write(conn, workspace, by, Action::TokenCreated, target, &details).await?;
        quotas::check(conn, workspace, Counted::Tokens, most).await
    })
    .await
}

/// Whoever loses the right to make tokens, or to invite, waits for this, and takes along what was made: [`StoreError::NotFound`] when they have lost it.
pub(super) async fn check_creator(
    conn: &mut Conn,
    workspace: WorkspaceId,
    maker: UserId,
) -> Result<(), StoreError> {
    members::table
        .find((workspace.uuid(), maker.uuid()))
        .filter(members::role.ne(Role::Member.as_str()))
        .select(members::user_id)
        .for_share()
        .first::<Uuid>(conn)
        .await?;
    Ok(())
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
            tokens::created_by.eq(token.created_by.map(UserId::uuid)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// What may be known of a token.
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
    Ok(Token { id, name, scopes: scopes_of(&scopes)?, created_at, expires_at, last_used_at, created_by })
}

fn scopes_of(words: &[String]) -> Result<Vec<Scope>, StoreError> {
    words.iter().map(|scope| parse_enum("tokens.scopes", scope)).collect()
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

/// Another secret for the same token: the one before is dead. It is `maker`'s from now on: whoever knows the secret can use it for as long
/// as they may make tokens.
pub async fn rotate(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: TokenId,
    hash: &[u8],
    maker: Option<UserId>,
    by: &Author,
) -> Result<Token, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        if let Some(maker) = maker {
            check_creator(conn, workspace, maker).await?;
        }
        let row: TokenRow = diesel::update(tokens::table)
            .filter(tokens::workspace_id.eq(workspace.uuid()))
            .filter(tokens::id.eq(id.uuid()))
            .set((
                tokens::hash.eq(hash),
                tokens::created_by.eq(maker.map(UserId::uuid)),
                tokens::last_used_at.eq(None::<DateTime<Utc>>),
            ))
            .returning(COLUMNS)
            .get_result(conn)
            .await?;
        audit::write(conn, workspace, by, Action::TokenRotated, (id, Some(&row.1)), &[]).await?;
        token(row)
    })
    .await
}

pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    id: TokenId,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        let name: String = diesel::delete(tokens::table)
            .filter(tokens::workspace_id.eq(workspace.uuid()))
            .filter(tokens::id.eq(id.uuid()))
            .returning(tokens::name)
            .get_result(conn)
            .await?;
        audit::write(conn, workspace, by, Action::TokenDeleted, (id, Some(&name)), &[]).await
    })
    .await
}

/// Those that somebody has made go with the right to make any.
pub(super) async fn delete_made_by(
    conn: &mut Conn,
    workspace: WorkspaceId,
    maker: UserId,
    by: &Author,
) -> Result<(), StoreError> {
    let gone: Vec<(Uuid, String)> = diesel::delete(tokens::table)
        .filter(tokens::workspace_id.eq(workspace.uuid()))
        .filter(tokens::created_by.eq(maker.uuid()))
        .returning((tokens::id, tokens::name))
        .get_results(conn)
        .await?;
    for (number, (id, name)) in (1..).zip(gone) {
        let target = (TokenId::from_uuid(id), Some(name.as_str()));
        audit::write(conn, workspace, &by.later(number), Action::TokenDeleted, target, &[]).await?;
    }
    Ok(())
}

/// What the token with this digest grants, and when it was last used; `None` when there is none or it has expired.
///
/// This, and a person's memberships, are the roots of every tenant query: a workspace comes from there and nowhere else.
pub async fn find_by_hash(
    conn: &mut Conn,
    hash: &[u8],
) -> Result<Option<(Grant, Option<DateTime<Utc>>)>, StoreError> {
    type Row = (Uuid, String, Uuid, Vec<String>, Option<DateTime<Utc>>, Option<Uuid>);
    let row: Option<Row> = tokens::table
        .filter(tokens::hash.eq(hash))
        .filter(tokens::expires_at.is_null().or(tokens::expires_at.gt(diesel::dsl::now)))
        .select((
            tokens::id,
            tokens::name,
            tokens::workspace_id,
            tokens::scopes,
            tokens::last_used_at,
            tokens::created_by,
        ))
        .first(conn)
        .await
        .optional()?;
    row.map(|(id, name, workspace, scopes, last_used_at, created_by)| {
        let (token, workspace) = (TokenId::from_uuid(id), WorkspaceId::from_uuid(workspace));
        let created_by = created_by.map(UserId::from_uuid);
        Ok((Grant { token, name, workspace, scopes: scopes_of(&scopes)?, created_by }, last_used_at))
    })
    .transpose()
}

/// Notes that a token was used.
pub async fn touch(conn: &mut Conn, token: TokenId, now: DateTime<Utc>) -> Result<(), StoreError> {
    diesel::update(tokens::table.find(token.uuid()))
        .set(tokens::last_used_at.eq(Some(now)))
        .execute(conn)
        .await?;
    Ok(())
}
