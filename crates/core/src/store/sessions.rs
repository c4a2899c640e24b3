//! Sessions of users: found by the digest of their secret.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    Conn, StoreError,
    columns::parse_enum,
    schema::{self, sessions},
    sql::prepared,
    users, verifications,
};
use crate::domain::{
    audit::{Action, Author},
    id::{SessionId, UserId},
    session::{MAX_SESSIONS, Seen, Session, SessionKind, expires_at},
    user::User,
};

/// Here, `users` is the table.
mod joins {
    use crate::store::schema::{sessions, users};

    diesel::joinable!(sessions -> users (user_id));
    diesel::allow_tables_to_appear_in_same_query!(sessions, users);
}

/// Ends the sessions of a user that have expired, and of the others those that were used longest ago, so that there is place for a new one.
const MAKE_PLACE: &str = "
    delete from sessions
    where user_id = $1
      and id not in (select id from sessions where user_id = $1 and expires_at > now() order by last_seen_at desc, id desc limit $2)";

/// What it takes to start a session.
pub struct LogIn<'a> {
    pub user: UserId,
    /// That of the password that was given. If the user has another one by now, there is no such user.
    pub password_hash: &'a str,
    /// The digest of the secret.
    pub hash: &'a [u8],
    /// The user, unless signing up, which the audit log has already.
    pub by: Option<&'a Author>,
}

/// Starts a session, and records it in the audit log of each of the user's workspaces. [`StoreError::NotFound`] without the user, or if the
/// password has changed.
pub async fn log_in(conn: &mut Conn, new: LogIn<'_>, session: &Session) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        if let Some(by) = new.by {
            users::record(conn, by, Action::LoggedIn, &[("session", session.kind.as_str())]).await?;
        }
        // Serialises the log-ins of a user and the changes of the password: takes the row lock of the user.
        schema::users::table
            .find(new.user.uuid())
            .filter(schema::users::password_hash.eq(new.password_hash))
            .select(schema::users::id)
            .for_no_key_update()
            .first::<Uuid>(conn)
            .await?;
        let make_place = sql_query(MAKE_PLACE).bind::<SqlUuid, _>(new.user.uuid());
        prepared(make_place.bind::<BigInt, _>(MAX_SESSIONS - 1)).execute(conn).await?;
        insert(conn, &new, session).await
    })
    .await
}

async fn insert(conn: &mut Conn, new: &LogIn<'_>, session: &Session) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(session.id.uuid()),
            sessions::user_id.eq(new.user.uuid()),
            sessions::hash.eq(new.hash),
            sessions::kind.eq(session.kind.as_str()),
            sessions::created_at.eq(session.created_at),
            sessions::expires_at.eq(session.expires_at),
            sessions::confirmed_until.eq(session.confirmed_until),
            sessions::last_seen_at.eq(session.last_seen.at),
            sessions::address.eq(&session.last_seen.address),
            sessions::user_agent.eq(&session.last_seen.user_agent),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct SessionRow {
    id: Uuid,
    kind: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    confirmed_until: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    address: Option<String>,
    user_agent: Option<String>,
}

fn session(row: SessionRow) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId::from_uuid(row.id),
        kind: parse_enum("sessions.kind", &row.kind)?,
        created_at: row.created_at,
        expires_at: row.expires_at,
        confirmed_until: row.confirmed_until,
        last_seen: Seen { at: row.last_seen_at, address: row.address, user_agent: row.user_agent },
    })
}

/// The session with this digest and its user; `None` if there is none, it has expired, or its secret is sent in another way.
pub async fn find_by_hash(
    conn: &mut Conn,
    hash: &[u8],
    sent_as: SessionKind,
) -> Result<Option<(User, Session)>, StoreError> {
    let row: Option<(SessionRow, (Uuid, String, String))> = sessions::table
        .inner_join(schema::users::table)
        .filter(sessions::hash.eq(hash))
        .filter(sessions::kind.eq(sent_as.as_str()))
        .filter(sessions::expires_at.gt(diesel::dsl::now))
        .select((SessionRow::as_select(), (schema::users::id, schema::users::email, schema::users::name)))
        .first(conn)
        .await
        .optional()?;
    row.map(|(row, (id, email, name))| Ok((User { id: UserId::from_uuid(id), email, name }, session(row)?)))
        .transpose()
}

