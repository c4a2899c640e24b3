//! Identifiers: typed, prefixed, time-ordered.
//!
//! In the API an id is `prefix_` and a UUID in 26 characters of Crockford's base32 (the TypeID form); internally it is a plain UUID.
//! The id of a scheduled execution is *derived*, so that the primary key prevents a second record of the same fire.

use chrono::{DateTime, Utc};
use std::{fmt, str::FromStr};
use uuid::Uuid;

use super::invalid::Invalid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by `now` and otherwise random (UUIDv7, RFC 9562).
            pub fn at(now: DateTime<Utc>) -> Self {
                Self(random_at(now))
            }

            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), Base32(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| Invalid::new("id_invalid", concat!("must be an id like ", $prefix, "_01h455vb4pex5vsknk084sn02q")))
            }
        }
    )*};
}

/// An id of one kind of object.
pub trait TypedId: FromStr + From<Uuid> {
    const PREFIX: &'static str;
}

/// Objects that clients address by their ids, and what texts call them.
const NOUNS: [(&str, &str); 11] = [
    ("job", "job"),
    ("exe", "execution"),
    ("tst", "test"),
    ("chn", "notification channel"),
    ("rul", "notification rule"),
    ("ntf", "notification"),
    ("usr", "member"),
    ("tok", "token"),
    ("inv", "invitation"),
    ("ses", "session"),
    ("ws", "workspace"),
];

/// What texts call the objects whose ids have this prefix.
pub fn noun(prefix: &str) -> &'static str {
    NOUNS.iter().find(|(known, _)| *known == prefix).map_or("object", |(_, noun)| noun)
}

/// What texts call the object with this id; `None` if the text is no id of such an object.
pub fn noun_of(text: &str) -> Option<&'static str> {
    let (prefix, rest) = text.split_once('_')?;
    decode(rest)?;
    NOUNS.iter().find(|(known, _)| *known == prefix).map(|(_, noun)| *noun)
}

ids! {
    /// A tenant. Every resource belongs to exactly one workspace.
    WorkspaceId = "ws";
    /// Workspaces that share limits and capacity: all that one user created, or one that the operator created.
    AccountId = "acc";
    /// A saved request with a schedule.
    JobId = "job";
    /// One due occurrence of a job.
    ExecutionId = "exe";
    /// A request that is sent once, to try it.
    TestId = "tst";
    /// A sealed value with a name.
    SecretId = "sec";
    /// Where a workspace receives notifications.
    ChannelId = "chn";
    /// When a channel is notified of a job.
    RuleId = "rul";
    /// One notification.
    NotificationId = "ntf";
    /// A user.
    UserId = "usr";
    /// An API token (its id, never its secret).
    TokenId = "tok";
    /// An invitation into a workspace.
    InvitationId = "inv";
    /// One entry of the audit log.
    AuditId = "aud";
    /// A user's session, from login to logout.
    SessionId = "ses";
    /// An operator of the installation.
    OperatorId = "opr";
    /// One run of an executor process. Leases belong to it and end with it.
    ExecutorId = "exr";
    /// One request to the API, for finding it in the logs.
    RequestId = "req";
}

