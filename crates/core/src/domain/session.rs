//! Sessions of users: how their secrets are sent, how long they last, and what is known of the clients that use them.

use chrono::{DateTime, TimeDelta, Utc};

use super::{id::SessionId, string_enum::string_enum};

string_enum! {
    /// How a client sends the secret of a session: in the header Authorization, or as a cookie. It is good in no other place.
    SessionKind { Token = "token", Cookie = "cookie", }
}

/// How many sessions a user has at most. The next log-in ends the one that was used longest ago.
pub const MAX_SESSIONS: i64 = 100;
/// How long a session lasts, however it is used.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::days(14);
/// How long the session of a browser lasts after its last use.
const COOKIE_IDLE_TIMEOUT: TimeDelta = TimeDelta::days(3);
/// For how long a password that was given confirms operations.
pub const CONFIRMATION_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// How often the last use of a session is recorded, at most.
const SEEN_INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// Longer ones are cut off.
const MAX_USER_AGENT_CHARS: usize = 256;

/// A session without its secret.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub kind: SessionKind,
    pub created_at: DateTime<Utc>,
    /// When it ends. Use puts this off for a cookie, see [`expires_at`].
    pub expires_at: DateTime<Utc>,
    pub confirmed_until: DateTime<Utc>,
    pub last_seen: Seen,
}

/// The last use of a session, accurate to the minute.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: DateTime<Utc>,
    /// The client's address, as reported by the operator's proxies.
    pub address: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

impl Session {
    /// A new session. To log in is to give the password.
    pub fn new(kind: SessionKind, seen: Seen) -> Self {
        let now = seen.at;
        Self {
            id: SessionId::at(now),
            kind,
            created_at: now,
            expires_at: expires_at(kind, now, now),
            confirmed_until: now + CONFIRMATION_LIFETIME,
            last_seen: seen,
        }
    }

    /// Whether a use at `now` is worth recording.
    pub fn is_seen_anew(&self, now: DateTime<Utc>) -> bool {
        now - self.last_seen.at > SEEN_INTERVAL
    }

    /// Whether it may do what needs the password. A cookie may be used by a script that was injected into a page, which does not know the
    /// password; a token is only used by programs that were given it.
    pub fn is_confirmed(&self, now: DateTime<Utc>) -> bool {
        self.kind == SessionKind::Token || now < self.confirmed_until
    }
}

/// When a session ends that is used at `now`.
pub fn expires_at(kind: SessionKind, created_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let latest = created_at + SESSION_LIFETIME;
    match kind {
        SessionKind::Token => latest,
        SessionKind::Cookie => latest.min(now + COOKIE_IDLE_TIMEOUT),
    }
}

/// The value of a header User-Agent, of which only printable ASCII is kept, and not too much.
pub fn user_agent(value: &[u8]) -> Option<String> {
    let printable = value.iter().filter(|byte| (b' '..=b'~').contains(*byte)).map(|byte| char::from(*byte));
    let text: String = printable.take(MAX_USER_AGENT_CHARS).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: DateTime<Utc>) -> Seen {
        Seen { at, address: None, user_agent: None }
    }

    #[test]
    fn use_puts_off_the_end_of_a_cookie_but_not_for_ever() {
        let created = DateTime::UNIX_EPOCH;
        let cookie = |days| expires_at(SessionKind::Cookie, created, created + TimeDelta::days(days));
        assert_eq!(cookie(0), created + TimeDelta::days(3));
        assert_eq!(cookie(10), created + TimeDelta::days(13));
        assert_eq!(cookie(13), created + TimeDelta::days(14));
        let token = expires_at(SessionKind::Token, created, created + TimeDelta::days(1));
        assert_eq!(token, created + TimeDelta::days(14));
    }

    #[test]
    fn a_cookie_is_confirmed_for_ten_minutes_and_a_token_needs_no_confirmation() {
        let now = DateTime::UNIX_EPOCH;
        let cookie = Session::new(SessionKind::Cookie, seen(now));
        assert!(cookie.is_confirmed(now + TimeDelta::minutes(10) - TimeDelta::microseconds(1)));
        assert!(!cookie.is_confirmed(now + TimeDelta::minutes(10)));
        assert!(Session::new(SessionKind::Token, seen(now)).is_confirmed(now + TimeDelta::days(1)));
    }

    #[test]
    fn a_use_is_recorded_once_a_minute() {
        let now = DateTime::UNIX_EPOCH;
        let session = Session::new(SessionKind::Cookie, seen(now));
        assert!(!session.is_seen_anew(now + TimeDelta::minutes(1)));
        assert!(session.is_seen_anew(now + TimeDelta::seconds(61)));
    }

    #[test]
    fn user_agents_are_short_and_printable() {
        assert_eq!(user_agent(b"curl/8.0").as_deref(), Some("curl/8.0"));
        assert_eq!(user_agent(b" a\x1b[2Jb\x7f\xff\xe2\x80\xae\t").as_deref(), Some("a[2Jb"));
        assert_eq!(user_agent(&[b'a'; 10_000]).unwrap().len(), 256);
        assert_eq!((user_agent(b""), user_agent(b" \x01 ")), (None, None));
    }
}
