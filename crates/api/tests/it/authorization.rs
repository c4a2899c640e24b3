//! The authorization table. An operation without a row here fails. The cases of its rows are in `security/tenants/scopes.rs`.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::{domain::access::Scope, store::notifications};

use crate::app::{App, job};

/// Operation, required scope, and the status of an authorized request.
pub const TABLE: [(&str, &str, u16); 48] = [
    ("create_job", "jobs:write", 201),
    ("create_jobs", "jobs:write", 201),
    ("import_jobs", "jobs:write", 201),
    ("list_jobs", "jobs:read", 200),
    ("get_job", "jobs:read", 200),
    ("patch_job", "jobs:write", 200),
    ("delete_job", "jobs:write", 204),
    ("pause_job", "jobs:write", 200),
    ("resume_job", "jobs:write", 200),
    ("run_job_now", "jobs:run", 202),
    ("preview_schedule", "jobs:read", 200),
    ("list_executions", "executions:read", 200),
    ("list_job_executions", "executions:read", 200),
    ("get_execution", "executions:read", 200),
    ("get_job_ledger", "executions:read", 200),
    ("replay_execution", "jobs:run", 202),
    ("cancel_execution", "jobs:run", 200),
    ("create_secret", "secrets:write", 201),
    ("list_secrets", "secrets:write", 200),
    ("get_secret", "secrets:write", 200),
    ("put_secret", "secrets:write", 200),
    ("delete_secret", "secrets:write", 204),
    ("create_channel", "notifications:write", 201),
    ("list_channels", "notifications:write", 200),
    ("get_channel", "notifications:write", 200),
    ("patch_channel", "notifications:write", 200),
    ("test_channel", "notifications:write", 202),
    // A rule refers to the channel.
    ("delete_channel", "notifications:write", 409),
    ("create_rule", "notifications:write", 201),
    ("list_rules", "notifications:write", 200),
    ("delete_rule", "notifications:write", 204),
    ("list_notifications", "notifications:write", 200),
    ("get_notification", "notifications:write", 200),
    ("get_signing_secret", "workspace:admin", 200),
    ("rotate_signing_secret", "workspace:admin", 200),
    ("patch_workspace", "workspace:admin", 200),
    // An API token has the scope, but it is not an owner.
    ("delete_workspace", "workspace:admin", 403),
    ("list_invitations", "workspace:admin", 200),
    ("delete_invitation", "workspace:admin", 204),
    ("list_audit_log", "workspace:admin", 200),
    ("list_members", "workspace:admin", 200),
    // With this scope alone, a caller has nothing that it could give: `rights.rs`.
    ("create_member", "workspace:admin", 403),
    ("patch_member", "workspace:admin", 403),
    ("delete_member", "workspace:admin", 204),
    ("list_tokens", "workspace:admin", 200),
    ("create_token", "workspace:admin", 201),
    ("rotate_token", "workspace:admin", 200),
    ("delete_token", "workspace:admin", 204),
];
/// Operations without a token.
const OPEN: [&str; 8] = [
    "livez",
    "readyz",
    "version",
    "openapi",
    "openapi_3_0",
    "docs",
    "list_problem_types",
    "get_problem_type",
];
/// Operations without a token, with a body.
pub const SIGN_IN: [&str; 2] = ["sign_up", "log_in"];
/// Operations for any token.
const ANY_TOKEN: [&str; 2] = ["get_me", "get_workspace"];
/// Operations that require a session.
const SESSION: [&str; 5] =
    ["log_out", "delete_me", "list_workspaces", "create_workspace", "accept_invitation"];

pub struct Operation {
    pub id: String,
    pub method: Method,
    path: String,
}