impl ExecutionId {
    /// The id of the fire of `job` at `scheduled_for`: 48 bits of milliseconds and 74 bits of a digest of both, as UUIDv8.
    ///
    /// The same fire always has the same id, no matter which scheduler records it or how often, even after a database failover that lost
    /// the last commits. Ids sort by due time.
    pub fn of_fire(job: JobId, scheduled_for: DateTime<Utc>) -> Self {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        digest.update(job.0.as_bytes());
        digest.update(&scheduled_for.timestamp_micros().to_be_bytes());
        let digest = digest.finish();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis(scheduled_for).to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&digest.as_ref()[..10]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The smallest id of any execution due at or after `instant`: a bound for range scans and partitions.
    pub fn lower_bound(instant: DateTime<Utc>) -> Uuid {
        Uuid::from_u128(u128::from(millis(instant)) << 80)
    }
}

/// Milliseconds since the epoch in the 48 bits that RFC 9562 assigns; instants before 1970 count as 1970.
fn millis(instant: DateTime<Utc>) -> u64 {
    u64::try_from(instant.timestamp_millis()).unwrap_or(0) & 0xffff_ffff_ffff
}

/// Ordered by the microsecond: the first twelve random bits hold the fraction of the millisecond (RFC 9562 §6.2, method 3).
fn random_at(now: DateTime<Utc>) -> Uuid {
    let fraction = u64::from(now.timestamp_subsec_nanos() % 1_000_000) * 4096 / 1_000_000;
    let mut random = [0; 10];
    random[2..].copy_from_slice(&Uuid::new_v4().as_bytes()[8..]);
    random[..2].copy_from_slice(&fraction.to_be_bytes()[6..]);
    uuid::Builder::from_unix_timestamp_millis(millis(now), &random).into_uuid()
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;

struct Base32(Uuid);

impl fmt::Display for Base32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.as_u128();
        (0..DIGITS).rev().try_for_each(|digit| {
            use fmt::Write;
            f.write_char(char::from(ALPHABET[(value >> (5 * digit)) as usize & 31]))
        })
    }
}

/// Accepts only the canonical spelling: lower case, 26 digits, the first at most 7 (128 bits).
fn decode(text: &str) -> Option<Uuid> {
    if text.len() != DIGITS || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes()
        .try_fold(0u128, |value, byte| {
            let digit = ALPHABET.iter().position(|known| *known == byte)?;
            Some(value << 5 | digit as u128)
        })
        .map(Uuid::from_u128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instant(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    proptest! {
        #[test]
        fn text_and_back(value: u128) {
            let id = JobId::from_uuid(Uuid::from_u128(value));
            prop_assert_eq!(id.to_string().parse::<JobId>(), Ok(id));
        }

        #[test]
        fn fires_sort_by_due_time(a in 0i64..4_000_000_000_000, b in 0i64..4_000_000_000_000, job: u128) {
            let job = JobId::from_uuid(Uuid::from_u128(job));
            let (first, second) = (ExecutionId::of_fire(job, instant(a)), ExecutionId::of_fire(job, instant(b)));
            prop_assert_eq!(a.cmp(&b), first.cmp(&second));
            prop_assert!(first.uuid() >= ExecutionId::lower_bound(instant(a)));
        }
    }

    #[test]
    fn random_ids_sort_by_the_microsecond_and_differ_within_it() {
        let at =
            |micros: i64| JobId::at(DateTime::from_timestamp_micros(1_800_000_000_000_000 + micros).unwrap());
        assert!((0..2000).map(at).is_sorted());
        assert_ne!(at(0), at(0));
        assert_eq!(at(7).uuid().get_version_num(), 7);
    }

    #[test]
    fn other_spellings_are_refused() {
        let id = JobId::at(instant(1_700_000_000_000)).to_string();
        for invalid in [
            id.to_uppercase(),
            id.replacen("job", "exe", 1),
            id[..29].to_owned(),
            format!("{id}0"),
            "job_8".to_owned() + &id[5..],
        ] {
            assert!(invalid.parse::<JobId>().is_err(), "{invalid}");
        }
        assert!("job_%00".parse::<JobId>().is_err());
    }

    #[test]
    fn a_fire_has_one_id() {
        let (job, other) = (JobId::from_uuid(Uuid::from_u128(1)), JobId::from_uuid(Uuid::from_u128(2)));
        let due = instant(1_800_000_000_000);
        assert_eq!(ExecutionId::of_fire(job, due), ExecutionId::of_fire(job, due));
        assert_ne!(ExecutionId::of_fire(job, due), ExecutionId::of_fire(other, due));
        assert_eq!(ExecutionId::of_fire(job, due).uuid().get_version_num(), 8);
    }
}
