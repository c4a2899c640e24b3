//! Another workspace's id is not found, by every store function that takes one.

use chrono::{DateTime, TimeDelta, Utc};
use std::path::{Path, PathBuf};
use trigrun_core::{
    domain::{
        audit::Author,
        channel::Destination,
        execution::Source,
        id::{
            ChannelId, ExecutionId, ExecutorId, InvitationId, JobId, RuleId, TestId, TokenId, UserId,
            WorkspaceId,
        },
        job::{
            BulkAction, Definition, JobState,
            change::{FutureFires, JobChange},
            order::JobOrder,
        },
        ledger::LedgerWindow,
        notification::{Rule, RuleEvent, Selector},
        page::Page,
        rights::Giver,
        statistics::bucket,
        user::Role,
        workspace::{OwnLimits, WorkspacePlan},
    },
    store::{
        StoreError, audit,
        channels::{self, ChannelChange, NewChannel},
        executions::{self, NewReplay, NewRun, Replayed},
        executors,
        invitations::{self, NewInvitation},
        jobs::{self, NewJob, Origin},
        leases::{self, JobCapacity},
        members, notifications, quotas,
        request_tests::{self, NewTest},
        rules::{self, NewRule},
        secrets::{self, NewValue},
        sent, signing, statistics, tenants, timers,
        tokens::{self, NewToken},
        workspace_keys,
        workspace_rules::{self, WorkspaceRule},
        workspaces,
    },
};
use trigrun_testkit::{
    TestDb,
    jobs::{OPERATOR, by_operator, every_seconds},
    keys::keys,
};

