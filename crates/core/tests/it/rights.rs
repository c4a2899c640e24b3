//! Rights that were given away fall with their giver's: the store compared with a naive model, over random sequences of changes.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::collections::{BTreeMap, BTreeSet};
use tokio::runtime::Runtime;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        audit::{Actor, Author},
        id::{InvitationId, TokenId, UserId, WorkspaceId},
        rights::{Giver, ROLE_PROBATION, Rights},
        user::{Role, User},
        workspace::Workspace,
    },
    store::{
        Conn, StoreError,
        invitations::{self, NewInvitation},
        members,
        tokens::{self, NewToken},
        users::{self, NewUser, SignUpRoute},
    },
};
use trigrun_testkit::TestDb;
use uuid::Uuid;

const USERS: usize = 5;

/// One step. Numbers select one of those that exist.
#[derive(Clone, Debug)]
enum Step {
    CreateToken { by: usize, scopes: Vec<Scope> },
    RotateToken { by: usize, token: usize },
    DeleteToken { by: usize, token: usize },
    Invite { by: usize, user: usize, role: Role },
    Accept { user: usize },
    ChangeRole { by: usize, user: usize, role: Option<Role> },
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0usize..1000;
    let role = || prop::sample::select(Role::ALL);
    let scopes = prop_oneof![
        2 => Just(Scope::ALL.to_vec()),
        1 => prop::sample::subsequence(Scope::ALL, 1..Scope::ALL.len()),
        1 => Just(vec![Scope::WorkspaceAdmin]),
    ];
    prop_oneof![
        4 => (any.clone(), scopes).prop_map(|(by, scopes)| Step::CreateToken { by, scopes }),
        1 => (any.clone(), any.clone()).prop_map(|(by, token)| Step::RotateToken { by, token }),
        1 => (any.clone(), any.clone()).prop_map(|(by, token)| Step::DeleteToken { by, token }),
        4 => (any.clone(), 0..USERS, role()).prop_map(|(by, user, role)| Step::Invite { by, user, role }),
        4 => (0..USERS).prop_map(|user| Step::Accept { user }),
        3 => (any, 0..USERS, prop::option::weighted(0.8, role()))
            .prop_map(|(by, user, role)| Step::ChangeRole { by, user, role }),
        1 => Just(Step::Wait),
    ]
}

/// A user, or a token with the number of its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    User(usize),
    Token(usize, usize),
}

struct Token {
    id: TokenId,
    hash: Vec<u8>,
    secret: usize,
    giver: Holder,
    user: usize,
    scopes: Vec<Scope>,
    is_live: bool,
}

struct Member {
    role: Role,
    /// The user, and the token, that gave the role.
    giver: Option<(usize, Holder)>,
    at: DateTime<Utc>,
}

struct Invitation {
    hash: Vec<u8>,
    role: Role,
    giver: Holder,
    user: usize,
}

/// What there must be: asks of every right, after every step, whether the one who gave it could still give it.
struct Model {
    now: DateTime<Utc>,
    members: BTreeMap<usize, Member>,
    tokens: Vec<Token>,
    /// By the invited user.
    invitations: BTreeMap<usize, Invitation>,
}

impl Model {
    fn role(&self, user: usize) -> Option<Role> {
        self.members.get(&user).map(|member| member.role)
    }

    fn user_of(&self, holder: Holder) -> usize {
        match holder {
            Holder::User(user) => user,
            Holder::Token(token, _) => self.tokens[token].user,
        }
    }

    fn rights(&self, holder: Holder) -> Rights {
        match holder {
            Holder::User(user) => self.role(user).map_or(Rights::none(), Rights::of_role),
            Holder::Token(token, secret) => {
                let token = &self.tokens[token];
                match token.is_live && token.secret == secret {
                    true => Rights::of_token(&token.scopes, None),
                    false => Rights::none(),
                }
            }
        }
    }

