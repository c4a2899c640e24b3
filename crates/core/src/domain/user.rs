//! Users: their e-mail addresses, passwords and roles in workspaces.

use super::{
    access::Scope,
    id::{AccountId, UserId, WorkspaceId},
    invalid::Invalid,
    string_enum::string_enum,
    workspace::{Suspension, WorkspacePlan},
};

#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: String,
}

/// A user's role in one workspace.
#[derive(Clone, Debug)]
pub struct Membership {
    pub workspace: WorkspaceId,
    pub account: AccountId,
    pub workspace_name: String,
    pub role: Role,
    pub suspension: Option<Suspension>,
    pub plan: WorkspacePlan,
}

// The first is the default of new members.
string_enum! {
    /// `owner` may do everything, `admin` everything except changing owners and deleting the workspace, `member` may read.
    Role { Member = "member", Admin = "admin", Owner = "owner", }
}

impl Role {
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Owner | Self::Admin => Scope::ALL,
            Self::Member => &[Scope::JobsRead, Scope::ExecutionsRead],
        }
    }
}

/// How many workspaces one user may have created, also if others own them now. The limit exists because each workspace has its own quotas.
pub const MAX_CREATED_WORKSPACES: i64 = 20;

/// RFC 5321 §4.5.3.1.3: a path has at most 256 bytes, with its angle brackets.
const MAX_EMAIL_BYTES: usize = 254;
const MIN_PASSWORD_CHARS: usize = 10;
const MAX_PASSWORD_CHARS: usize = 256;

/// Checks an address and converts it to lower case. Only sending a message could show whether it exists.
pub fn email(text: &str) -> Result<String, Invalid> {
    let invalid =
        || Invalid::new("email_invalid", "must be an e-mail address").hint("Example: ada@example.com");
    email_length(text)?;
    let (name, host) = text.rsplit_once('@').ok_or_else(invalid)?;
    let is_address = !name.is_empty()
        && name.len() <= 64
        && host.contains('.')
        && host.split('.').all(|label| !label.is_empty())
        && !text.chars().any(|character| {
            character.is_whitespace() || character.is_control() || "<>(),;:\"[]\\".contains(character)
        })
        && text.matches('@').count() == 1;
    if is_address { Ok(text.to_lowercase()) } else { Err(invalid()) }
}

/// Checks only the length of an address, before anything else is done with it.
pub fn email_length(text: &str) -> Result<(), Invalid> {
    if text.len() > MAX_EMAIL_BYTES {
        return Err(Invalid::new("email_invalid", format!("must have at most {MAX_EMAIL_BYTES} bytes")));
    }
    Ok(())
}

/// Checks the length of a password (NIST SP 800-63B §5.1.1: no composition rules).
pub fn password(text: &str) -> Result<(), Invalid> {
    let length = text.chars().count();
    if !(MIN_PASSWORD_CHARS..=MAX_PASSWORD_CHARS).contains(&length) {
        let detail = format!("must have {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters");
        return Err(Invalid::new("password_length", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(email("Ada.Lovelace+x@Example.COM").as_deref(), Ok("ada.lovelace+x@example.com"));
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in [
            "",
            "a",
            "@example.com",
            "a@",
            "a@b",
            "a@b..c",
            "a b@example.com",
            "a@b@example.com",
            "<a@example.com>",
            "a@example.com\0",
            &long,
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn passwords_are_checked_by_length_only() {
        assert!(password(&"ä".repeat(10)).is_ok() && password("          ").is_ok());
        assert!(password(&"a".repeat(9)).is_err() && password(&"a".repeat(257)).is_err());
    }

    #[test]
    fn members_may_only_read() {
        assert_eq!(Role::Member.scopes(), [Scope::JobsRead, Scope::ExecutionsRead]);
    }
}
