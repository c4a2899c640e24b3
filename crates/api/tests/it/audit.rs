//! Whoever changes what others rely on is noted, in the commit of the change, and values never are.

use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::app::{App, PASSWORD};

/// Operations that change something, and what they leave in the log.
const NOTED: [(&str, &str); 19] = [
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
    ("patch_member", "member.changed"),
    ("delete_member", "member.removed"),
    ("create_channel", "channel.created"),
    ("patch_channel", "channel.changed"),
    ("delete_channel", "channel.deleted"),
    ("rotate_signing_secret", "signing_secret.rotated"),
    ("create_workspace", "workspace.created"),
    ("patch_workspace", "workspace.renamed"),
    // Its log goes with it; the server's log says who it was.
    ("delete_workspace", ""),
];
/// Those that change jobs, of which every version is kept, and what they do; or nothing that is stored.
const ELSEWHERE: [&str; 15] = [
    "create_job",
    "import_jobs",
    "patch_job",
    "delete_job",
    "pause_job",
    "resume_job",
    "run_job_now",
    "preview_schedule",
    "replay_execution",
    "cancel_execution",
    "create_rule",
    "delete_rule",
    "test_channel",
    "log_in",
    "log_out",
];

#[test]
fn every_operation_says_whether_it_is_noted() {
    let document: Value = serde_json::from_str(trigrun_api::openapi::json()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap());
    let changing = operations.filter(|(method, _)| *method != "get");
    let changing: BTreeSet<_> =
        changing.map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
    let said: BTreeSet<_> = NOTED.iter().map(|(id, _)| *id).chain(ELSEWHERE).collect();
    assert_eq!(changing, said);
}

/// Somebody who does it all, as a session.
struct Owner<'a> {
    app: &'a App,
    session: String,
}

impl Owner<'_> {
    async fn does(&self, method: Method, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let id = [("x-request-id", "the-request")];
        let answer = self.app.send_as(&self.session, method, path, &id, &body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    }
}