/// Functions of the store that take a workspace. The tests below call each of them with another workspace's ids.
const CALLED: [&str; 110] = [
    "audit::list",
    "channels::change",
    "channels::delete",
    "channels::get",
    "channels::insert",
    "channels::jobs_using",
    "channels::list",
    "channels::names",
    "channels::snooze",
    "executions::activity",
    "executions::find_all",
    "executions::find_blocking",
    "executions::find_run",
    "executions::fires",
    "executions::get",
    "executions::insert_now",
    "executions::insert_replays",
    "executions::list",
    "executions::list_oldest_first",
    "executions::phases",
    "invitations::delete",
    "invitations::invite",
    "invitations::list",
    "jobs::after",
    "jobs::brief",
    "jobs::called_hosts",
    "jobs::change",
    "jobs::change_with_rules",
    "jobs::count",
    "jobs::count_after",
    "jobs::delete",
    "jobs::find_all",
    "jobs::find_by_idempotency_key",
    "jobs::find_by_key",
    "jobs::find_group",
    "jobs::get",
    "jobs::history",
    "jobs::ids_by_key",
    "jobs::insert",
    "jobs::insert_all",
    "jobs::insert_group",
    "jobs::list",
    "jobs::of_stack",
    "jobs::record_application",
    "jobs::record_bulk",
    "jobs::sorted",
    "jobs::stay_paused",
    "jobs::versions",
    "leases::cancel",
    "leases::lease_waiting",
    "leases::waiting_limited",
    "members::change",
    "members::list",
    "notifications::get",
    "notifications::insert_test",
    "notifications::last_deliveries",
    "notifications::list",
    "quotas::used",
    "request_tests::get",
    "request_tests::insert",
    "rules::change",
    "rules::delete",
    "rules::get",
    "rules::insert",
    "rules::list",
    "rules::of_jobs",
    "rules::replace",
    "secrets::change",
    "secrets::delete",
    "secrets::get",
    "secrets::insert",
    "secrets::jobs_using",
    "secrets::list",
    "secrets::missing",
    "secrets::put",
    "sent::get",
    "signing::get",
    "signing::rotate",
    "statistics::failing_jobs",
    "statistics::failures",
    "statistics::failures_by_class",
    "statistics::hosts",
    "statistics::hours",
    "statistics::labels",
    "statistics::minutes",
    "statistics::of_job",
    "tenants::delete",
    "tenants::get",
    "tenants::resume",
    "tenants::set_limits",
    "tenants::set_plan",
    "tenants::suspend",
    "timers::active",
    "timers::active_job",
    "tokens::delete",
    "tokens::get",
    "tokens::insert",
    "tokens::insert_by_operator",
    "tokens::list",
    "tokens::rotate",
    "workspace_keys::data_key",
    "workspace_rules::change",
    "workspace_rules::delete",
    "workspace_rules::get",
    "workspace_rules::insert",
    "workspace_rules::list",
    "workspace_rules::uses_channel",
    "workspaces::delete",
    "workspaces::get",
    "workspaces::rename",
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
    not_found(jobs::delete(&mut conn, ours, job, None, &OPERATOR).await);
    let change = JobChange {
        from_version: 1,
        from_state: JobState::Active,
        definition: definition.clone(),
        state: JobState::Active,
        future_fires: FutureFires::Keep,
        anchor: now,
        applied: false,
        pause: None,
        since: None,
    };
    let origin = Origin { by: &OPERATOR, traceparent: None, depth: 0 };
    not_found(jobs::change(&mut conn, ours, job, &change, origin).await.map(drop));
    let with_rules = jobs::change_with_rules(&mut conn, ours, job, (&change, Some(&[])), origin).await;
    not_found(with_rules.map(drop));
    assert!(jobs::list(&mut conn, ours, &jobs::Filter::default(), PAGE, now).await.unwrap().data.is_empty());
    let by_name = (JobOrder::Name, Page { limit: 10, before: None });
    for (workspace, found) in [(theirs, 1), (ours, 0)] {
        let filter = jobs::Filter::default();
        let list = jobs::sorted(&mut conn, workspace, &filter, by_name.clone(), now).await.unwrap();
        assert_eq!(list.data.len(), found);
        assert_eq!(jobs::count(&mut conn, workspace, &filter, 10).await.unwrap().by_state.len(), found);
    }
    not_found(jobs::history(&mut conn, ours, job).await.map(drop));
    assert!(jobs::brief(&mut conn, ours, &[job]).await.unwrap().is_empty());
    assert_eq!(jobs::brief(&mut conn, theirs, &[job]).await.unwrap().len(), 1);
    assert!(timers::active(&mut conn, ours, None, None, 10).await.unwrap().timers.is_empty());
    assert_eq!(timers::active(&mut conn, theirs, None, None, 10).await.unwrap().timers.len(), 1);
    assert!(timers::active_job(&mut conn, ours, job, None).await.unwrap().is_none());
    assert!(timers::active_job(&mut conn, theirs, job, None).await.unwrap().is_some());
    let many = [JobId::at(now), JobId::at(now)];
    let new = many.map(|id| NewJob::new(id, &definition, &OPERATOR, now));
    jobs::insert_all(&mut conn, theirs, &new, None).await.unwrap();
    for job in many {
        not_found(jobs::get(&mut conn, ours, job, now).await.map(drop));
        assert_eq!(jobs::get(&mut conn, theirs, job, now).await.unwrap().workspace, theirs);
    }
    let keyed = NewJob { id: JobId::at(now), idempotency_key: Some("key"), ..new[0] };
    jobs::insert(&mut conn, theirs, &keyed, None).await.unwrap();
    let named = Definition { key: Some("nightly".into()), stack: Some("web".into()), ..definition.clone() };
    let named = NewJob::new(JobId::at(now), &named, &OPERATOR, now);
    jobs::insert(&mut conn, theirs, &named, None).await.unwrap();
    assert_eq!(jobs::find_by_key(&mut conn, theirs, "nightly").await.unwrap(), Some(named.id));
    assert_eq!(jobs::find_by_key(&mut conn, ours, "nightly").await.unwrap(), None);
    for (workspace, found) in [(theirs, 1), (ours, 0)] {
        let (keys, ids) = (["nightly"], [named.id]);
        assert_eq!(jobs::find_all(&mut conn, workspace, (&keys, &ids), now).await.unwrap().len(), found);
        assert_eq!(jobs::find_all(&mut conn, workspace, (&[], &ids), now).await.unwrap().len(), found);
        assert_eq!(jobs::ids_by_key(&mut conn, workspace, &keys).await.unwrap().len(), found);
        assert_eq!(jobs::of_stack(&mut conn, workspace, "web", 10).await.unwrap().len(), found);
    }
    let paused = Definition { state: JobState::Paused, ..definition.clone() };
    let paused = NewJob::new(JobId::at(now), &paused, &OPERATOR, now);
    jobs::insert(&mut conn, theirs, &paused, None).await.unwrap();
    let with_end = "select count(*) from pauses where paused_until is not null";
    // One that a client has prolonged stays as it is.
    for (workspace, until, left) in [(ours, "-1 second", 1), (theirs, "1 hour", 1), (theirs, "-1 second", 0)]
    {
        db.execute(&format!("update pauses set paused_until = now() + interval '{until}'")).await;
        jobs::stay_paused(&mut conn, workspace, paused.id).await.unwrap();
        assert_eq!(db.count(with_end).await, left, "{until}");
    }
    not_found(jobs::versions(&mut conn, ours, named.id, 1, 1).await.map(drop));
    assert_eq!(jobs::versions(&mut conn, theirs, named.id, 1, 1).await.unwrap().len(), 1);
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
    let ever = (DateTime::UNIX_EPOCH, now + TimeDelta::hours(1));
    let activity = executions::activity(&mut conn, theirs, &[job], ever, 10).await.unwrap();
    assert!(activity[&job].iter().any(|run| run.id == execution));
    assert!(executions::activity(&mut conn, ours, &[job], ever, 10).await.unwrap().is_empty());
    not_found(executions::get(&mut conn, ours, execution).await.map(drop));
    not_found(executions::insert_now(&mut conn, ours, job, run()).await.map(drop));
    let theirs_by_id = executions::Filter { job: Some(job), ..executions::Filter::default() };
    assert!(executions::list(&mut conn, ours, &theirs_by_id, PAGE).await.unwrap().data.is_empty());
    let oldest_first = executions::list_oldest_first(&mut conn, ours, &theirs_by_id, 10, None).await.unwrap();
    assert!(oldest_first.data.is_empty());
    not_found(leases::cancel(&mut conn, ours, execution).await.map(drop));
    leases::wait(&mut conn, &[execution]).await.unwrap();
    let capacity = [JobCapacity { job, limit: 9 }];
    let executor = ExecutorId::at(now);
    executors::insert(&mut conn, executor, "test").await.unwrap();
    assert!(leases::lease_waiting(&mut conn, ours, executor, &capacity, 9).await.unwrap().is_empty());
    assert!(leases::waiting_limited(&mut conn, ours, &capacity).await.unwrap().is_empty());
    assert_eq!(executions::find_all(&mut conn, theirs, &[execution]).await.unwrap().len(), 1);
    assert!(executions::find_all(&mut conn, ours, &[execution]).await.unwrap().is_empty());
    let replay = NewReplay { id: ExecutionId::at(now), job, original: execution, key: Some("key".into()) };
    let replayed = executions::insert_replays(&mut conn, ours, &[replay], None, 0).await.unwrap();
    assert_eq!(replayed, [Replayed::NotFound]);
    let window = LedgerWindow { from: now - TimeDelta::hours(1), to: now + TimeDelta::hours(1) };
    assert!(executions::fires(&mut conn, ours, job, window).await.unwrap().is_empty());
    // Two fires, of which the first ran and the second was skipped meanwhile.
    let (first, second) = (ExecutionId::at(now), ExecutionId::at(now + TimeDelta::seconds(1)));
    let fires = format!(
        "insert into executions (id, workspace_id, job_id, version, attempt_count, status, source, scheduled_for, started_at, finished_at,
                                 skip_reason, attempt_status, total_us)
         select v.id::uuid, '{}', '{}', 1, 1, v.status, 'schedule', now(), now(), now() + v.seconds * interval '1 s', v.reason, 'success', 7
         from (values ('{}', 'succeeded', 3, null), ('{}', 'skipped', 1, 'overlap')) v(id, status, seconds, reason)",
        theirs.uuid(),
        job.uuid(),
        first.uuid(),
        second.uuid()
    );
    db.execute(&fires).await;
    assert_eq!(executions::find_blocking(&mut conn, theirs, job, second).await.unwrap(), Some(first));
    assert_eq!(executions::find_blocking(&mut conn, ours, job, second).await.unwrap(), None);
    assert_eq!(sent::get(&mut conn, theirs, first, Some(1)).await.unwrap().job, job);
    not_found(sent::get(&mut conn, ours, first, Some(1)).await.map(drop));
    let request = definition().request;
    let test = NewTest { id: TestId::at(now), job: None, created_at: now, depth: 0, request: &request };
    request_tests::insert(&mut conn, theirs, &test).await.unwrap();
    assert_eq!(request_tests::get(&mut conn, theirs, test.id).await.unwrap().id, test.id);
    not_found(request_tests::get(&mut conn, ours, test.id).await.map(drop));
    assert_eq!(executions::phases(&mut conn, theirs, job, None, 9).await.unwrap().len(), 1);
    assert!(executions::phases(&mut conn, ours, job, None, 9).await.unwrap().is_empty());
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
    let of_operator = NewToken { id: TokenId::at(now + TimeDelta::seconds(1)), hash: b"second", ..new };
    tokens::insert(&mut conn, theirs, new, by, None).await.unwrap();
    tokens::insert_by_operator(&mut conn, theirs, of_operator, &by_operator("asked")).await.unwrap();
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
    invitations::invite(&mut conn, theirs, new, None).await.unwrap();
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
    channels::insert(&mut conn, theirs, new(&their_key), None).await.unwrap();
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
    let mut changed = rules::get(&mut conn, theirs, job, rule).await.unwrap();
    not_found(rules::get(&mut conn, ours, job, rule).await.map(drop));
    changed.rule.event = RuleEvent::OnSuccess;
    not_found(rules::change(&mut conn, theirs, our_job, &changed).await);
    assert!(rules::change(&mut conn, ours, job, &changed).await.unwrap_err().is_conflict("channel"));
    rules::change(&mut conn, theirs, job, &changed).await.unwrap();
    assert_eq!(channels::names(&mut conn, theirs).await.unwrap().len(), 1);
    assert!(channels::names(&mut conn, ours).await.unwrap().is_empty());
    assert_eq!(rules::of_jobs(&mut conn, theirs, &[job, our_job]).await.unwrap()[&job].len(), 1);
    assert!(rules::of_jobs(&mut conn, ours, &[job, our_job]).await.unwrap().is_empty());
    not_found(rules::replace(&mut conn, ours, job, &[], now).await);
    let foreign =
        rules::replace(&mut conn, ours, our_job, &[(channel, changed.rule)], now).await.unwrap_err();
    assert!(foreign.is_conflict("channel"), "a channel of another workspace: {foreign}");
    assert_eq!(rules::get(&mut conn, theirs, job, rule).await.unwrap().rule, changed.rule);
    let with_rules = [(channel, changed.rule)];
    let new = NewJob { rules: &with_rules, ..NewJob::new(JobId::at(now), &definition, &OPERATOR, now) };
    let foreign = jobs::insert_all(&mut conn, ours, std::slice::from_ref(&new), None).await.unwrap_err();
    assert!(foreign.is_conflict("channel"), "a channel of another workspace: {foreign}");
    not_found(jobs::get(&mut conn, ours, new.id, now).await.map(drop));
    jobs::insert_all(&mut conn, theirs, std::slice::from_ref(&new), None).await.unwrap();
    assert_eq!(rules::list(&mut conn, theirs, new.id).await.unwrap().len(), 1);
    let mut of_all =
        WorkspaceRule { id: rule, channel, selector: Selector::All, rule: changed.rule, created_at: now };
    let foreign = workspace_rules::insert(&mut conn, ours, &of_all, by).await.unwrap_err();
    assert!(foreign.is_conflict("channel"), "a channel of another workspace: {foreign}");
    workspace_rules::insert(&mut conn, theirs, &of_all, by).await.unwrap();
    assert_eq!(workspace_rules::list(&mut conn, theirs).await.unwrap(), [of_all.clone()]);
    assert!(workspace_rules::list(&mut conn, ours).await.unwrap().is_empty());
    assert!(workspace_rules::uses_channel(&mut conn, theirs, channel).await.unwrap());
    assert!(!workspace_rules::uses_channel(&mut conn, ours, channel).await.unwrap());
    not_found(workspace_rules::get(&mut conn, ours, rule).await.map(drop));
    of_all.selector = Selector::Tag("a".into());
    not_found(workspace_rules::change(&mut conn, ours, &of_all, by).await);
    not_found(workspace_rules::delete(&mut conn, ours, rule, by).await);
    assert_eq!(workspace_rules::get(&mut conn, theirs, rule).await.unwrap().selector, Selector::All);
    not_found(channels::snooze(&mut conn, ours, channel, Some(now), by).await.map(drop));
    assert!(notifications::last_deliveries(&mut conn, ours, &[channel]).await.unwrap().is_empty());
    not_found(rules::delete(&mut conn, ours, job, rule).await);
    assert!(channels::jobs_using(&mut conn, ours, channel).await.unwrap().is_empty());
    let notification = notifications::insert_test(&mut conn, theirs, channel, now).await.unwrap();
    not_found(notifications::insert_test(&mut conn, ours, channel, now).await.map(drop));
    not_found(notifications::get(&mut conn, ours, notification).await.map(drop));
    let all = notifications::Filter::default();
    assert!(notifications::list(&mut conn, ours, &all, PAGE).await.unwrap().data.is_empty());
}

