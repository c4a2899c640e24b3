//! The audit log: who changed what of a workspace that matters to its safety. It names things, and never holds a value.

use chrono::{DateTime, TimeDelta, Utc};
use std::net::IpAddr;

use super::{
    id::{AuditId, TokenId, UserId},
    string_enum::string_enum,
};

string_enum! {
    /// What was done.
    Action {
        SecretCreated = "secret.created",
        SecretChanged = "secret.changed",
        SecretDeleted = "secret.deleted",
        TokenCreated = "token.created",
        TokenRotated = "token.rotated",
        TokenDeleted = "token.deleted",
        MemberInvited = "member.invited",
        InvitationDeleted = "invitation.deleted",
        MemberJoined = "member.joined",
        MemberChanged = "member.changed",
        MemberRemoved = "member.removed",
        ChannelCreated = "channel.created",
        ChannelChanged = "channel.changed",
        ChannelDeleted = "channel.deleted",
        SigningSecretRotated = "signing_secret.rotated",
        WorkspaceCreated = "workspace.created",
        WorkspaceRenamed = "workspace.renamed",
        WorkspacePlanChanged = "workspace.plan_changed",
    }
}

/// Who did it, and what they were called then.
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
    /// Whoever has a shell where TrigRun runs.
    Operator,
}

/// Who changes something, when, and by which request. Whoever changes what the log is about has to say it.
#[derive(Clone, Debug)]
pub struct Author {
    pub actor: Actor,
    pub at: DateTime<Utc>,
    pub request_id: Option<String>,
    /// Where the request came from, as far as the operator's proxies tell.
    pub address: Option<IpAddr>,
}

impl Author {
    pub const fn operator(at: DateTime<Utc>) -> Self {
        Self { actor: Actor::Operator, at, request_id: None, address: None }
    }

    /// So many microseconds later: what follows from a change is listed after it, though both are one request's.
    pub fn later(&self, micros: i64) -> Self {
        Self { at: self.at + TimeDelta::microseconds(micros), ..self.clone() }
    }
}

/// What it was done to, and what that was called then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub id: String,
    pub name: Option<String>,
}

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: AuditId,
    pub at: DateTime<Utc>,
    pub actor: Actor,
    /// One of [`Action`], or what a newer release has written.
    pub action: String,
    pub target: Target,
    pub details: Vec<(String, String)>,
    pub request_id: Option<String>,
    pub address: Option<String>,
}
