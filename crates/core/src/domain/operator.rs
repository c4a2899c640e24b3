//! Operators: people and programs who run an installation. What they do has a reason, and is recorded apart from the tenants.

use chrono::{DateTime, TimeDelta, Utc};
use std::net::IpAddr;

use super::{
    audit::{Actor, Author, Target},
    id::{AuditId, OperatorId},
    invalid::Invalid,
    job,
    string_enum::string_enum,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    pub id: OperatorId,
    pub name: String,
}

string_enum! {
    /// What an operator has done.
    OperatorAction {
        WorkspaceCreated = "workspace.created",
        WorkspaceSuspended = "workspace.suspended",
        WorkspaceResumed = "workspace.resumed",
        WorkspacePlanChanged = "workspace.plan_changed",
        WorkspaceLimitsChanged = "workspace.limits_changed",
        WorkspaceDeleted = "workspace.deleted",
        TokenCreated = "token.created",
        UserCreated = "user.created",
        UserPasswordChanged = "user.password_changed",
        UserSessionsEnded = "user.sessions_ended",
        UserDeleted = "user.deleted",
        InstallationHeld = "installation.held",
        MissedSkipped = "installation.missed_skipped",
        InstallationReleased = "installation.released",
        OperatorCreated = "operator.created",
        OperatorDeleted = "operator.deleted",
    }
}

/// The target of what concerns all tenants.
pub const INSTALLATION: &str = "installation";

/// Which operator makes a change, why, when, and with which request.
#[derive(Clone, Debug)]
pub struct OperatorAuthor {
    /// `None` for a command, which only has a name.
    pub operator_id: Option<OperatorId>,
    /// The operator's name, which the audit log keeps as it is now.
    pub operator: String,
    pub reason: String,
    pub at: DateTime<Utc>,
    pub request_id: Option<String>,
    pub address: Option<IpAddr>,
}

impl OperatorAuthor {
    /// The same author some microseconds later: see [`Author::later`].
    pub fn later(&self, micros: i64) -> Self {
        Self { at: self.at + TimeDelta::microseconds(micros), ..self.clone() }
    }

    /// As tenants see the author in their audit logs: without name and address.
    pub fn author(&self) -> Author {
        Author { actor: Actor::Operator, at: self.at, request_id: self.request_id.clone(), address: None }
    }
}

/// One entry of the operators' audit log.
#[derive(Clone, Debug)]
pub struct OperatorEntry {
    pub id: AuditId,
    pub at: DateTime<Utc>,
    pub operator_id: Option<OperatorId>,
    pub operator: String,
    /// One of [`OperatorAction`], or an action that a newer version of TrigRun wrote.
    pub action: String,
    pub reason: String,
    pub target: Target,
    pub details: Vec<(String, String)>,
    pub request_id: Option<String>,
    pub address: Option<String>,
}

/// Checks the name of an operator.
pub fn name(text: &str) -> Result<String, Invalid> {
    job::name(text)
}

const MAX_REASON_CHARS: usize = 500;

/// Checks why an operator does something: a line of text.
pub fn reason(text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    let is_line = !text.is_empty() && !text.chars().any(char::is_control);
    if is_line && text.chars().count() <= MAX_REASON_CHARS {
        return Ok(text.to_owned());
    }
    Err(Invalid::new("reason_invalid", format!("must be a line of 1 to {MAX_REASON_CHARS} characters")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line() {
        assert_eq!(reason(" restored backup ").as_deref(), Ok("restored backup"));
        for bad in ["", "  ", "two\nlines", &"a".repeat(501)] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tenants_do_not_see_which_operator_it_was() {
        let by = OperatorAuthor {
            operator_id: None,
            operator: "ada".to_owned(),
            reason: "unpaid".to_owned(),
            at: DateTime::UNIX_EPOCH,
            request_id: None,
            address: "192.0.2.1".parse().ok(),
        };
        assert_eq!((by.author().actor, by.author().address), (Actor::Operator, None));
    }
}
