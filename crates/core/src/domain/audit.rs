//! The audit log: who changed a workspace. It records names, and never values.

use chrono::{DateTime, TimeDelta, Utc};
use std::net::IpAddr;
use uuid::Uuid;

use super::{
    id::{AuditId, TokenId, UserId},
    string_enum::string_enum,
};

string_enum! {
    /// What was done.
    Action {
        JobCreated = "job.created",
        JobChanged = "job.changed",
        JobPaused = "job.paused",
        JobResumed = "job.resumed",
        JobDeleted = "job.deleted",
        JobsBulk = "jobs.bulk",
        StackApplied = "stack.applied",
        SecretCreated = "secret.created",
        SecretChanged = "secret.changed",
        SecretDeleted = "secret.deleted",
        TokenCreated = "token.created",
        TokenRotated = "token.rotated",
        TokenDeleted = "token.deleted",
        LoggedIn = "user.logged_in",
        LogInFailed = "user.log_in_failed",
        SessionEnded = "user.session_ended",
        PasswordChanged = "user.password_changed",
        EmailChanged = "user.email_changed",
        MemberInvited = "member.invited",
        InvitationDeleted = "invitation.deleted",
        MemberJoined = "member.joined",
        MemberChanged = "member.changed",
        MemberRemoved = "member.removed",
        ChannelCreated = "channel.created",
        ChannelChanged = "channel.changed",
        ChannelDeleted = "channel.deleted",
        ChannelSnoozed = "channel.snoozed",
        RuleCreated = "notification_rule.created",
        RuleChanged = "notification_rule.changed",
        RuleDeleted = "notification_rule.deleted",
        SigningSecretRotated = "signing_secret.rotated",
        WorkspaceCreated = "workspace.created",
        WorkspaceRenamed = "workspace.renamed",
        WorkspacePlanChanged = "workspace.plan_changed",
        WorkspaceLimitsChanged = "workspace.limits_changed",
        WorkspaceSuspended = "workspace.suspended",
        WorkspaceResumed = "workspace.resumed",
    }
}

/// Who made the change, with the name at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    User {
        id: UserId,
        email: String,
    },
    Token {
        id: TokenId,
        name: String,
    },
    /// The operator, on the command line of the server.
    Operator,
}

impl Actor {
    /// The kind of actor, and its id and name, if it has one: the columns in which it is stored.
    pub fn columns(&self) -> (&'static str, Option<Uuid>, Option<&str>) {
        match self {
            Self::User { id, email } => ("user", Some(id.uuid()), Some(email)),
            Self::Token { id, name } => ("token", Some(id.uuid()), Some(name)),
            Self::Operator => ("operator", None, None),
        }
    }

    /// The inverse of [`columns`](Self::columns).
    pub fn from_columns(kind: &str, id: Option<Uuid>, name: Option<String>) -> Self {
        let name = name.unwrap_or_default();
        match (kind, id) {
            ("user", Some(id)) => Self::User { id: UserId::from_uuid(id), email: name },
            ("token", Some(id)) => Self::Token { id: TokenId::from_uuid(id), name },
            _ => Self::Operator,
        }
    }
}

/// Who makes a change, when, and with which request. Every audited change requires an author.
#[derive(Clone, Debug)]
pub struct Author {
    pub actor: Actor,
    pub at: DateTime<Utc>,
    pub request_id: Option<String>,
    /// The client's address, as reported by the operator's proxies.
    pub address: Option<IpAddr>,
}

impl Author {
    pub const fn operator(at: DateTime<Utc>) -> Self {
        Self { actor: Actor::Operator, at, request_id: None, address: None }
    }

    /// The same author some microseconds later, so that the consequence of a change is listed after it although one request made both.
    pub fn later(&self, micros: i64) -> Self {
        Self { at: self.at + TimeDelta::microseconds(micros), ..self.clone() }
    }
}

/// What was changed, with its name at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub id: String,
    pub name: Option<String>,
}

/// One entry of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub id: AuditId,
    pub at: DateTime<Utc>,
    pub actor: Actor,
    /// One of [`Action`], or an action that a newer version of TrigRun wrote.
    pub action: String,
    pub target: Target,
    pub details: Vec<(String, String)>,
    pub request_id: Option<String>,
    pub address: Option<String>,
}
