//! Rights in a workspace: what a giver has now, and what falls when it loses them.
//!
//! Every transaction that gives or takes rights locks the workspace first (`workspaces::lock_rights`). They follow one another, so that a right
//! cannot be given while the right to give it is taken away.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Bool, Nullable},
};
use diesel_async::RunQueryDsl;
use std::{collections::BTreeMap, fmt::Display};
use uuid::Uuid;

use super::{
    Conn, StoreError, audit,
    columns::{parse_enum, parse_enums},
    schema::{invitations, members, tokens, users},
};
use crate::domain::{
    audit::{Action, Actor, Author},
    id::{InvitationId, TokenId, UserId, WorkspaceId},
    rights::{Giver, ROLE_PROBATION, Rights},
    user::Role,
};

/// What this giver has at the moment. [`StoreError::NotFound`] if it is not in the workspace any more.
pub(super) async fn of_giver(
    conn: &mut Conn,
    workspace: WorkspaceId,
    giver: &Giver,
) -> Result<Rights, StoreError> {
    match giver {
        Giver::Operator => Ok(Rights::of_operator()),
        Giver::User(user) => {
            let member = members::table.find((workspace.uuid(), user.uuid()));
            let role: String = member.select(members::role).first(conn).await?;
            Ok(Rights::of_role(parse_enum("members.role", &role)?))
        }
        Giver::Token { id, hash, .. } => {
            let (scopes, until): (Vec<String>, Option<DateTime<Utc>>) = tokens::table
                .filter(tokens::workspace_id.eq(workspace.uuid()))
                .filter(tokens::id.eq(id.uuid()))
                .filter(tokens::hash.eq(hash))
                .select((tokens::scopes, tokens::expires_at))
                .first(conn)
                .await?;
            Ok(Rights::of_token(&parse_enums("tokens.scopes", &scopes)?, until))
        }
    }
}

