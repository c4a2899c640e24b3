//! Signing secrets: one per workspace, created on first use. After a rotation, the previous one also signs for a day.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use secrecy::{ExposeSecret, SecretString};

use super::{Conn, StoreError, audit, schema::signing_secrets, workspaces};
use crate::{
    crypto::{NoRandomness, seal::DataKey, sign},
    domain::{
        audit::{Action, Author},
        id::WorkspaceId,
    },
};

/// How long the previous secret also signs after a rotation: time for receivers to learn the new one.
pub const OVERLAP_PERIOD: TimeDelta = TimeDelta::hours(24);
const PURPOSE: &str = "signing";

/// The secrets of a workspace that currently sign.
pub struct Signing {
    pub newest: SecretString,
    pub previous: Option<Previous>,
}

pub struct Previous {
    pub secret: SecretString,
    pub until: DateTime<Utc>,
}

impl Signing {
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let previous = self.previous.as_ref().map(|previous| previous.secret.expose_secret());
        std::iter::once(self.newest.expose_secret()).chain(previous)
    }
}

impl From<NoRandomness> for StoreError {
    fn from(error: NoRandomness) -> Self {
        Self::Internal(error.to_string())
    }
}

type SigningRow = (i32, Vec<u8>, Option<Vec<u8>>, Option<DateTime<Utc>>);

/// The secrets; the first one is created if there is none.
pub async fn get(
    conn: &mut Conn,
    workspace: WorkspaceId,
    key: &DataKey,
    now: DateTime<Utc>,
) -> Result<Signing, StoreError> {
    if let Some(row) = find(conn, workspace).await? {
        return open(row, key, now);
    }
    diesel::insert_into(signing_secrets::table)
        .values((
            signing_secrets::workspace_id.eq(workspace.uuid()),
            signing_secrets::version.eq(1),
            signing_secrets::sealed.eq(key.seal(PURPOSE, 1, &sign::new_secret()?)?),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    // This one, or that of a concurrent call.
    open(find(conn, workspace).await?.ok_or(StoreError::NotFound)?, key, now)
}

/// Creates a new secret; the current one also signs for another day. [`StoreError::Conflict`] `overlap` while the previous one still signs,
/// unless `force`, which ends that at once.
pub async fn rotate(
    conn: &mut Conn,
    workspace: WorkspaceId,
    key: &DataKey,
    by: &Author,
    force: bool,
) -> Result<Signing, StoreError> {
    let now = by.at;
    get(conn, workspace, key, now).await?;
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        let (version, sealed, until): (i32, Vec<u8>, Option<DateTime<Utc>>) = signing_secrets::table
            .find(workspace.uuid())
            .select((signing_secrets::version, signing_secrets::sealed, signing_secrets::previous_until))
            .for_update()
            .first(conn)
            .await?;
        if !force && until.is_some_and(|until| until > now) {
            return Err(StoreError::conflict("overlap"));
        }
        let row: SigningRow = diesel::update(signing_secrets::table.find(workspace.uuid()))
            .set((
                signing_secrets::version.eq(version + 1),
                signing_secrets::sealed.eq(key.seal(PURPOSE, version + 1, &sign::new_secret()?)?),
                signing_secrets::previous.eq(Some(sealed)),
                signing_secrets::previous_until.eq(Some(now + OVERLAP_PERIOD)),
            ))
            .returning(COLUMNS)
            .get_result(conn)
            .await?;
        let version = row.0.to_string();
        let details = [("version", version.as_str()), ("force", if force { "true" } else { "false" })];
        audit::write(conn, workspace, by, Action::SigningSecretRotated, (workspace, None), &details).await?;
        open(row, key, now)
    })
    .await
}

type SigningColumns = (
    signing_secrets::version,
    signing_secrets::sealed,
    signing_secrets::previous,
    signing_secrets::previous_until,
);
const COLUMNS: SigningColumns = (
    signing_secrets::version,
    signing_secrets::sealed,
    signing_secrets::previous,
    signing_secrets::previous_until,
);

async fn find(conn: &mut Conn, workspace: WorkspaceId) -> Result<Option<SigningRow>, StoreError> {
    Ok(signing_secrets::table.find(workspace.uuid()).select(COLUMNS).first(conn).await.optional()?)
}

fn open(row: SigningRow, key: &DataKey, now: DateTime<Utc>) -> Result<Signing, StoreError> {
    let (version, newest, previous, until) = row;
    let previous = match previous.zip(until.filter(|until| *until > now)) {
        Some((sealed, until)) => Some(Previous { secret: key.open(PURPOSE, version - 1, &sealed)?, until }),
        None => None,
    };
    Ok(Signing { newest: key.open(PURPOSE, version, &newest)?, previous })
}