    fn holders(&self) -> Vec<Holder> {
        let tokens = self.tokens.iter().enumerate().filter(|(_, token)| token.is_live);
        let users = self.members.keys().map(|user| Holder::User(*user));
        users.chain(tokens.map(|(number, token)| Holder::Token(number, token.secret))).collect()
    }

    /// Whether what `giver` gave on behalf of `user` still stands.
    fn stands(&self, giver: Holder, user: usize, given: &Rights) -> bool {
        self.rights(giver).may_give(given) && self.rights(Holder::User(user)).may_give(given)
    }

    /// Repeats until nothing falls. The role of `actor`, who makes the change, does not.
    fn settle(&mut self, actor: Holder) {
        loop {
            let dead = self.tokens.iter().position(|token| {
                let given = Rights::of_token(&token.scopes, None);
                token.is_live && !self.stands(token.giver, token.user, &given)
            });
            if let Some(dead) = dead {
                self.tokens[dead].is_live = false;
                continue;
            }
            let void = self.invitations.iter().find(|(_, invitation)| {
                !self.stands(invitation.giver, invitation.user, &Rights::of_role(invitation.role))
            });
            if let Some((user, _)) = void {
                let user = *user;
                self.invitations.remove(&user);
                continue;
            }
            let lowered = self.members.iter().find_map(|(user, member)| {
                let (by, with) = member.giver.filter(|_| self.now - member.at < ROLE_PROBATION)?;
                let of_user = self.rights(Holder::User(by)).remainder(member.role);
                let remainder = self.rights(with).remainder(of_user);
                (remainder != member.role).then_some((*user, by, remainder, of_user != member.role))
            });
            let Some((user, by, remainder, by_user)) = lowered else { return };
            if actor != Holder::User(user) {
                self.members.get_mut(&user).unwrap().role = remainder;
            } else if by_user {
                self.pass_on(by, Some(user));
            } else {
                self.members.get_mut(&user).unwrap().giver = Some((by, Holder::User(by)));
            }
        }
    }

    /// What `from` gave counts as given by the one who gave `from` its role. A member that is removed keeps the entry until then.
    fn pass_on(&mut self, from: usize, only: Option<usize>) {
        let origin = &self.members[&from];
        let origin = origin.giver.filter(|_| self.now - origin.at < ROLE_PROBATION);
        for (user, member) in &mut self.members {
            if only.is_none_or(|only| only == *user) && member.giver.is_some_and(|(by, _)| by == from) {
                member.giver = origin;
            }
        }
    }
}

/// The model next to the store.
struct Test {
    conn: trigrun_core::store::pool::PooledConn,
    workspace: WorkspaceId,
    users: Vec<User>,
    model: Model,
}

impl Test {
    async fn new(db: &TestDb) -> Self {
        let mut conn = db.conn().await;
        let now = db.now().await;
        let mut users = Vec::new();
        let mut workspace = None;
        for _ in 0..USERS {
            let id = UserId::from_uuid(Uuid::new_v4());
            let user = User { id, email: format!("{id}@example.com"), name: "user".into() };
            let home = Workspace { id: WorkspaceId::from_uuid(Uuid::new_v4()), name: "home".into() };
            let actor = Actor::User { id, email: user.email.clone() };
            let by = Author { actor, at: now, request_id: None, address: None };
            let new = NewUser { user: &user, password_hash: "", by: &by };
            let home = users::sign_up(&mut conn, new, SignUpRoute::OwnWorkspace(&home)).await.unwrap();
            workspace.get_or_insert(home);
            users.push(user);
        }
        let founder = Member { role: Role::Owner, giver: None, at: now };
        let members = BTreeMap::from([(0, founder)]);
        let model = Model { now, members, tokens: Vec::new(), invitations: BTreeMap::new() };
        Self { conn, workspace: workspace.unwrap(), users, model }
    }