/// [`StoreError::NotFound`] unless `giver` may give `wanted`, until then.
pub(super) async fn check(
    conn: &mut Conn,
    workspace: WorkspaceId,
    giver: &Giver,
    wanted: &Rights,
    until: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let own = of_giver(conn, workspace, giver).await?;
    if own.may_give(wanted) && own.may_give_until(until) { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Who gave a member the role, and when.
#[derive(Clone, Copy, Queryable)]
pub(super) struct Origin {
    user: Option<Uuid>,
    token: Option<Uuid>,
    at: DateTime<Utc>,
}

pub(super) const ORIGIN: (members::given_by, members::given_with, members::given_at) =
    (members::given_by, members::given_with, members::given_at);

impl Origin {
    /// Empty if the role does not depend on its giver any more.
    fn within_probation(self, now: DateTime<Utc>) -> (Option<Uuid>, Option<Uuid>) {
        if self.at > now - ROLE_PROBATION { (self.user, self.token) } else { (None, None) }
    }
}

/// A holder who has lost rights.
pub(super) enum Loss {
    /// Left with what remains, which was given by the other.
    Member { user: UserId, left: Rights, origin: Origin },
    /// It has been deleted, or its secret has been replaced.
    Token(TokenId),
}

impl Loss {
    fn left(&self) -> Rights {
        match self {
            Self::Member { left, .. } => left.clone(),
            Self::Token(_) => Rights::none(),
        }
    }
}

/// Takes what the holder gave and could not give any more, and what that has given in turn.
pub(super) async fn revoke(
    conn: &mut Conn,
    workspace: WorkspaceId,
    first: Loss,
    by: &Author,
) -> Result<(), StoreError> {
    if let Loss::Member { user, .. } = &first
        && is_actor(by, *user)
    {
        pass_on(conn, workspace, &first, None, by).await?;
    }
    let mut revocation = Revocation {
        workspace,
        by,
        written: 0,
        losses: vec![first],
        done: Vec::new(),
        tokens: BTreeMap::new(),
    };
    while let Some(loss) = revocation.losses.pop() {
        revocation.find_tokens(conn, &loss).await?;
        revocation.delete_invitations(conn, &loss).await?;
        revocation.lower_roles(conn, &loss).await?;
        revocation.done.push(loss);
    }
    revocation.delete_tokens(conn).await
}

fn is_actor(by: &Author, user: UserId) -> bool {
    matches!(&by.actor, Actor::User { id, .. } if *id == user)
}

/// Keeps roles that would fall: all that a member gave, when the member steps down, and that of `only`, who takes the giver's rights away. They
/// count as given by the giver of the giver's own role, so that no user can detach a role from its origin.
async fn pass_on(
    conn: &mut Conn,
    workspace: WorkspaceId,
    from: &Loss,
    only: Option<UserId>,
    by: &Author,
) -> Result<(), StoreError> {
    let all = only.is_none().into_sql::<Nullable<Bool>>();
    let given = members::table
        .filter(members::workspace_id.eq(workspace.uuid()))
        .filter(all.or(members::user_id.nullable().eq(only.map(UserId::uuid))));
    match from {
        Loss::Member { user, origin, .. } => {
            let (by, with) = origin.within_probation(by.at);
            let given = given.filter(members::given_by.eq(user.uuid()));
            diesel::update(given).set((members::given_by.eq(by), members::given_with.eq(with))).execute(conn)
        }
        // The user who created the token still answers for the role.
        Loss::Token(token) => {
            let given = given.filter(members::given_with.eq(token.uuid()));
            diesel::update(given).set(members::given_with.eq(None::<Uuid>)).execute(conn)
        }
    }
    .await?;
    Ok(())
}

struct Revocation<'a> {
    workspace: WorkspaceId,
    by: &'a Author,
    /// How many entries of the audit log: each is later than the one before.
    written: i64,
    losses: Vec<Loss>,
    /// Those of which everything has fallen.
    done: Vec<Loss>,
    /// Their names. They are deleted last, because what they gave refers to them.
    tokens: BTreeMap<Uuid, String>,
}

impl Revocation<'_> {
    async fn find_tokens(&mut self, conn: &mut Conn, loss: &Loss) -> Result<(), StoreError> {
        let given = tokens::table.filter(tokens::workspace_id.eq(self.workspace.uuid())).into_boxed();
        let given = match loss {
            Loss::Member { user, .. } => given.filter(tokens::created_by.eq(user.uuid())),
            Loss::Token(token) => given.filter(tokens::created_with.eq(token.uuid())),
        };
        let given: Vec<(Uuid, String, Vec<String>)> =
            given.select((tokens::id, tokens::name, tokens::scopes)).load(conn).await?;
        for (id, name, scopes) in given {
            let may_give =
                loss.left().may_give(&Rights::of_token(&parse_enums("tokens.scopes", &scopes)?, None));
            if !may_give && self.tokens.insert(id, name).is_none() {
                self.losses.push(Loss::Token(TokenId::from_uuid(id)));
            }
        }
        Ok(())
    }

    async fn delete_tokens(mut self, conn: &mut Conn) -> Result<(), StoreError> {
        let ids: Vec<&Uuid> = self.tokens.keys().collect();
        diesel::delete(tokens::table.filter(tokens::id.eq_any(ids))).execute(conn).await?;
        for (id, name) in std::mem::take(&mut self.tokens) {
            let target = (TokenId::from_uuid(id), Some(name.as_str()));
            self.write(conn, Action::TokenDeleted, target, &[]).await?;
        }
        Ok(())
    }

    async fn delete_invitations(&mut self, conn: &mut Conn, loss: &Loss) -> Result<(), StoreError> {
        let given =
            invitations::table.filter(invitations::workspace_id.eq(self.workspace.uuid())).into_boxed();
        let given = match loss {
            Loss::Member { user, .. } => given.filter(invitations::created_by.eq(user.uuid())),
            Loss::Token(token) => given.filter(invitations::created_with.eq(token.uuid())),
        };
        let given: Vec<(Uuid, String, String)> =
            given.select((invitations::id, invitations::email, invitations::role)).load(conn).await?;
        for (id, email, role) in given {
            if loss.left().may_give(&Rights::of_role(parse_enum("invitations.role", &role)?)) {
                continue;
            }
            diesel::delete(invitations::table.find(id)).execute(conn).await?;
            let target = (InvitationId::from_uuid(id), Some(email.as_str()));
            self.write(conn, Action::InvitationDeleted, target, &[]).await?;
        }
        Ok(())
    }

    async fn lower_roles(&mut self, conn: &mut Conn, loss: &Loss) -> Result<(), StoreError> {
        let given = members::table
            .inner_join(users::table)
            .filter(members::workspace_id.eq(self.workspace.uuid()))
            .filter(members::given_at.gt(self.by.at - ROLE_PROBATION))
            .into_boxed();
        let given = match loss {
            Loss::Member { user, .. } => given.filter(members::given_by.eq(user.uuid())),
            Loss::Token(token) => given.filter(members::given_with.eq(token.uuid())),
        };
        let given: Vec<(Uuid, String, String, Origin)> =
            given.select((members::user_id, users::email, members::role, ORIGIN)).load(conn).await?;
        for (user, email, role, origin) in given {
            let user = UserId::from_uuid(user);
            let role: Role = parse_enum("members.role", &role)?;
            let remainder = loss.left().remainder(role);
            if remainder == role {
                continue;
            }
            if is_actor(self.by, user) {
                pass_on(conn, self.workspace, loss, Some(user), self.by).await?;
                self.look_again_at_giver_of(loss);
                continue;
            }
            diesel::update(members::table.find((self.workspace.uuid(), user.uuid())))
                .set(members::role.eq(remainder.as_str()))
                .execute(conn)
                .await?;
            let details = [("role", remainder.as_str()), ("previous_role", role.as_str())];
            self.write(conn, Action::MemberChanged, (user, Some(&email)), &details).await?;
            self.losses.push(Loss::Member { user, left: Rights::of_role(remainder), origin });
        }
        Ok(())
    }

    /// A role was passed on to the giver of this holder's role, who may have lost its rights before.
    fn look_again_at_giver_of(&mut self, loss: &Loss) {
        let Loss::Member { origin, .. } = loss else { return };
        let (giver, _) = origin.within_probation(self.by.at);
        let is_giver = |loss: &Loss| matches!(loss, Loss::Member { user, .. } if Some(user.uuid()) == giver);
        if let Some(index) = self.done.iter().position(is_giver) {
            self.losses.push(self.done.swap_remove(index));
        }
    }

    async fn write(
        &mut self,
        conn: &mut Conn,
        action: Action,
        target: (impl Display, Option<&str>),
        details: &[(&str, &str)],
    ) -> Result<(), StoreError> {
        self.written += 1;
        audit::write(conn, self.workspace, &self.by.later(self.written), action, target, details).await
    }
}
