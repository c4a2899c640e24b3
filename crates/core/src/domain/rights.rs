//! The rule of rights: users and tokens grant only what they have, and a grant ends when its giver could no longer make it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    access::Scope,
    id::{TokenId, UserId},
    user::Role,
};

/// For how long a role falls with the role of its giver. From then on it belongs to its holder: the workspace has seen it in its list of members.
pub const ROLE_PROBATION: TimeDelta = TimeDelta::days(7);

/// Who gives a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Giver {
    Operator,
    User(UserId),
    Token {
        id: TokenId,
        /// The digest of the secret that the request was sent with: after a rotation, that secret gives nothing.
        hash: Vec<u8>,
        /// The user who created the token, directly or with another token.
        user: Option<UserId>,
    },
}

impl Giver {
    /// The user who gives, directly or with a token.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Operator => None,
            Self::User(user) => Some(*user),
            Self::Token { user, .. } => *user,
        }
    }

    pub const fn token(&self) -> Option<TokenId> {
        match self {
            Self::Token { id, .. } => Some(*id),
            Self::Operator | Self::User(_) => None,
        }
    }
}

/// What a holder may do in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    scopes: Vec<Scope>,
    is_owner: bool,
    /// When they expire.
    until: Option<DateTime<Utc>>,
}

/// Why a holder may not give something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    Scope(Scope),
    Ownership,
}

impl Rights {
    pub const fn none() -> Self {
        Self { scopes: Vec::new(), is_owner: false, until: None }
    }

    pub fn of_operator() -> Self {
        Self::of_role(Role::Owner)
    }

    pub fn of_role(role: Role) -> Self {
        Self { scopes: role.scopes().to_vec(), is_owner: role == Role::Owner, until: None }
    }

    pub fn of_token(scopes: &[Scope], until: Option<DateTime<Utc>>) -> Self {
        Self { scopes: scopes.to_vec(), is_owner: false, until }
    }

    /// What is missing to give `wanted`: something of it, or the right to give anything.
    pub fn lack(&self, wanted: &Self) -> Option<Lack> {
        if wanted.is_owner && !self.is_owner {
            return Some(Lack::Ownership);
        }
        let needed = wanted.scopes.iter().chain(&[Scope::WorkspaceAdmin]);
        needed.copied().find(|scope| !self.scopes.contains(scope)).map(Lack::Scope)
    }

    pub fn may_give(&self, wanted: &Self) -> bool {
        self.lack(wanted).is_none()
    }

    /// Whether a token or an invitation that expires then, or never, ends with its giver at the latest.
    pub fn may_give_until(&self, until: Option<DateTime<Utc>>) -> bool {
        self.latest(until) == until
    }

    /// That instant, or that at which these rights expire, whichever is earlier.
    pub fn latest(&self, until: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        self.until.into_iter().chain(until).min()
    }

    /// What is missing to change the role of a member, or to remove the member. Only a higher role is given: to take one away requires no more
    /// than to manage members, and for an owner, to be one.
    pub fn lack_to_change(&self, from: Role, to: Option<Role>) -> Option<Lack> {
        let raised = to.filter(|to| is_higher(*to, from));
        if from == Role::Owner && !self.is_owner {
            return Some(Lack::Ownership);
        }
        self.lack(&raised.map_or(Self::none(), Self::of_role))
    }

    /// What remains of a role when these are the rights of its giver: the best role that they still give, and at least that of a reader.
    pub fn remainder(&self, role: Role) -> Role {
        let given = |other: &Role| !is_higher(*other, role) && self.may_give(&Self::of_role(*other));
        Role::ALL.iter().rev().copied().find(given).unwrap_or(Role::Member)
    }
}

/// Does `role` have rights that `other` lacks?
pub fn is_higher(role: Role, other: Role) -> bool {
    let rank = |role: Role| Role::ALL.iter().position(|known| *known == role);
    rank(role) > rank(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scopes() -> impl Strategy<Value = Vec<Scope>> {
        prop::sample::subsequence(Scope::ALL, 0..=Scope::ALL.len())
    }

    fn rights() -> impl Strategy<Value = Rights> {
        prop_oneof![
            prop::sample::select(Role::ALL).prop_map(Rights::of_role),
            scopes().prop_map(|scopes| Rights::of_token(&scopes, None)),
        ]
    }

    proptest! {
        #[test]
        fn a_chain_of_gifts_never_has_more_than_its_start(first in rights(), second in rights(), third in rights()) {
            if first.may_give(&second) && second.may_give(&third) {
                prop_assert!(first.may_give(&third));
            }
            if first.may_give(&second) {
                prop_assert!(second.scopes.iter().all(|scope| first.scopes.contains(scope)));
                prop_assert!(first.is_owner || !second.is_owner);
            }
        }

        #[test]
        fn what_remains_of_a_role_can_still_be_given(left in rights(), role in prop::sample::select(Role::ALL)) {
            let remainder = left.remainder(role);
            prop_assert!(!is_higher(remainder, role));
            prop_assert!(remainder == Role::Member || left.may_give(&Rights::of_role(remainder)));
        }
    }

    #[test]
    fn who_may_give_which_role() {
        let rights = [
            Rights::of_role(Role::Owner),
            Rights::of_role(Role::Admin),
            Rights::of_role(Role::Member),
            Rights::of_token(Scope::ALL, None),
            Rights::of_token(&[Scope::WorkspaceAdmin, Scope::JobsRead, Scope::ExecutionsRead], None),
            Rights::of_token(&[Scope::WorkspaceAdmin], None),
        ];
        let roles = rights
            .map(|rights| Role::ALL.iter().filter(|role| rights.may_give(&Rights::of_role(**role))).count());
        assert_eq!(roles, [3, 2, 0, 2, 1, 0]);
    }

    #[test]
    fn taking_away_requires_less_than_giving() {
        let managing = Rights::of_token(&[Scope::WorkspaceAdmin], None);
        assert_eq!(managing.lack_to_change(Role::Admin, None), None);
        assert_eq!(managing.lack_to_change(Role::Admin, Some(Role::Member)), None);
        assert_eq!(managing.lack_to_change(Role::Owner, None), Some(Lack::Ownership));
        assert!(matches!(
            managing.lack_to_change(Role::Member, Some(Role::Admin)),
            Some(Lack::Scope(scope)) if scope != Scope::WorkspaceAdmin
        ));
        let reading = Rights::of_role(Role::Member);
        assert_eq!(reading.lack_to_change(Role::Member, None), Some(Lack::Scope(Scope::WorkspaceAdmin)));
    }

    #[test]
    fn nothing_outlives_a_token_that_gave_it() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let token = Rights::of_token(Scope::ALL, at(10));
        assert!(token.may_give_until(at(9)) && token.may_give_until(at(10)));
        assert!(!token.may_give_until(at(11)) && !token.may_give_until(None));
        assert_eq!((token.latest(at(9)), token.latest(at(11)), token.latest(None)), (at(9), at(10), at(10)));
        assert!(Rights::of_role(Role::Admin).may_give_until(None));
    }
}