    fn giver(&self, holder: Holder) -> Giver {
        match holder {
            Holder::User(user) => Giver::User(self.users[user].id),
            Holder::Token(token, _) => {
                let Token { id, hash, user, .. } = &self.model.tokens[token];
                Giver::Token { id: *id, hash: hash.clone(), user: Some(self.users[*user].id) }
            }
        }
    }

    fn author(&self, holder: Holder) -> Author {
        let actor = match holder {
            Holder::User(user) => {
                Actor::User { id: self.users[user].id, email: self.users[user].email.clone() }
            }
            Holder::Token(token, _) => Actor::Token { id: self.model.tokens[token].id, name: "token".into() },
        };
        Author { actor, at: self.model.now, request_id: None, address: None }
    }

    async fn take(&mut self, step: &Step) {
        let holders = self.model.holders();
        let holder = |by: usize| holders[by % holders.len()];
        let live: Vec<usize> =
            (0..self.model.tokens.len()).filter(|token| self.model.tokens[*token].is_live).collect();
        self.model.now += TimeDelta::seconds(1);
        match step {
            Step::CreateToken { by, scopes } => self.create_token(holder(*by), scopes).await,
            Step::RotateToken { by, token } if !live.is_empty() => {
                self.rotate_token(holder(*by), live[token % live.len()]).await;
            }
            Step::DeleteToken { by, token } if !live.is_empty() => {
                self.delete_token(holder(*by), live[token % live.len()]).await;
            }
            Step::RotateToken { .. } | Step::DeleteToken { .. } => {}
            Step::Invite { by, user, role } => self.invite(holder(*by), *user, *role).await,
            Step::Accept { user } => self.accept(*user).await,
            Step::ChangeRole { by, user, role } => self.change_role(holder(*by), *user, *role).await,
            Step::Wait => self.model.now += TimeDelta::days(3),
        }
        self.compare(step).await;
    }

    async fn create_token(&mut self, by: Holder, scopes: &[Scope]) {
        let (id, giver) = (TokenId::from_uuid(Uuid::new_v4()), self.giver(by));
        let hash = crypto::token_hash(&crypto::new_token(TokenKind::Api).unwrap());
        let new = NewToken { id, name: "token", hash: &hash, scopes, expires_at: None, giver: &giver };
        let author = self.author(by);
        let result = tokens::insert(&mut self.conn, self.workspace, new, &author, None).await;
        let may = self.model.rights(by).may_give(&Rights::of_token(scopes, None));
        assert_eq!(is_done(result), may);
        if may {
            let user = self.model.user_of(by);
            let scopes = scopes.to_vec();
            self.model.tokens.push(Token { id, hash, secret: 0, giver: by, user, scopes, is_live: true });
        }
    }

    async fn rotate_token(&mut self, by: Holder, token: usize) {
        let hash = crypto::token_hash(&crypto::new_token(TokenKind::Api).unwrap());
        let (id, giver, author) = (self.model.tokens[token].id, self.giver(by), self.author(by));
        let result = tokens::rotate(&mut self.conn, self.workspace, id, &hash, &giver, &author).await;
        let may = self.model.rights(by).may_give(&Rights::of_token(&self.model.tokens[token].scopes, None));
        assert_eq!(is_done(result.map(drop)), may);
        if may {
            let user = self.model.user_of(by);
            self.model.tokens[token].hash = hash;
            self.model.tokens[token].secret += 1;
            self.model.settle(by);
            // A token that has fallen by this, or has another secret now, is no giver.
            if self.model.rights(by) != Rights::none() {
                (self.model.tokens[token].giver, self.model.tokens[token].user) = (by, user);
            }
        }
    }

    async fn delete_token(&mut self, by: Holder, token: usize) {
        let (id, author) = (self.model.tokens[token].id, self.author(by));
        tokens::delete(&mut self.conn, self.workspace, id, &author).await.unwrap();
        self.model.tokens[token].is_live = false;
        self.model.settle(by);
    }