#[tokio::test]
async fn statistics_of_another_workspace_are_not_shown() {
    let tenants = Tenants::new().await;
    let Tenants { db, ours, theirs, job, now } = &tenants;
    let (ours, theirs, job, now) = (*ours, *theirs, *job, *now);
    let (workspace, id, execution) = (theirs.uuid(), job.uuid(), ExecutionId::at(now).uuid());
    db.execute(&format!(
        "insert into stats_minutes values ('{workspace}', now(), 0, 1, 0, 0, 0, 1, '', '');
         insert into stats_hours values ('{workspace}', date_trunc('hour', now()), '{id}', 0, 1, 0, 0, 0, 1, '', '');
         insert into stats_hosts values ('{workspace}', now(), 'a', 0, 1, 0, 0, 0, 1, '', '');
         insert into stats_failures values ('{workspace}', date_trunc('hour', now()), '{id}', 'timeout', 0, 1, now(), now(), '{execution}');
         insert into job_health values ('{id}', '{workspace}', 'failing', now(), 1, now(), 'timeout', null, '{execution}');
         insert into channels (id, workspace_id, name, kind, version, sealed, masked, created_at, updated_at)
         values (gen_random_uuid(), '{workspace}', 'a', 'webhook', 1, '', '{{}}', now(), now());
         insert into invitations (id, workspace_id, email, role, hash, created_at, expires_at)
         values (gen_random_uuid(), '{workspace}', 'a@example.com', 'member', 'h', now(), now() + interval '1 day');
         insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count)
         values ('{execution}', '{workspace}', '{id}', 1, 'succeeded', 'manual', now(), now(), 1)"
    ))
    .await;
    let mut conn = db.conn().await;
    let conn = &mut *conn;
    let day = (now - TimeDelta::days(1), now + TimeDelta::days(1));
    let mut counts = Vec::new();
    for workspace in [ours, theirs] {
        let used = quotas::used(conn, workspace, day.0, 10).await.unwrap();
        let rows = [
            statistics::minutes(conn, workspace, day).await.unwrap().len() as i64,
            statistics::hours(conn, workspace, day, None, 10, |_| ()).await.unwrap(),
            statistics::hours(conn, workspace, (bucket(day.0, 3600), day.1), Some(job), 10, |_| ())
                .await
                .unwrap(),
            statistics::hosts(conn, workspace, day, None, 10, |_| ()).await.unwrap(),
            statistics::failures(conn, workspace, day, 10).await.unwrap().len() as i64,
            statistics::failures_by_class(conn, workspace, day, None).await.unwrap().len() as i64,
            statistics::failing_jobs(conn, workspace, 10).await.unwrap().len() as i64,
            statistics::of_job(conn, workspace, job, day, 10).await.unwrap().len() as i64,
            statistics::labels(conn, workspace, (None, None), 10).await.unwrap().len() as i64,
            jobs::after(conn, workspace, None, 10).await.unwrap().len() as i64,
            jobs::count_after(conn, workspace, None, 10).await.unwrap(),
            jobs::called_hosts(conn, workspace, 10, 10).await.unwrap().len() as i64,
            used.jobs,
            used.requested,
            used.members,
            used.channels,
        ];
        counts.push(rows);
    }
    assert_eq!(counts, [[0; 16], [1; 16]]);
}

