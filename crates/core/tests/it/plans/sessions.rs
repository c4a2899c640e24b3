//! Sessions are found by their digest and by their user, however many users there are.

use trigrun_core::{
    domain::{
        audit::{Actor, Author},
        id::{SessionId, UserId},
        session::{MAX_SESSIONS, Seen, Session, SessionKind},
    },
    store::{
        StoreError,
        sessions::{self, LogIn},
        users,
    },
};
use trigrun_testkit::TestDb;
use uuid::Uuid;

use super::reads::{frugal, with_both_plans};

/// 5,000 users without workspaces, with a session each, and one with a hundred.
const FILL_SESSIONS: &str = "
    insert into users (id, email, name, password_hash, created_at)
    select lpad(to_hex(n), 32, '0')::uuid, n || '@example.com', 'Ada', 'hash', now() from generate_series(1, 5000) n;
    insert into sessions (id, user_id, hash, kind, created_at, expires_at, confirmed_until, last_seen_at)
    select lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(greatest(n - 99, 1)), 32, '0')::uuid, int4send(n), 'cookie', now(),
           now() + interval '72 h', now(), now() + n * interval '1 ms'
    from generate_series(1, 5099) n;
    analyze users, sessions";
/// A session and its user, and what the planner looks at.
const ONE: i64 = 10;

#[tokio::test]
async fn sessions_are_read_by_their_indexes() {
    let db = TestDb::new().await;
    TestDb::execute(&db, FILL_SESSIONS).await;
    let now = db.now().await;
    let (user, first) = (UserId::from_uuid(Uuid::from_u128(1)), SessionId::from_uuid(Uuid::from_u128(1)));
    let by =
        Author { actor: Actor::User { id: user, email: "1@example.com".into() }, ..Author::operator(now) };
    let seen = Seen { at: now, address: None, user_agent: None };
    with_both_plans(&db, async |conn| {
        let found = frugal(conn, "find_by_hash", ONE, async |c| {
            sessions::find_by_hash(c, &5000i32.to_be_bytes(), SessionKind::Cookie).await
        })
        .await;
        assert!(found.is_some());
        let other = frugal(conn, "find_by_hash, sent in another way", ONE, async |c| {
            sessions::find_by_hash(c, &5000i32.to_be_bytes(), SessionKind::Token).await
        })
        .await;
        assert!(other.is_none());
        let list = frugal(conn, "list", MAX_SESSIONS, async |c| sessions::list(c, user).await).await;
        assert_eq!((list.len(), list[99].id), (100, first));
        let session = &list[0];
        frugal(conn, "touch", ONE, async |c| sessions::touch(c, session, &seen).await).await;
        // Another request has written meanwhile.
        let late = Seen { user_agent: Some("late".into()), ..seen.clone() };
        sessions::touch(conn, session, &late).await.unwrap();
        let touched = sessions::list(conn, user).await.unwrap();
        let touched = touched.iter().find(|touched| touched.id == session.id).unwrap();
        assert_eq!((touched.last_seen.at, &touched.last_seen.user_agent), (now, &None));
        frugal(conn, "confirm", ONE, async |c| sessions::confirm(c, session.id, now).await).await;
        frugal(conn, "exist", ONE, async |c| users::exist(c).await).await;

        let new = Session::new(SessionKind::Cookie, seen.clone());
        let log_in = |password_hash: &'static str| LogIn { user, password_hash, hash: b"new", by: Some(&by) };
        let refused = sessions::log_in(conn, log_in("another hash"), &new).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
        // The sessions of the user are read twice.
        frugal(conn, "log_in", 2 * MAX_SESSIONS + 10, async |c| {
            sessions::log_in(c, log_in("hash"), &new).await
        })
        .await;
        let list = sessions::list(conn, user).await.unwrap();
        assert_eq!(list.len(), 100);
        assert!(list.iter().all(|session| session.id != first), "it was used longest ago");

        let others = SessionId::from_uuid(Uuid::from_u128(200));
        let refused = sessions::end(conn, user, others, &by).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
        let ended = list.iter().find(|session| session.id != new.id).unwrap().id;
        frugal(conn, "end", MAX_SESSIONS + ONE, async |c| sessions::end(c, user, ended, &by).await).await;
        let refused = sessions::change_password(conn, (user, new.id), ("another hash", "new"), &by).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
        frugal(conn, "change_password", MAX_SESSIONS + 10, async |c| {
            sessions::change_password(c, (user, new.id), ("hash", "new hash"), &by).await
        })
        .await;
        let left = sessions::list(conn, user).await.unwrap();
        assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [new.id]);
    })
    .await;
    assert_eq!(db.count("select count(*) from sessions").await, 5099, "the test rolls back");
}