    async fn invite(&mut self, by: Holder, user: usize, role: Role) {
        let hash = crypto::token_hash(&crypto::new_token(TokenKind::Invitation).unwrap());
        let (giver, author) = (self.giver(by), self.author(by));
        let new = NewInvitation {
            id: InvitationId::from_uuid(Uuid::new_v4()),
            email: &self.users[user].email,
            role,
            hash: &hash,
            expires_at: self.model.now + TimeDelta::days(1000),
            giver: &giver,
            by: &author,
        };
        let result = invitations::invite(&mut self.conn, self.workspace, new, None).await;
        let may = self.model.rights(by).may_give(&Rights::of_role(role));
        assert_eq!(is_done(result), may && self.model.role(user).is_none());
        if may && self.model.role(user).is_none() {
            let invitation = Invitation { hash, role, giver: by, user: self.model.user_of(by) };
            self.model.invitations.insert(user, invitation);
        }
    }

    async fn accept(&mut self, user: usize) {
        let Some(Invitation { hash, role, giver, user: by }) = self.model.invitations.remove(&user) else {
            return;
        };
        let author = self.author(Holder::User(user));
        invitations::accept(&mut self.conn, &self.users[user], &hash, &author).await.unwrap();
        let member = Member { role, giver: Some((by, giver)), at: self.model.now };
        self.model.members.insert(user, member);
    }

    async fn change_role(&mut self, by: Holder, user: usize, role: Option<Role>) {
        let (id, giver, author) = (self.users[user].id, self.giver(by), self.author(by));
        let result = members::change(&mut self.conn, self.workspace, id, role, &giver, &author).await;
        let owners = self.model.members.values().filter(|member| member.role == Role::Owner).count();
        let previous = self.model.role(user);
        let is_last = previous == Some(Role::Owner) && role != Some(Role::Owner) && owners == 1;
        let may = previous.is_some_and(|previous| {
            self.model.rights(by).lack_to_change(previous, role).is_none() && !is_last
        });
        assert_eq!(is_done(result), may);
        if !may {
            return;
        }
        let giver = (self.model.user_of(by), by);
        if by == Holder::User(user) && role != previous {
            self.model.pass_on(user, None);
        }
        let member = self.model.members.get_mut(&user).unwrap();
        match role {
            Some(role)
                if Rights::of_role(member.role).lack_to_change(member.role, Some(role)).is_some()
                    || rank(role) > rank(member.role) =>
            {
                *member = Member { role, giver: Some(giver), at: self.model.now };
            }
            Some(role) => member.role = role,
            // Without rights: what the member gave falls before the entry goes.
            None => {
                let at = member.at;
                let origin = member.giver;
                self.remove(user, by, Member { role: Role::Member, giver: origin, at });
                return;
            }
        }
        self.model.settle(by);
    }

    fn remove(&mut self, user: usize, by: Holder, last: Member) {
        // A reader may give nothing either, so all that a removed member gave falls already when the member is one.
        self.model.members.insert(user, last);
        self.model.settle(by);
        self.model.members.remove(&user);
        // The giver of those that remain is not there any more.
        for member in self.model.members.values_mut() {
            if member.giver.is_some_and(|(by, _)| by == user) {
                member.giver = None;
            }
        }
    }

