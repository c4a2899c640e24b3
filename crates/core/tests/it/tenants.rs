//! Another workspace's id is not found, by every store function that takes one.

use chrono::{DateTime, TimeDelta, Utc};
use std::path::{Path, PathBuf};
use trigrun_core::{
    domain::{
        audit::Author,
        channel::Destination,
        execution::Source,
        id::{ChannelId, InvitationId, JobId, RuleId, TokenId, UserId, WorkspaceId},
        job::{
            Definition, JobState,
            change::{FutureFires, JobChange},
        },
        ledger::LedgerWindow,
        notification::{Rule, RuleEvent},
        page::Page,
        rights::Giver,
        user::Role,
    },
    store::{
        StoreError, audit,
        channels::{self, ChannelChange, NewChannel},
        executions::{self, NewRun},
        invitations::{self, NewInvitation},
        jobs::{self, NewJob},
        leases, members, notifications,
        rules::{self, NewRule},
        secrets::{self, NewValue},
        signing,
        tokens::{self, NewToken},
        workspace_keys, workspaces,
    },
};
use trigrun_testkit::{TestDb, jobs::every_seconds, keys::keys};

/// Functions of the store that take a workspace. The tests below call each of them with another workspace's ids.
const CALLED: [&str; 55] = [
    "audit::list",
    "channels::change",
    "channels::delete",
    "channels::get",
    "channels::insert",
    "channels::jobs_using",
    "channels::list",
    "executions::find_run",
    "executions::fires",
    "executions::get",
    "executions::insert_now",
    "executions::list",
    "invitations::delete",
    "invitations::invite",
    "invitations::list",
    "jobs::change",
    "jobs::delete",
    "jobs::find_by_idempotency_key",
    "jobs::find_group",
    "jobs::get",
    "jobs::history",
    "jobs::insert",
    "jobs::insert_all",
    "jobs::insert_group",
    "jobs::list",
    "leases::cancel",
    "members::change",
    "members::list",
    "notifications::get",
    "notifications::insert_test",
    "notifications::list",
    "rules::delete",
    "rules::insert",
    "rules::list",
    "secrets::change",
    "secrets::delete",
    "secrets::get",
    "secrets::insert",
    "secrets::jobs_using",
    "secrets::list",
    "secrets::missing",
    "secrets::put",
    "signing::get",
    "signing::rotate",
    "tokens::delete",
    "tokens::get",
    "tokens::insert",
    "tokens::list",
    "tokens::rotate",
    "workspace_keys::data_key",
    "workspaces::delete",
    "workspaces::get",
    "workspaces::plan",
    "workspaces::rename",
    "workspaces::set_plan",
];

const PAGE: Page = Page { limit: 10, before: None };

/// Two workspaces; `theirs` has a job.
struct Tenants {
    db: TestDb,
    ours: WorkspaceId,
    theirs: WorkspaceId,
    job: JobId,
    now: DateTime<Utc>,
}

impl Tenants {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let (ours, theirs) = (db.workspace("ours").await, db.workspace("theirs").await);
        let job = db.job(theirs, &definition()).await;
        let now = db.now().await;
        Self { db, ours, theirs, job, now }
    }
}

fn definition() -> Definition {
    every_seconds(60, "http://192.0.2.1/")
}

fn not_found(result: Result<(), StoreError>) {
    assert!(matches!(result, Err(StoreError::NotFound)), "{result:?}");
}