#[tokio::test]
async fn workspaces_do_not_see_each_other() {
    let tenants = Tenants::new().await;
    let Tenants { db, ours, theirs, job, now } = &tenants;
    let (ours, theirs, job, now) = (*ours, *theirs, *job, *now);
    let mut conn = db.conn().await;
    let by = &Author::operator(now);
    let none = jobs::Applied { created: 0, updated: 0, paused: 0, deleted: 0 };
    jobs::record_application(&mut conn, theirs, by, "web", none).await.unwrap();
    jobs::record_bulk(&mut conn, theirs, by, BulkAction::Pause, (1, 0)).await.unwrap();
    let log = audit::list(&mut conn, ours, audit::Filter::default(), PAGE).await.unwrap().data;
    assert_eq!(log.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["workspace.created"]);
    // Rows that the id of the workspace identifies.
    workspaces::rename(&mut conn, ours, "renamed", by).await.unwrap();
    assert_eq!(workspaces::get(&mut conn, theirs).await.unwrap().name, "theirs");
    let operator = &by_operator("unpaid");
    tenants::set_plan(&mut conn, ours, "pro", operator).await.unwrap();
    let own = OwnLimits { jobs: Some(7), ..OwnLimits::default() };
    tenants::set_limits(&mut conn, ours, &own, operator).await.unwrap();
    assert_eq!(tenants::get(&mut conn, ours).await.unwrap().plan, WorkspacePlan { name: "pro".into(), own });
    assert_eq!(tenants::get(&mut conn, theirs).await.unwrap().plan.own, OwnLimits::default());
    assert!(tenants::suspend(&mut conn, ours, operator).await.unwrap());
    assert!(!tenants::resume(&mut conn, theirs, operator).await.unwrap());
    assert!(tenants::resume(&mut conn, ours, operator).await.unwrap());
    assert_eq!(tenants::get(&mut conn, theirs).await.unwrap().plan.name, "default");
    let third = db.workspace("third").await;
    tenants::delete(&mut conn, third, operator).await.unwrap();
    not_found(tenants::get(&mut conn, third).await.map(drop));
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
