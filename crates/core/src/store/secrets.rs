//! Secrets: sealed values with a name. Only executors open them, directly before a request is sent.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Binary, Integer, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Conn, StoreError, audit, schema::secrets, sql::prepared, workspaces};
use crate::{
    crypto::seal::DataKey,
    domain::{
        audit::{Action, Author},
        id::{JobId, SecretId, WorkspaceId},
        page::{List, Page},
    },
};

/// A secret without its value.
#[derive(Clone, Debug)]
pub struct Secret {
    pub id: SecretId,
    pub name: String,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A job whose current version uses a secret.
#[derive(Clone, Debug)]
pub struct User {
    pub job: JobId,
    pub name: String,
}

/// A value to be stored under a name.
#[derive(Clone, Copy)]
pub struct NewValue<'a> {
    pub name: &'a str,
    pub value: &'a str,
    pub key: &'a DataKey,
    pub by: &'a Author,
}

/// Binds the sealed value to its name.
fn purpose(name: &str) -> String {
    format!("secret:{name}")
}

type SecretRow = (Uuid, String, i32, DateTime<Utc>, DateTime<Utc>);
type SecretColumns = (secrets::id, secrets::name, secrets::version, secrets::created_at, secrets::updated_at);
const COLUMNS: SecretColumns =
    (secrets::id, secrets::name, secrets::version, secrets::created_at, secrets::updated_at);

fn secret((id, name, version, created_at, updated_at): SecretRow) -> Secret {
    Secret { id: SecretId::from_uuid(id), name, version, created_at, updated_at }
}

/// [`StoreError::Conflict`] `secrets_name` if the name is taken.
pub async fn insert(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: NewValue<'_>,
) -> Result<Secret, StoreError> {
    let now = new.by.at;
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let row: SecretRow = diesel::insert_into(secrets::table)
            .values((
                secrets::id.eq(SecretId::at(now).uuid()),
                secrets::workspace_id.eq(workspace.uuid()),
                secrets::name.eq(new.name),
                secrets::version.eq(1),
                secrets::sealed.eq(new.key.seal(&purpose(new.name), 1, new.value)?),
                secrets::created_at.eq(now),
                secrets::updated_at.eq(now),
            ))
            .returning(COLUMNS)
            .get_result(conn)
            .await?;
        let created = secret(row);
        write_audit(conn, workspace, new.by, Action::SecretCreated, &created).await?;
        Ok(created)
    })
    .await
}

async fn write_audit(
    conn: &mut Conn,
    workspace: WorkspaceId,
    by: &Author,
    action: Action,
    secret: &Secret,
) -> Result<(), StoreError> {
    let version = secret.version.to_string();
    audit::write(conn, workspace, by, action, (secret.id, Some(&secret.name)), &[("version", &version)]).await
}

/// Replaces the value, or creates the secret if there is none with this name. Returns whether it was created.
pub async fn put(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: NewValue<'_>,
) -> Result<(Secret, bool), StoreError> {
    match change(conn, workspace, new).await {
        Err(StoreError::NotFound) => {}
        changed => return Ok((changed?, false)),
    }
    match insert(conn, workspace, new).await {
        // A concurrent call was faster.
        Err(error) if error.is_conflict("secrets_name") => Ok((change(conn, workspace, new).await?, false)),
        inserted => Ok((inserted?, true)),
    }
}

/// Replaces the value; the version grows by one.
pub async fn change(
    conn: &mut Conn,
    workspace: WorkspaceId,
    new: NewValue<'_>,
) -> Result<Secret, StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        let (id, version): (Uuid, i32) = secrets::table
            .filter(secrets::workspace_id.eq(workspace.uuid()))
            .filter(secrets::name.eq(new.name))
            .select((secrets::id, secrets::version))
            .for_update()
            .first(conn)
            .await?;
        let version = version + 1;
        let row: SecretRow = diesel::update(secrets::table.find(id))
            .set((
                secrets::version.eq(version),
                secrets::sealed.eq(new.key.seal(&purpose(new.name), version, new.value)?),
                secrets::updated_at.eq(new.by.at),
            ))
            .returning(COLUMNS)
            .get_result(conn)
            .await?;
        let changed = secret(row);
        write_audit(conn, workspace, new.by, Action::SecretChanged, &changed).await?;
        Ok(changed)
    })
    .await
}