    async fn compare(&mut self, step: &Step) {
        let mut tokens: Vec<Uuid> = Vec::new();
        let page = trigrun_core::domain::page::Page { limit: 1000, before: None };
        for token in tokens::list(&mut self.conn, self.workspace, page).await.unwrap().data {
            tokens.push(token.id.uuid());
        }
        let live = self.model.tokens.iter().filter(|token| token.is_live).map(|token| token.id.uuid());
        assert_eq!(BTreeSet::from_iter(tokens), live.collect::<BTreeSet<_>>(), "the tokens after {step:?}");
        let invitations = invitations::list(&mut self.conn, self.workspace, self.model.now).await.unwrap();
        let invited: BTreeMap<_, _> =
            invitations.into_iter().map(|invitation| (invitation.email, invitation.role.as_str())).collect();
        let expected = self.model.invitations.iter();
        let expected =
            expected.map(|(user, open)| (self.users[*user].email.clone(), open.role.as_str())).collect();
        assert_eq!(invited, expected, "the invitations after {step:?}");
        let members: BTreeMap<_, _> = members::list(&mut self.conn, self.workspace)
            .await
            .unwrap()
            .into_iter()
            .map(|member| (member.user.email, member.role.as_str()))
            .collect();
        let expected = self.model.members.iter();
        let expected =
            expected.map(|(user, member)| (self.users[*user].email.clone(), member.role.as_str())).collect();
        assert_eq!(members, expected, "the members after {step:?}");
        assert!(members.values().any(|role| *role == "owner"), "there is always an owner");
    }
}

fn rank(role: Role) -> usize {
    Role::ALL.iter().position(|other| *other == role).unwrap()
}

#[track_caller]
fn is_done(result: Result<(), StoreError>) -> bool {
    match result {
        Ok(()) => true,
        Err(StoreError::NotFound | StoreError::Conflict(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn rights_fall_with_those_of_their_giver() {
    let runtime = Runtime::new().unwrap();
    let db = runtime.block_on(TestDb::new());
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(step(), 1..40), |steps| {
        runtime.block_on(async {
            let mut test = Test::new(&db).await;
            for step in &steps {
                test.take(step).await;
            }
        });
        Ok(())
    });
    runtime.block_on(async { drop(db) });
    outcome.unwrap();
}

/// The role of the user who makes a change was given by one who falls with it, whose own giver has fallen before.
#[tokio::test]
async fn a_role_is_passed_on_until_its_giver_has_the_right() {
    let db = TestDb::new().await;
    let mut test = Test::new(&db).await;
    let all = || Step::CreateToken { by: 0, scopes: Scope::ALL.to_vec() };
    for step in [
        Step::Invite { by: 0, user: 2, role: Role::Owner },
        Step::Accept { user: 2 },
        Step::Invite { by: 1, user: 4, role: Role::Owner },
        Step::Accept { user: 4 },
        Step::ChangeRole { by: 2, user: 0, role: Some(Role::Admin) },
        all(),
        Step::ChangeRole { by: 3, user: 0, role: None },
    ] {
        test.take(&step).await;
    }
}

/// Those that come after the loss are refused, those that came before have fallen.
#[tokio::test]
async fn nothing_is_given_while_the_right_to_give_is_taken_away() {
    let db = TestDb::new().await;
    for _ in 0..5 {
        let mut test = Test::new(&db).await;
        let founder = Holder::User(0);
        test.invite(founder, 1, Role::Admin).await;
        test.accept(1).await;
        test.create_token(Holder::User(1), Scope::ALL).await;
        let (giver, author) = (test.giver(Holder::Token(0, 0)), test.author(Holder::Token(0, 0)));
        let create = async |number: usize| {
            let mut conn = db.conn().await;
            let hash = [number as u8; 32];
            let id = TokenId::from_uuid(Uuid::new_v4());
            let new = NewToken {
                id,
                name: "token",
                hash: &hash,
                scopes: Scope::ALL,
                expires_at: None,
                giver: &giver,
            };
            is_done(tokens::insert(&mut conn, test.workspace, new, &author, None).await)
        };
        let demote = async {
            let conn: &mut Conn = &mut *db.conn().await;
            let (by, giver) = (test.author(founder), test.giver(founder));
            members::change(conn, test.workspace, test.users[1].id, Some(Role::Member), &giver, &by).await
        };
        let (_, demoted) =
            futures_util::future::join(futures_util::future::join_all((0..8).map(create)), demote).await;
        demoted.unwrap();
        let page = trigrun_core::domain::page::Page { limit: 1000, before: None };
        assert!(tokens::list(&mut test.conn, test.workspace, page).await.unwrap().data.is_empty());
    }
}