#[tokio::test]
async fn jobs_of_another_workspace_are_not_found() {
    let tenants = Tenants::new().await;
    let Tenants { db, ours, theirs, job, now } = &tenants;
    let (ours, theirs, job, now) = (*ours, *theirs, *job, *now);
    let mut conn = db.conn().await;
    let definition = definition();
    not_found(jobs::get(&mut conn, ours, job, now).await.map(drop));
    not_found(jobs::delete(&mut conn, ours, job, None).await);
    let change = JobChange {
        from_version: 1,
        from_state: JobState::Active,
        definition: definition.clone(),
        state: JobState::Active,
        future_fires: FutureFires::Keep,
        anchor: now,
    };
    not_found(jobs::change(&mut conn, ours, job, &change, None, 0).await.map(drop));
    assert!(jobs::list(&mut conn, ours, &jobs::Filter::default(), PAGE, now).await.unwrap().data.is_empty());
    not_found(jobs::history(&mut conn, ours, job).await.map(drop));
    let many = [JobId::at(now), JobId::at(now)];
    let new = many.map(|id| NewJob {
        id,
        definition: &definition,
        idempotency_key: None,
        request_digest: None,
        now,
        first_fire: None,
        traceparent: None,
        depth: 0,
        token_hash: None,
    });
    jobs::insert_all(&mut conn, theirs, &new, None).await.unwrap();
    for job in many {
        not_found(jobs::get(&mut conn, ours, job, now).await.map(drop));
        assert_eq!(jobs::get(&mut conn, theirs, job, now).await.unwrap().workspace, theirs);
    }
    let keyed = NewJob { id: JobId::at(now), idempotency_key: Some("key"), ..new[0] };
    jobs::insert(&mut conn, theirs, &keyed, None).await.unwrap();
    assert!(jobs::find_by_idempotency_key(&mut conn, theirs, "key").await.unwrap().is_some());
    assert_eq!(jobs::find_by_idempotency_key(&mut conn, ours, "key").await.unwrap(), None);
    let line = jobs::key_in_group("import", 7);
    let keyed = NewJob { id: JobId::at(now), idempotency_key: Some(&line), ..new[0] };
    jobs::insert_group(&mut conn, theirs, Some("import"), &[keyed], None).await.unwrap();
    assert_eq!(jobs::find_group(&mut conn, theirs, "import", now).await.unwrap()[0].number, 7);
    assert!(jobs::find_group(&mut conn, ours, "import", now).await.unwrap().is_empty());
    jobs::insert_group(&mut conn, ours, Some("import"), &[], None).await.unwrap();
}

#[tokio::test]
async fn executions_of_another_workspace_are_not_found() {
    let tenants = Tenants::new().await;
    let Tenants { db, ours, theirs, job, now } = &tenants;
    let (ours, theirs, job, now) = (*ours, *theirs, *job, *now);
    let mut conn = db.conn().await;
    let run =
        || NewRun { source: Source::Manual, replay_of: None, traceparent: None, depth: 0, key: None, now };
    let execution = executions::insert_now(&mut conn, theirs, job, run()).await.unwrap();
    executions::insert_now(&mut conn, theirs, job, NewRun { key: Some("key"), ..run() }).await.unwrap();
    assert!(executions::find_run(&mut conn, theirs, "key").await.unwrap().is_some());
    assert_eq!(executions::find_run(&mut conn, ours, "key").await.unwrap(), None);
    not_found(executions::get(&mut conn, ours, execution).await.map(drop));
    not_found(executions::insert_now(&mut conn, ours, job, run()).await.map(drop));
    let theirs_by_id = executions::Filter { job: Some(job), ..executions::Filter::default() };
    assert!(executions::list(&mut conn, ours, &theirs_by_id, PAGE).await.unwrap().data.is_empty());
    not_found(leases::cancel(&mut conn, ours, execution).await.map(drop));
    let window = LedgerWindow { from: now - TimeDelta::hours(1), to: now + TimeDelta::hours(1) };
    assert!(executions::fires(&mut conn, ours, job, window).await.unwrap().is_empty());
}