pub async fn get(conn: &mut Conn, workspace: WorkspaceId, name: &str) -> Result<Secret, StoreError> {
    let row: SecretRow = secrets::table
        .filter(secrets::workspace_id.eq(workspace.uuid()))
        .filter(secrets::name.eq(name))
        .select(COLUMNS)
        .first(conn)
        .await?;
    Ok(secret(row))
}

/// Newest first.
pub async fn list(conn: &mut Conn, workspace: WorkspaceId, page: Page) -> Result<List<Secret>, StoreError> {
    let rows: Vec<SecretRow> = secrets::table
        .filter(secrets::workspace_id.eq(workspace.uuid()))
        .filter(secrets::id.lt(page.before.unwrap_or_else(Uuid::max)))
        .order(secrets::id.desc())
        .limit(page.limit + 1)
        .select(COLUMNS)
        .load(conn)
        .await?;
    Ok(List::from_rows(rows.into_iter().map(secret).collect(), page, |secret: &Secret| secret.id.uuid()))
}

/// Those of these names without a secret in the workspace.
pub async fn missing(
    conn: &mut Conn,
    workspace: WorkspaceId,
    names: &[String],
) -> Result<Vec<String>, StoreError> {
    let known: Vec<String> = secrets::table
        .filter(secrets::workspace_id.eq(workspace.uuid()))
        .filter(secrets::name.eq_any(names))
        .select(secrets::name)
        .load(conn)
        .await?;
    Ok(names.iter().filter(|name| !known.contains(name)).cloned().collect())
}

/// Jobs whose current version uses the secret, at most 100.
pub async fn jobs_using(
    conn: &mut Conn,
    workspace: WorkspaceId,
    name: &str,
) -> Result<Vec<User>, StoreError> {
    #[derive(QueryableByName)]
    struct UserRow {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Text)]
        name: String,
    }
    let rows: Vec<UserRow> = prepared(
        sql_query(
            "select j.id, j.name from jobs j join job_versions v on v.job_id = j.id and v.version = j.version
             where j.workspace_id = $1 and $2 = any(v.secrets) order by j.id limit 100",
        )
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<Text, _>(name),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| User { job: JobId::from_uuid(row.id), name: row.name }).collect())
}

/// [`StoreError::NotFound`] without a secret of that name.
pub async fn delete(
    conn: &mut Conn,
    workspace: WorkspaceId,
    name: &str,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        workspaces::lock_active(conn, workspace).await?;
        let row: SecretRow = diesel::delete(secrets::table)
            .filter(secrets::workspace_id.eq(workspace.uuid()))
            .filter(secrets::name.eq(name))
            .returning(COLUMNS)
            .get_result(conn)
            .await?;
        write_audit(conn, workspace, by, Action::SecretDeleted, &secret(row)).await
    })
    .await
}

/// A stored value.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub workspace: WorkspaceId,
    pub name: String,
    version: i32,
    sealed: Vec<u8>,
}

impl Sealed {
    /// The value. Callers must not keep it.
    pub fn open(&self, key: &DataKey) -> Result<secrecy::SecretString, StoreError> {
        Ok(key.open(&purpose(&self.name), self.version, &self.sealed)?)
    }
}

/// The sealed values of these names, each in its workspace, as far as they exist. For the leases of an executor.
pub async fn sealed(conn: &mut Conn, wanted: &[(WorkspaceId, String)]) -> Result<Vec<Sealed>, StoreError> {
    #[derive(QueryableByName)]
    struct SealedRow {
        #[diesel(sql_type = SqlUuid)]
        workspace_id: Uuid,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Integer)]
        version: i32,
        #[diesel(sql_type = Binary)]
        sealed: Vec<u8>,
    }
    let workspaces: Vec<Uuid> = wanted.iter().map(|(workspace, _)| workspace.uuid()).collect();
    let names: Vec<&str> = wanted.iter().map(|(_, name)| name.as_str()).collect();
    let rows: Vec<SealedRow> = prepared(
        sql_query(
            "select s.workspace_id, s.name, s.version, s.sealed
             from unnest($1::uuid[], $2::text[]) as w(workspace_id, name)
             join secrets s on s.workspace_id = w.workspace_id and s.name = w.name",
        )
        .bind::<Array<SqlUuid>, _>(workspaces)
        .bind::<Array<Text>, _>(names),
    )
    .load(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Sealed {
            workspace: WorkspaceId::from_uuid(row.workspace_id),
            name: row.name,
            version: row.version,
            sealed: row.sealed,
        })
        .collect())
}