/// The sessions of a user that have not ended, the most recently used first.
pub async fn list(conn: &mut Conn, user: UserId) -> Result<Vec<Session>, StoreError> {
    let rows: Vec<SessionRow> = sessions::table
        .filter(sessions::user_id.eq(user.uuid()))
        .filter(sessions::expires_at.gt(diesel::dsl::now))
        .order((sessions::last_seen_at.desc(), sessions::id.desc()))
        .limit(MAX_SESSIONS)
        .select(SessionRow::as_select())
        .load(conn)
        .await?;
    rows.into_iter().map(session).collect()
}

/// Records that a session was used, which puts off the end of a cookie. Of several requests at once, one writes.
pub async fn touch(conn: &mut Conn, session: &Session, seen: &Seen) -> Result<(), StoreError> {
    diesel::update(sessions::table.find(session.id.uuid()))
        .filter(sessions::last_seen_at.eq(session.last_seen.at))
        .set((
            sessions::last_seen_at.eq(seen.at),
            sessions::expires_at.eq(expires_at(session.kind, session.created_at, seen.at)),
            sessions::address.eq(&seen.address),
            sessions::user_agent.eq(&seen.user_agent),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Records that the password was given. [`StoreError::NotFound`] if the session has ended.
pub async fn confirm(conn: &mut Conn, session: SessionId, until: DateTime<Utc>) -> Result<(), StoreError> {
    let confirmed = diesel::update(sessions::table.find(session.uuid()))
        .set(sessions::confirmed_until.eq(until))
        .execute(conn)
        .await?;
    if confirmed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Ends a session of the user. [`StoreError::NotFound`] if the user has no such session.
pub async fn end(conn: &mut Conn, user: UserId, session: SessionId, by: &Author) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        users::record(conn, by, Action::SessionEnded, &[("session", &session.to_string())]).await?;
        let ended = diesel::delete(sessions::table.find(session.uuid()))
            .filter(sessions::user_id.eq(user.uuid()))
            .execute(conn)
            .await?;
        if ended == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    })
    .await
}

/// Ends all sessions of the user but this one.
pub async fn end_others(
    conn: &mut Conn,
    user: UserId,
    kept: SessionId,
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        users::record(conn, by, Action::SessionEnded, &[("session", "others")]).await?;
        delete_others(conn, user, kept).await
    })
    .await
}

async fn delete_others(conn: &mut Conn, user: UserId, kept: SessionId) -> Result<(), StoreError> {
    diesel::delete(sessions::table)
        .filter(sessions::user_id.eq(user.uuid()))
        .filter(sessions::id.ne(kept.uuid()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Replaces a password, and ends all sessions of the user but this one, and what was sent to replace a forgotten one. [`StoreError::NotFound`] if `previous` is not the hash of the user's
/// password any more.
pub async fn change_password(
    conn: &mut Conn,
    (user, kept): (UserId, SessionId),
    (previous, new): (&str, &str),
    by: &Author,
) -> Result<(), StoreError> {
    conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        users::record(conn, by, Action::PasswordChanged, &[]).await?;
        let changed = diesel::update(schema::users::table.find(user.uuid()))
            .filter(schema::users::password_hash.eq(previous))
            .set(schema::users::password_hash.eq(new))
            .execute(conn)
            .await?;
        if changed == 0 {
            return Err(StoreError::NotFound);
        }
        verifications::end_of(conn, user).await?;
        delete_others(conn, user, kept).await
    })
    .await
}
