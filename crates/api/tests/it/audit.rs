//! The audit log records changes in their own transaction, and never contains secret values.

use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::app::{App, PASSWORD, job};

/// Operations that write to the audit log, and their actions.
const AUDITED: [(&str, &str); 41] = [
    ("create_job", "job.created"),
    ("create_jobs", "job.created"),
    ("import_jobs", "job.created"),
    ("put_job", "job.created"),
    ("patch_job", "job.changed"),
    ("delete_job", "job.deleted"),
    ("pause_job", "job.paused"),
    ("resume_job", "job.resumed"),
    ("apply_jobs", "stack.applied"),
    ("bulk_jobs", "jobs.bulk"),
    ("create_secret", "secret.created"),
    ("put_secret", "secret.changed"),
    ("delete_secret", "secret.deleted"),
    ("create_token", "token.created"),
    ("rotate_token", "token.rotated"),
    ("delete_token", "token.deleted"),
    ("create_member", "member.invited"),
    ("delete_invitation", "invitation.deleted"),
    ("sign_up", "member.joined"),
    ("accept_invitation", "member.joined"),
    ("log_in", "user.logged_in"),
    ("log_out", "user.session_ended"),
    ("delete_session", "user.session_ended"),
    ("delete_other_sessions", "user.session_ended"),
    ("change_password", "user.password_changed"),
    ("reset_password", "user.password_changed"),
    ("confirm_email", "user.email_changed"),
    ("delete_me", "member.removed"),
    ("patch_member", "member.changed"),
    ("delete_member", "member.removed"),
    ("create_channel", "channel.created"),
    ("patch_channel", "channel.changed"),
    ("delete_channel", "channel.deleted"),
    ("snooze_channel", "channel.snoozed"),
    ("create_workspace_rule", "notification_rule.created"),
    ("patch_workspace_rule", "notification_rule.changed"),
    ("delete_workspace_rule", "notification_rule.deleted"),
    ("rotate_signing_secret", "signing_secret.rotated"),
    ("create_workspace", "workspace.created"),
    ("patch_workspace", "workspace.renamed"),
    // The audit log is deleted with the workspace; the process log records who deleted it.
    ("delete_workspace", ""),
];
/// Operations that run jobs, or store nothing.
const NOT_AUDITED: [&str; 17] = [
    "change_email",
    "create_verification",
    "export_jobs",
    "convert_jobs",
    "run_job_now",
    "preview_schedule",
    "spread_forecast",
    "replay_execution",
    "cancel_execution",
    "bulk_executions",
    "create_rule",
    "patch_rule",
    "delete_rule",
    "test_channel",
    "create_test",
    "confirm_session",
    "patch_me",
];

fn job_of(name: &str) -> Value {
    job(&json!({ "name": name }))
}

#[test]
fn every_changing_operation_is_in_one_of_the_lists() {
    let document: Value = serde_json::from_str(trigrun_api::openapi::json()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap());
    let changing = operations.filter(|(method, _)| *method != "get");
    let changing: BTreeSet<_> =
        changing.map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
    let listed: BTreeSet<_> = AUDITED.iter().map(|(id, _)| *id).chain(NOT_AUDITED).collect();
    assert_eq!(changing, listed);
}

/// An owner with a session, who makes the changes.
struct Owner<'a> {
    app: &'a App,
    session: String,
}

impl Owner<'_> {
    async fn send(&self, method: Method, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let id = [("x-request-id", "the-request")];
        let response = self.app.send_as(&self.session, method, path, &id, &body).await;
        assert!(response.status.is_success(), "{path}: {}", response.text);
        if response.text.is_empty() { Value::Null } else { response.json() }
    }
}