#[tokio::test]
async fn secrets_of_another_workspace_are_not_found() {
    let tenants = Tenants::new().await;
    let Tenants { db, ours, theirs, now, .. } = &tenants;
    let (ours, theirs, now) = (*ours, *theirs, *now);
    let mut conn = db.conn().await;
    let (our_key, their_key) = (
        workspace_keys::data_key(&mut conn, ours, &keys()).await.unwrap(),
        workspace_keys::data_key(&mut conn, theirs, &keys()).await.unwrap(),
    );
    let by = &Author::operator(now);
    let value = |key| NewValue { name: "a", value: "x", key, by };
    secrets::insert(&mut conn, theirs, value(&their_key)).await.unwrap();
    not_found(secrets::get(&mut conn, ours, "a").await.map(drop));
    not_found(secrets::change(&mut conn, ours, value(&our_key)).await.map(drop));
    not_found(secrets::delete(&mut conn, ours, "a", by).await);
    assert!(secrets::list(&mut conn, ours, PAGE).await.unwrap().data.is_empty());
    assert_eq!(secrets::missing(&mut conn, ours, &["a".to_owned()]).await.unwrap(), ["a"]);
    assert!(secrets::jobs_using(&mut conn, ours, "a").await.unwrap().is_empty());
    let (_, is_new) = secrets::put(&mut conn, ours, value(&our_key)).await.unwrap();
    assert!(is_new && secrets::get(&mut conn, theirs, "a").await.unwrap().version == 1);
    let signing = signing::rotate(&mut conn, theirs, &their_key, by, false).await.unwrap();
    let other = signing::get(&mut conn, ours, &our_key, now).await.unwrap();
    assert!(other.secrets().all(|ours| signing.secrets().all(|theirs| ours != theirs)));
    assert!(
        signing::get(&mut conn, theirs, &our_key, now).await.is_err(),
        "a key opens only values of its workspace"
    );
}

#[tokio::test]
async fn tokens_and_members_of_another_workspace_are_not_found() {
    let tenants = Tenants::new().await;
    let Tenants { db, ours, theirs, now, .. } = &tenants;
    let (ours, theirs, now) = (*ours, *theirs, *now);
    let mut conn = db.conn().await;
    let by = &Author::operator(now);
    let token = TokenId::at(now);
    let new = NewToken {
        id: token,
        name: "a",
        hash: b"hash",
        scopes: &[],
        expires_at: None,
        giver: &Giver::Operator,
    };
    tokens::insert(&mut conn, theirs, new, by, None).await.unwrap();
    not_found(tokens::get(&mut conn, ours, token).await.map(drop));
    not_found(tokens::rotate(&mut conn, ours, token, b"other", &Giver::Operator, by).await.map(drop));
    not_found(tokens::delete(&mut conn, ours, token, by).await);
    assert!(tokens::list(&mut conn, ours, PAGE).await.unwrap().data.is_empty());
    let invitation = InvitationId::at(now);
    let new = NewInvitation {
        id: invitation,
        email: "a@b.c",
        role: Role::Member,
        hash: b"i",
        expires_at: now + TimeDelta::days(1),
        giver: &Giver::Operator,
        by,
    };
    invitations::invite(&mut conn, theirs, new).await.unwrap();
    assert!(invitations::list(&mut conn, ours, now).await.unwrap().is_empty());
    assert_eq!(invitations::list(&mut conn, theirs, now).await.unwrap().len(), 1);
    not_found(invitations::delete(&mut conn, ours, invitation, by).await);
    not_found(members::change(&mut conn, ours, UserId::at(now), None, &Giver::Operator, by).await);
    assert!(members::list(&mut conn, ours).await.unwrap().is_empty());
}