pub fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(trigrun_api::openapi::json()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, operations): (&String, &Value)| {
        let of_method = |(method, operation): (&String, &Value)| Operation {
            id: operation["operationId"].as_str().unwrap().to_owned(),
            method: method.to_uppercase().parse().unwrap(),
            path: path.clone(),
        };
        operations.as_object().unwrap().iter().map(of_method).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

impl Operation {
    /// A valid body.
    pub fn body(&self, seeds: &Seeds) -> String {
        match self.id.as_str() {
            "create_job" => job(&json!({})).to_string(),
            "create_jobs" => json!({ "items": [job(&json!({}))] }).to_string(),
            "import_jobs" => json!({ "crontab": "@daily https://example.com/import" }).to_string(),
            "preview_schedule" => json!({ "kind": "one_time" }).to_string(),
            "patch_job" => json!({ "name": "changed" }).to_string(),
            "create_secret" => json!({ "name": "another", "value": "x" }).to_string(),
            "create_workspace" | "patch_workspace" => json!({ "name": "another" }).to_string(),
            "accept_invitation" => json!({ "invitation": "tri_none" }).to_string(),
            "create_member" => json!({ "email": "grace@example.com" }).to_string(),
            "patch_member" => json!({ "role": "admin" }).to_string(),
            "create_token" => json!({ "name": "another", "scopes": ["workspace:admin"] }).to_string(),
            "create_channel" => {
                json!({ "name": "another", "type": "webhook", "config": { "url": "https://example.com/" } })
                    .to_string()
            }
            "patch_channel" => json!({ "name": "changed" }).to_string(),
            "create_rule" => json!({ "channel_id": seeds.channel, "event": "on_success" }).to_string(),
            "put_secret" => json!({ "value": "y" }).to_string(),
            _ => String::new(),
        }
    }

    /// Its path with ids.
    pub fn path_to(&self, seeds: &Seeds) -> String {
        let id = match self.path.split('/').nth(2) {
            Some("executions") => &seeds.execution,
            Some("members") => &seeds.member,
            Some("invitations") => &seeds.invitation,
            Some("tokens") => &seeds.token,
            Some("notification-channels") => &seeds.channel,
            Some("notifications") => &seeds.notification,
            _ => &seeds.job,
        };
        self.path.replace("{id}", id).replace("{name}", "key").replace("{rule_id}", &seeds.rule)
    }
}

/// One object of each type that has an id.
pub struct Seeds {
    job: String,
    execution: String,
    member: String,
    invitation: String,
    token: String,
    channel: String,
    rule: String,
    notification: String,
}

impl Seeds {
    /// In the app's own workspace.
    pub async fn new(app: &App) -> Self {
        let job = app.job(&json!({})).await;
        let run = app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
        // The secret may already exist.
        app.post("/v1/secrets", &json!({ "name": "key", "value": "x" })).await;
        let token = app
            .post("/v1/tokens", &json!({ "name": "seed", "scopes": ["workspace:admin"] }))
            .await
            .expect(201);
        let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let invited = app.post("/v1/members", &json!({ "email": "seed@example.com" })).await.expect(201);
        let hook = json!({ "name": job, "type": "webhook", "config": { "url": "https://example.com/" } });
        let channel = text(&app.post("/v1/notification-channels", &hook).await.expect(201));
        let rule = json!({ "channel_id": channel, "event": "on_failure" });
        let rule = app.post(&format!("/v1/jobs/{job}/notification-rules"), &rule).await.expect(201);
        // Through the store: the API limits tests of channels.
        let now = app.db.now().await;
        let channel_id = channel.parse().unwrap();
        let mut conn = app.db.conn().await;
        let test = notifications::insert_test(&mut conn, app.workspace, channel_id, now).await.unwrap();
        drop(conn);
        Self {
            job,
            execution: text(&run),
            member: app.member("member").await,
            invitation: text(&invited),
            token: text(&token),
            channel,
            rule: text(&rule),
            notification: test.to_string(),
        }
    }

    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Ids that do not exist.
    fn absent() -> Self {
        let id = |prefix: &str| format!("{prefix}_01h455vb4pex5vsknk084sn02q");
        Self {
            job: id("job"),
            execution: id("exe"),
            member: id("usr"),
            invitation: id("inv"),
            token: id("tok"),
            channel: id("chn"),
            rule: id("rul"),
            notification: id("ntf"),
        }
    }
}

#[test]
fn every_operation_has_a_row() {
    let mut documented: Vec<String> = operations().into_iter().map(|operation| operation.id).collect();
    documented.sort();
    let mut known: Vec<&str> =
        TABLE.iter().map(|(id, ..)| *id).chain(OPEN).chain(SIGN_IN).chain(ANY_TOKEN).chain(SESSION).collect();
    known.sort_unstable();
    assert_eq!(documented, known);
}

#[tokio::test]
async fn other_operations_require_their_kind_of_token() {
    let app = App::new().await;
    let session = app.session("owner").await;
    for operation in operations() {
        let send = async |token: &str| {
            app.send_as(
                token,
                operation.method.clone(),
                &operation.path,
                &[],
                &operation.body(&Seeds::absent()),
            )
            .await
        };
        if ANY_TOKEN.contains(&operation.id.as_str()) {
            assert_eq!(send("nonsense").await.problem(401), "unauthorized");
            send(&app.token_of(app.workspace, &[Scope::JobsRead]).await).await.expect(200);
            send(&session).await.expect(200);
        }
        if SESSION.contains(&operation.id.as_str()) {
            assert_eq!(send("nonsense").await.problem(401), "unauthorized");
            let response = send(&app.session("owner").await).await;
            // The invitation does not exist.
            let is_authorized =
                response.status.is_success() || operation.id == "accept_invitation" && response.status == 422;
            assert!(is_authorized, "{}: {}", operation.id, response.text);
        }
    }
}
