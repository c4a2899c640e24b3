//! Access control: tokens and their scopes.

use chrono::{DateTime, Utc};
use std::{fmt, str::FromStr};

use super::{
    id::{AccountId, TokenId, UserId, WorkspaceId},
    invalid::Invalid,
    workspace::{Suspension, WorkspacePlan},
};

macro_rules! scopes {
    ($($name:ident = $text:literal,)*) => {
        /// One permission of a token.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Scope { $($name),* }

        impl Scope {
            pub const ALL: &[Scope] = &[$(Scope::$name),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Scope::$name => $text),* }
            }

            /// Its operations change nothing.
            pub fn only_reads(self) -> bool {
                self.as_str().ends_with(":read")
            }
        }

        impl FromStr for Scope {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text {
                    $($text => Ok(Scope::$name),)*
                    _ => Err(Invalid { code: "scope_unknown", ..Invalid::not_one_of(text, &[$($text),*]) }),
                }
            }
        }
    };
}

scopes! {
    JobsRead = "jobs:read",
    JobsWrite = "jobs:write",
    JobsRun = "jobs:run",
    ExecutionsRead = "executions:read",
    SecretsWrite = "secrets:write",
    NotificationsWrite = "notifications:write",
    WorkspaceAdmin = "workspace:admin",
}

/// What a valid token grants.
#[derive(Clone, Debug)]
pub struct Grant {
    pub token: TokenId,
    pub name: String,
    pub workspace: WorkspaceId,
    pub account: AccountId,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_by: Option<UserId>,
    /// Of the workspace.
    pub suspension: Option<Suspension>,
    /// Of the workspace.
    pub plan: WorkspacePlan,
}

/// What a token is for; its prefix names the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An API token of one workspace.
    Api,
    /// A user's session, from login to logout.
    Session,
    /// An invitation into a workspace.
    Invitation,
    /// What was sent to an e-mail address, to verify it.
    Verification,
    /// An operator of the installation.
    Operator,
}

impl TokenKind {
    const ALL: [Self; 5] = [Self::Api, Self::Session, Self::Invitation, Self::Verification, Self::Operator];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Api => "trg_",
            Self::Session => "trs_",
            Self::Invitation => "tri_",
            Self::Verification => "trv_",
            Self::Operator => "tro_",
        }
    }
}

const RANDOM_CHARS: usize = 30;
const CHECKSUM_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The secret text of a token: its kind (`trg_`), 30 random base62 characters, 6 of their CRC-32.
///
/// The checksum allows typos and most guesses to be refused without a look-up. `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// Makes a token from random bytes, skipping bytes that would bias the alphabet. `None` if there are too few.
    pub fn from_random(kind: TokenKind, bytes: &[u8]) -> Option<Self> {
        let random: String = bytes
            .iter()
            .filter(|byte| usize::from(**byte) < 4 * BASE62.len())
            .map(|byte| char::from(BASE62[usize::from(*byte) % BASE62.len()]))
            .take(RANDOM_CHARS)
            .collect();
        (random.len() == RANDOM_CHARS)
            .then(|| Self(format!("{}{random}{}", kind.prefix(), checksum(&random))))
    }

    pub fn kind(&self) -> TokenKind {
        let is_of = |kind: &TokenKind| self.0.starts_with(kind.prefix());
        TokenKind::ALL.into_iter().find(is_of).unwrap_or(TokenKind::Api)
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenSecret {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // One text for all, so that it reveals nothing about a token.
        let refused = || {
            let detail = "This is not a token of TrigRun: they begin with trg_. If it does, it is mistyped or cut off.";
            Invalid::new("token_malformed", detail)
        };
        let rest = TokenKind::ALL.iter().find_map(|kind| text.strip_prefix(kind.prefix()));
        let rest = rest.ok_or_else(refused)?;
        let well_formed =
            rest.len() == RANDOM_CHARS + CHECKSUM_CHARS && rest.bytes().all(|byte| BASE62.contains(&byte));
        if !well_formed || checksum(&rest[..RANDOM_CHARS]) != rest[RANDOM_CHARS..] {
            return Err(refused());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(••••)")
    }
}

fn checksum(random: &str) -> String {
    let mut rest = crc32fast::hash(random.as_bytes()) as usize;
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % BASE62.len()];
        rest /= BASE62.len();
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_changed_character_is_detected(bytes in prop::collection::vec(any::<u8>(), 128), at in 0usize..36, to in 0usize..62) {
            let secret = TokenSecret::from_random(TokenKind::Api, &bytes).unwrap();
            prop_assert_eq!(secret.kind(), TokenKind::Api);
            prop_assert_eq!(secret.reveal().parse::<TokenSecret>(), Ok(secret.clone()));
            let mut text = secret.reveal().to_owned().into_bytes();
            let changed = text[4 + at] != BASE62[to];
            text[4 + at] = BASE62[to];
            prop_assert_eq!(String::from_utf8(text).unwrap().parse::<TokenSecret>().is_err(), changed);
        }
    }

    #[test]
    fn too_few_random_bytes_return_none() {
        assert!(TokenSecret::from_random(TokenKind::Api, &[255; 64]).is_none());
        assert!(TokenSecret::from_random(TokenKind::Session, &[1; 29]).is_none());
    }

    #[test]
    fn scopes_have_one_spelling() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(*scope));
        }
        assert!("jobs".parse::<Scope>().is_err());
    }
}