#[tokio::test]
async fn channels_and_rules_of_another_workspace_are_not_found() {
    let tenants = Tenants::new().await;
    let Tenants { db, ours, theirs, job, now } = &tenants;
    let (ours, theirs, job, now) = (*ours, *theirs, *job, *now);
    let mut conn = db.conn().await;
    let their_key = workspace_keys::data_key(&mut conn, theirs, &keys()).await.unwrap();
    let by = &Author::operator(now);
    let definition = definition();
    let (channel, rule) = (ChannelId::at(now), RuleId::at(now));
    let destination = Destination::Webhook { url: "http://192.0.2.1/".into() };
    let new = |key| NewChannel { id: channel, name: "a", destination: &destination, key, by };
    channels::insert(&mut conn, theirs, new(&their_key)).await.unwrap();
    not_found(channels::get(&mut conn, ours, channel).await.map(drop));
    let change = ChannelChange { name: Some("b"), destination: None, by };
    not_found(channels::change(&mut conn, ours, channel, change).await.map(drop));
    not_found(channels::delete(&mut conn, ours, channel, true, by).await);
    assert!(channels::list(&mut conn, ours, PAGE).await.unwrap().data.is_empty());
    let new =
        NewRule { id: rule, channel, rule: Rule { event: RuleEvent::OnFailure, after_failures: None }, now };
    rules::insert(&mut conn, theirs, job, &new).await.unwrap();
    not_found(rules::insert(&mut conn, ours, job, &new).await);
    let our_job = db.job(ours, &definition).await;
    let foreign = rules::insert(&mut conn, ours, our_job, &new).await.unwrap_err();
    assert!(foreign.is_conflict("channel"), "a channel of another workspace: {foreign}");
    not_found(rules::list(&mut conn, ours, job).await.map(drop));
    not_found(rules::delete(&mut conn, ours, job, rule).await);
    assert!(channels::jobs_using(&mut conn, ours, channel).await.unwrap().is_empty());
    let notification = notifications::insert_test(&mut conn, theirs, channel, now).await.unwrap();
    not_found(notifications::insert_test(&mut conn, ours, channel, now).await.map(drop));
    not_found(notifications::get(&mut conn, ours, notification).await.map(drop));
    let all = notifications::Filter::default();
    assert!(notifications::list(&mut conn, ours, &all, PAGE).await.unwrap().data.is_empty());
}

#[tokio::test]
async fn workspaces_do_not_see_each_other() {
    let tenants = Tenants::new().await;
    let Tenants { db, ours, theirs, job, now } = &tenants;
    let (ours, theirs, job, now) = (*ours, *theirs, *job, *now);
    let mut conn = db.conn().await;
    let by = &Author::operator(now);
    let log = audit::list(&mut conn, ours, audit::Filter::default(), PAGE).await.unwrap().data;
    assert_eq!(log.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["workspace.created"]);
    // Rows that the id of the workspace identifies.
    workspaces::rename(&mut conn, ours, "renamed", by).await.unwrap();
    assert_eq!(workspaces::get(&mut conn, theirs).await.unwrap().name, "theirs");
    workspaces::set_plan(&mut conn, ours, "pro", by).await.unwrap();
    assert_eq!(workspaces::plan(&mut conn, theirs).await.unwrap(), "default");
    workspaces::delete(&mut conn, ours, now).await.unwrap();
    not_found(workspaces::get(&mut conn, ours).await.map(drop));
    assert!(jobs::get(&mut conn, theirs, job, now).await.is_ok(), "the other workspace keeps its job");
}

/// A new function over tenant data must be called above.
#[test]
fn every_function_is_called() {
    let store = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut found = Vec::new();
    for (module, path) in modules(&store) {
        let code = std::fs::read_to_string(&path).unwrap();
        for function in code.split("\npub async fn ").skip(1) {
            let (name, rest) = function.split_once('(').unwrap();
            let arguments: String = rest.split('{').next().unwrap().split_whitespace().collect();
            if arguments.contains("workspace:WorkspaceId") {
                assert!(
                    arguments.starts_with("conn:&mutConn,workspace:WorkspaceId"),
                    "workspace first: {module}::{name}"
                );
                found.push(format!("{module}::{name}"));
            }
        }
    }
    found.sort();
    assert_eq!(found, CALLED);
}

/// The files of the store with the module that exports their functions: that of the folder for files inside one.
fn modules(folder: &Path) -> Vec<(String, PathBuf)> {
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => modules(&path).into_iter().map(|(_, file)| (name(&path), file)).collect(),
            false => vec![(name(&path), path)],
        })
        .collect()
}