#[tokio::test]
async fn every_change_is_noted_without_its_value() {
    const CANARY: &str = "canary-71c2e";
    let app = App::new().await;
    let owner = Owner { app: &app, session: app.session("owner").await };
    let me = owner.does(Method::GET, "/v1/me", &Value::Null).await;
    let none = &Value::Null;
    owner.does(Method::POST, "/v1/secrets", &json!({ "name": "key", "value": CANARY })).await;
    owner.does(Method::PUT, "/v1/secrets/key", &json!({ "value": format!("{CANARY}2") })).await;
    owner.does(Method::DELETE, "/v1/secrets/key", none).await;
    let token = json!({ "name": "ci", "scopes": ["jobs:read", "workspace:admin"] });
    let made = owner.does(Method::POST, "/v1/tokens", &token).await;
    let of_token = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    let rotated = owner.does(Method::POST, &format!("{of_token}/rotate"), none).await;
    let secret = rotated["token"].as_str().unwrap();
    let rename = json!({ "name": "by a token" }).to_string();
    app.send_as(secret, Method::PATCH, "/v1/workspace", &[], &rename).await.expect(200);
    owner.does(Method::DELETE, &of_token, none).await;
    let invite = json!({ "email": "nobody@example.com" });
    let taken_back = owner.does(Method::POST, "/v1/members", &invite).await;
    let of_invitation = format!("/v1/invitations/{}", taken_back["id"].as_str().unwrap());
    owner.does(Method::DELETE, &of_invitation, none).await;
    let invite = json!({ "email": "grace@example.com", "role": "admin" });
    let invited = owner.does(Method::POST, "/v1/members", &invite).await;
    let sign_up =
        json!({ "email": "grace@example.com", "password": PASSWORD, "invitation": invited["invitation"] });
    let grace = app.post("/v1/auth/signup", &sign_up).await.expect(201);
    let hers = json!({ "name": "hers", "scopes": ["jobs:read"] }).to_string();
    let session = grace["token"].as_str().unwrap();
    app.send_as(session, Method::POST, "/v1/tokens", &[], &hers).await.expect(201);
    let of_grace = format!("/v1/members/{}", grace["user"]["id"].as_str().unwrap());
    owner.does(Method::PATCH, &of_grace, &json!({ "role": "member" })).await;
    owner.does(Method::DELETE, &of_grace, none).await;
    let url = format!("https://example.com/{CANARY}");
    let channel = json!({ "name": "ops", "type": "webhook", "config": { "url": url } });
    let channel = owner.does(Method::POST, "/v1/notification-channels", &channel).await;
    let of_channel = format!("/v1/notification-channels/{}", channel["id"].as_str().unwrap());
    owner.does(Method::PATCH, &of_channel, &json!({ "config": { "url": url } })).await;
    owner.does(Method::DELETE, &of_channel, none).await;
    owner.does(Method::POST, "/v1/workspace/signing-secret/rotate", none).await;

    // Somebody who is known already, and makes a workspace of their own.
    let bob = app.post("/v1/auth/signup", &json!({ "email": "bob@example.com", "password": PASSWORD })).await;
    let bob = bob.expect(201)["token"].as_str().unwrap().to_owned();
    let invited = owner.does(Method::POST, "/v1/members", &json!({ "email": "bob@example.com" })).await;
    let accept = json!({ "invitation": invited["invitation"] }).to_string();
    app.send_as(&bob, Method::POST, "/v1/invitations/accept", &[], &accept).await.expect(200);
    let home =
        app.send_as(&bob, Method::POST, "/v1/workspaces", &[], r#"{"name":"bob's"}"#).await.expect(201);
    let of_bob = [("trigrun-workspace", home["id"].as_str().unwrap())];
    let of_bob = app.send_as(&bob, Method::GET, "/v1/audit-log", &of_bob, "").await.expect(200);
    assert_eq!(of_bob["data"][0]["action"], "workspace.created");
    assert_eq!(of_bob["data"][0]["actor"]["name"], "bob@example.com");

    let log = owner.does(Method::GET, "/v1/audit-log", none).await;
    let entries = log["data"].as_array().unwrap();
    let told: Vec<_> = entries
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
    insta::assert_snapshot!(told.join("\n"), @"
    operator workspace.created ours
    operator token.created test scopes=jobs:read jobs:write jobs:run executions:read secrets:write notifications:write workspace:admin
    user secret.created key version=1
    user secret.changed key version=2
    user secret.deleted key version=2
    user token.created ci scopes=jobs:read workspace:admin
    user token.rotated ci
    token workspace.renamed by a token previous_name=ours
    user token.deleted ci
    user member.invited nobody@example.com role=member
    user invitation.deleted nobody@example.com
    user member.invited grace@example.com role=admin
    user member.joined grace@example.com role=admin
    user token.created hers scopes=jobs:read
    user member.changed grace@example.com previous_role=admin,role=member
    user token.deleted hers
    user member.removed grace@example.com previous_role=member
    user channel.created ops type=webhook
    user channel.changed ops changed=config
    user channel.deleted ops force=false
    user signing_secret.rotated - force=false,version=2
    user member.invited bob@example.com role=member
    user member.joined bob@example.com role=member
    ");
    for (operation, action) in NOTED.iter().filter(|(_, action)| !action.is_empty()) {
        assert!(told.iter().any(|line| line.contains(action)), "{operation} leaves no {action}");
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
    assert_eq!(app.get("/v1/audit-log?action=token.stolen").await.wrong()[0].0, "?action");
    // Two that the test made by itself, and who made them has no name.
    let made = app.get("/v1/audit-log?action=workspace.created").await.expect(200);
    assert_eq!(made["data"][0]["actor"], json!({ "type": "operator", "id": null, "name": null }));
}

#[tokio::test]
async fn what_fails_leaves_no_entry() {
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
    assert_eq!(signed_up - before, 1, "the home of whoever signed up");
}