#[tokio::test]
async fn every_change_is_recorded_without_its_value() {
    const CANARY: &str = "canary-71c2e";
    let app = App::new().await;
    let owner = Owner { app: &app, session: app.session("owner").await };
    let me = owner.send(Method::GET, "/v1/me", &Value::Null).await;
    let none = &Value::Null;
    owner.send(Method::POST, "/v1/secrets", &json!({ "name": "key", "value": CANARY })).await;
    owner.send(Method::PUT, "/v1/secrets/key", &json!({ "value": format!("{CANARY}2") })).await;
    owner.send(Method::DELETE, "/v1/secrets/key", none).await;
    let token = json!({ "name": "ci", "scopes": ["jobs:read", "workspace:admin"] });
    let made = owner.send(Method::POST, "/v1/tokens", &token).await;
    let of_token = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    let rotated = owner.send(Method::POST, &format!("{of_token}/rotate"), none).await;
    let secret = rotated["token"].as_str().unwrap();
    let rename = json!({ "name": "by a token" }).to_string();
    app.send_as(secret, Method::PATCH, "/v1/workspace", &[], &rename).await.expect(200);
    owner.send(Method::DELETE, &of_token, none).await;
    let invite = json!({ "email": "unknown@example.com" });
    let revoked = owner.send(Method::POST, "/v1/members", &invite).await;
    let of_invitation = format!("/v1/invitations/{}", revoked["id"].as_str().unwrap());
    owner.send(Method::DELETE, &of_invitation, none).await;
    let invite = json!({ "email": "grace@example.com", "role": "admin" });
    let invited = owner.send(Method::POST, "/v1/members", &invite).await;
    let sign_up =
        json!({ "email": "grace@example.com", "password": PASSWORD, "invitation": invited["invitation"] });
    let grace = app.post("/v1/auth/signup", &sign_up).await.expect(201);
    let hers = json!({ "name": "hers", "scopes": ["jobs:read"] }).to_string();
    let session = grace["token"].as_str().unwrap();
    app.send_as(session, Method::POST, "/v1/tokens", &[], &hers).await.expect(201);
    let of_grace = format!("/v1/members/{}", grace["user"]["id"].as_str().unwrap());
    owner.send(Method::PATCH, &of_grace, &json!({ "role": "member" })).await;
    owner.send(Method::DELETE, &of_grace, none).await;
    let url = format!("https://example.com/{CANARY}");
    let channel = json!({ "name": "ops", "type": "webhook", "config": { "url": url } });
    let channel = owner.send(Method::POST, "/v1/notification-channels", &channel).await;
    let of_channel = format!("/v1/notification-channels/{}", channel["id"].as_str().unwrap());
    owner.send(Method::PATCH, &of_channel, &json!({ "config": { "url": url } })).await;
    owner
        .send(Method::POST, &format!("{of_channel}/snooze"), &json!({ "until": "2999-01-01T00:00:00Z" }))
        .await;
    let rule =
        json!({ "channel_id": channel["id"], "event": "on_failure", "selector": "tag", "value": "billing" });
    let rule = owner.send(Method::POST, "/v1/notification-rules", &rule).await;
    let of_rule = format!("/v1/notification-rules/{}", rule["id"].as_str().unwrap());
    owner.send(Method::PATCH, &of_rule, &json!({ "selector": "all" })).await;
    owner.send(Method::DELETE, &of_rule, none).await;
    owner.send(Method::DELETE, &of_channel, none).await;
    owner.send(Method::POST, "/v1/workspace/signing-secret/rotate", none).await;
    let report = job(&json!({ "key": "report", "request": { "url": url, "headers": { "X-Key": CANARY } } }));
    owner.send(Method::POST, "/v1/jobs", &report).await;
    for (method, path) in [
        (Method::POST, "/v1/jobs/report/pause"),
        (Method::POST, "/v1/jobs/report/resume"),
        (Method::DELETE, "/v1/jobs/report"),
    ] {
        owner.send(method, path, none).await;
    }
    owner.send(Method::PUT, "/v1/jobs/report", &report).await;
    owner.send(Method::PATCH, "/v1/jobs/report", &json!({ "tags": ["a"] })).await;
    owner.send(Method::POST, "/v1/jobs/batch", &json!({ "items": [job_of("batch")] })).await;
    owner.send(Method::POST, "/v1/jobs/import", &json!({ "crontab": "@daily https://example.com/" })).await;
    owner
        .send(Method::POST, "/v1/jobs/apply", &json!({ "stack": "web", "jobs": { "new": job_of("new") } }))
        .await;
    let password = json!({ "current": PASSWORD, "new": format!("{CANARY}-password") });
    owner.send(Method::POST, "/v1/me/password", &password).await;
    owner.send(Method::DELETE, "/v1/sessions", none).await;
    owner.send(Method::POST, "/v1/jobs/bulk", &json!({ "action": "pause", "ids": ["report"] })).await;
    // A job that runs once is not recorded.
    let once = job(&json!({ "kind": "one_time", "schedule": null, "name": "once" }));
    owner.send(Method::POST, "/v1/jobs", &once).await;

    // An existing user, who accepts an invitation and creates a workspace.
    let bob = app.post("/v1/auth/signup", &json!({ "email": "bob@example.com", "password": PASSWORD })).await;
    let bob = bob.expect(201)["token"].as_str().unwrap().to_owned();
    let invited = owner.send(Method::POST, "/v1/members", &json!({ "email": "bob@example.com" })).await;
    let accept = json!({ "invitation": invited["invitation"] }).to_string();
    app.send_as(&bob, Method::POST, "/v1/invitations/accept", &[], &accept).await.expect(200);
    let home =
        app.send_as(&bob, Method::POST, "/v1/workspaces", &[], r#"{"name":"bob's"}"#).await.expect(201);
    let of_bob = [("trigrun-workspace", home["id"].as_str().unwrap())];
    let of_bob = app.send_as(&bob, Method::GET, "/v1/audit-log", &of_bob, "").await.expect(200);
    assert_eq!(of_bob["data"][0]["action"], "workspace.created");
    assert_eq!(of_bob["data"][0]["actor"]["name"], "bob@example.com");

    let log = owner.send(Method::GET, "/v1/audit-log", none).await;
    let entries = log["data"].as_array().unwrap();
    let lines: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| {
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let details: Vec<_> = entry["details"].as_object().unwrap().iter().collect();
            let details: Vec<_> =
                details.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
            let (who, what) = (text(&entry["actor"]["type"]), text(&entry["target"]["name"]));
            format!("{who} {} {what} {}", text(&entry["action"]), details.join(",")).trim_end().to_owned()
        })
        .collect();
    // The owner of this test has another address each time.
    let changes: Vec<_> = lines.iter().filter(|line| !line.contains(" user.")).cloned().collect();
    insta::assert_snapshot!(changes.join("\n"), @"
    operator workspace.created ours
    operator token.created test scopes=jobs:read jobs:write jobs:run executions:read secrets:write notifications:write workspace:admin
    user secret.created key version=1
    user secret.changed key version=2
    user secret.deleted key version=2
    user token.created ci scopes=jobs:read workspace:admin
    user token.rotated ci
    token workspace.renamed by a token previous_name=ours
    user token.deleted ci
    user member.invited unknown@example.com role=member
    user invitation.deleted unknown@example.com
    user member.invited grace@example.com role=admin
    user member.joined grace@example.com role=admin
    user token.created hers scopes=jobs:read
    user member.changed grace@example.com previous_role=admin,role=member
    user token.deleted hers
    user member.removed grace@example.com previous_role=member
    user channel.created ops type=webhook
    user channel.changed ops changed=config
    user channel.snoozed ops until=2999-01-01T00:00:00Z
    user notification_rule.created - channel=ops,event=on_failure,selector=tag,value=billing
    user notification_rule.changed - channel=ops,event=on_failure,selector=all
    user notification_rule.deleted - channel=ops,event=on_failure,selector=all
    user channel.deleted ops force=false
    user signing_secret.rotated - force=false,version=2
    user job.created report
    user job.paused report version=2
    user job.resumed report version=3
    user job.deleted report key=report
    user job.created report
    user job.changed report version=2
    user job.created batch
    user job.created GET example.com
    user job.created new
    user stack.applied - created=1,deleted=0,paused=0,updated=0
    user job.paused report version=3
    user jobs.bulk - done=1,failed=0
    user member.invited bob@example.com role=member
    user member.joined bob@example.com role=member
    ");
    // An address is changed by e-mail: verifications::a_user_changes_the_address.
    let here =
        AUDITED.iter().filter(|(operation, action)| !action.is_empty() && *operation != "confirm_email");
    for (operation, action) in here {
        assert!(lines.iter().any(|line| line.contains(action)), "{operation} leaves no {action}");
    }
    let all = log.to_string();
    for value in [CANARY, secret, made["token"].as_str().unwrap(), invited["invitation"].as_str().unwrap()] {
        assert!(!all.contains(value), "{value} is in {all}");
    }
    let first = entries.iter().find(|entry| entry["action"] == "secret.created").unwrap();
    assert_eq!(
        first["actor"],
        json!({ "type": "user", "id": me["user"]["id"], "name": me["user"]["email"] })
    );
    assert_eq!((&first["request_id"], &first["address"]), (&json!("the-request"), &json!("127.0.0.1")));

    let only = app.get("/v1/audit-log?action=token.created&limit=1").await.expect(200);
    assert_eq!((only["data"].as_array().unwrap().len(), &only["has_more"]), (1, &json!(true)));
    let next = format!(
        "/v1/audit-log?action=token.created&limit=1&cursor={}",
        only["next_cursor"].as_str().unwrap()
    );
    assert_eq!(app.get(&next).await.expect(200)["data"][0]["action"], "token.created");
    assert_eq!(app.get("/v1/audit-log?action=token.stolen").await.errors()[0].0, "?action");
    // Created by the test's set-up as the operator, who has no name.
    let made = app.get("/v1/audit-log?action=workspace.created").await.expect(200);
    assert_eq!(made["data"][0]["actor"], json!({ "type": "operator", "id": null, "name": null }));
}

#[tokio::test]
async fn failed_changes_leave_no_entry() {
    let app = App::new().await;
    app.post("/v1/secrets", &json!({ "name": "a", "value": "x" })).await.expect(201);
    let before = app.db.count("select count(*) from audit_entries").await;
    app.post("/v1/secrets", &json!({ "name": "a", "value": "x" })).await.expect(409);
    app.delete("/v1/secrets/b").await.expect(404);
    let owner = app.session("owner").await;
    let signed_up = app.db.count("select count(*) from audit_entries").await;
    let me = app.send_as(&owner, Method::GET, "/v1/me", &[], "").await.expect(200);
    app.delete(&format!("/v1/members/{}", me["user"]["id"].as_str().unwrap())).await.expect(403);
    app.post("/v1/tokens", &json!({ "name": "" })).await.expect(422);
    assert_eq!(app.db.count("select count(*) from audit_entries").await, signed_up);
    assert_eq!(signed_up - before, 2, "the new user's workspace, and the log-in");
}

/// A patch that changes nothing succeeds, changes nothing and is not recorded: without fields, and with the values that GET returned.
#[tokio::test]
async fn patches_that_change_nothing_are_not_recorded() {
    let app = App::new().await;
    let hook = json!({ "name": "a", "type": "webhook", "config": { "url": "https://example.com/" } });
    let channel = app.post("/v1/notification-channels", &hook).await.expect(201);
    let channel = format!("/v1/notification-channels/{}", channel["id"].as_str().unwrap());
    let member = app.member("member").await;
    let member_path = format!("/v1/members/{member}");
    let role = async || {
        let members = app.get("/v1/members").await.expect(200);
        members["data"].as_array().unwrap().iter().find(|it| it["user"]["id"] == member).unwrap().clone()
    };
    let rows = "select action from audit_entries order by id";
    let before = app.db.lines(rows).await;
    for (path, was, fields) in [
        ("/v1/workspace", app.get("/v1/workspace").await.json(), json!({ "name": "ours" })),
        (&channel, app.get(&channel).await.json(), json!({ "name": "a" })),
        (&member_path, role().await, json!({ "role": "member" })),
    ] {
        for body in [json!({}), fields.clone()] {
            assert_eq!(app.patch(path, &body).await.expect(200), was, "{path}: {body}");
        }
        for (name, _) in fields.as_object().unwrap() {
            let null = json!({ name.as_str(): null });
            let pointer = format!("/{name}");
            assert_eq!(app.patch(path, &null).await.errors(), [(pointer, "required".to_owned())], "{path}");
        }
    }
    assert_eq!(role().await["role"], "member");
    let absent = "/v1/members/usr_01h455vb4pex5vsknk084sn02q";
    assert_eq!(app.patch(absent, &json!({})).await.problem(404), "not_found");
    assert_eq!(app.db.lines(rows).await, before);
    app.patch("/v1/workspace", &json!({ "name": "renamed" })).await.expect(200);
    assert_eq!(app.db.lines(rows).await.len(), before.len() + 1);
}
