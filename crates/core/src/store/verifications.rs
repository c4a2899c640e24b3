//! Verifications of e-mail addresses, found by the digest of the secret that was sent.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    Conn, StoreError,
    schema::{email_verifications, users},
};
use crate::domain::{id::UserId, user::User, verification::Purpose};

/// Here, both tables are in one statement.
mod joins {
    use crate::store::schema::{email_verifications, users};

    diesel::joinable!(email_verifications -> users (user_id));
    diesel::allow_tables_to_appear_in_same_query!(email_verifications, users);
}

pub struct NewVerification<'a> {
    pub email: &'a str,
    pub purpose: Purpose,
    /// Whose password or address can be replaced; `None` for a sign-up.
    pub user: Option<UserId>,
    /// The digest of the secret.
    pub hash: &'a [u8],
    pub at: DateTime<Utc>,
}

/// Creates a verification. Earlier ones stay good.
pub async fn create(conn: &mut Conn, new: NewVerification<'_>) -> Result<(), StoreError> {
    diesel::insert_into(email_verifications::table)
        .values((
            email_verifications::hash.eq(new.hash),
            email_verifications::email.eq(new.email),
            email_verifications::purpose.eq(new.purpose.as_str()),
            email_verifications::user_id.eq(new.user.map(UserId::uuid)),
            email_verifications::created_at.eq(new.at),
            email_verifications::expires_at.eq(new.at + new.purpose.lifetime()),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The address of a sign-up with this digest. [`StoreError::NotFound`] if there is none, or it has expired.
pub async fn of_sign_up(conn: &mut Conn, hash: &[u8], now: DateTime<Utc>) -> Result<String, StoreError> {
    let known = email_verifications::table
        .filter(email_verifications::hash.eq(hash))
        .filter(email_verifications::purpose.eq(Purpose::SignUp.as_str()))
        .filter(email_verifications::expires_at.gt(now));
    Ok(known.select(email_verifications::email).first(conn).await?)
}

/// The user of a verification with this purpose, and the address to which it was sent. [`StoreError::NotFound`] if there is none, or it has
/// expired.
pub async fn of_user(
    conn: &mut Conn,
    purpose: Purpose,
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<(User, String), StoreError> {
    let (id, email, name, sent_to): (Uuid, String, String, String) = email_verifications::table
        .inner_join(users::table)
        .filter(email_verifications::hash.eq(hash))
        .filter(email_verifications::purpose.eq(purpose.as_str()))
        .filter(email_verifications::expires_at.gt(now))
        .select((users::id, users::email, users::name, email_verifications::email))
        .first(conn)
        .await?;
    Ok((User { id: UserId::from_uuid(id), email, name }, sent_to))
}

/// Uses a verification up, and with it all others of its address and purpose. [`StoreError::NotFound`] if another request did, or it is for
/// another address.
pub(super) async fn redeem(
    conn: &mut Conn,
    (email, purpose): (&str, Purpose),
    hash: &[u8],
) -> Result<(), StoreError> {
    let of_address =
        email_verifications::email.eq(email).and(email_verifications::purpose.eq(purpose.as_str()));
    let this = email_verifications::table.find(hash).filter(of_address);
    if diesel::delete(this).execute(conn).await? == 0 {
        return Err(StoreError::NotFound);
    }
    diesel::delete(email_verifications::table).filter(of_address).execute(conn).await?;
    Ok(())
}

/// Ends the verifications of a user.
pub(super) async fn end_of(conn: &mut Conn, user: UserId) -> Result<(), StoreError> {
    let of_user = email_verifications::user_id.eq(user.uuid());
    diesel::delete(email_verifications::table).filter(of_user).execute(conn).await?;
    Ok(())
}

/// Deletes those that have expired.
pub async fn purge(conn: &mut Conn, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let expired = email_verifications::expires_at.lt(now);
    Ok(diesel::delete(email_verifications::table).filter(expired).execute(conn).await?)
}
