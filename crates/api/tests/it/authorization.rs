//! The authorization table. An operation without a row here fails. The cases of its rows are in `security/tenants/scopes.rs`.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::{domain::access::Scope, store::notifications};

use crate::app::{App, PASSWORD, job};

/// Operation, required scope, and the status of an authorized request.
pub const TABLE: [(&str, &str, u16); 79] = [
    ("create_job", "jobs:write", 201),
    ("create_jobs", "jobs:write", 201),
    ("import_jobs", "jobs:write", 201),
    ("apply_jobs", "jobs:write", 200),
    ("export_jobs", "jobs:read", 200),
    ("put_job", "jobs:write", 201),
    ("list_job_versions", "jobs:read", 200),
    ("get_job_version", "jobs:read", 200),
    ("convert_jobs", "jobs:read", 200),
    ("list_jobs", "jobs:read", 200),
    ("count_jobs", "jobs:read", 200),
    ("get_jobs_activity", "executions:read", 200),
    ("get_job", "jobs:read", 200),
    ("patch_job", "jobs:write", 200),
    ("delete_job", "jobs:write", 204),
    ("pause_job", "jobs:write", 200),
    ("resume_job", "jobs:write", 200),
    ("run_job_now", "jobs:run", 202),
    ("bulk_jobs", "jobs:write", 200),
    ("preview_schedule", "jobs:read", 200),
    ("get_forecast", "jobs:read", 200),
    ("spread_forecast", "jobs:read", 200),
    ("list_upcoming", "jobs:read", 200),
    ("get_hosts", "jobs:read", 200),
    ("get_usage", "jobs:read", 200),
    ("get_stats", "executions:read", 200),
    ("get_failures", "executions:read", 200),
    ("get_ledger", "executions:read", 200),
    ("list_executions", "executions:read", 200),
    ("list_job_executions", "executions:read", 200),
    ("get_execution", "executions:read", 200),
    ("get_job_ledger", "executions:read", 200),
    ("explain_job", "executions:read", 200),
    ("get_job_baseline", "executions:read", 200),
    // The execution has had no attempt.
    ("get_execution_request", "jobs:read", 404),
    ("replay_execution", "jobs:run", 202),
    ("bulk_executions", "jobs:run", 200),
    ("stream_executions", "executions:read", 200),
    ("cancel_execution", "jobs:run", 200),
    ("create_test", "jobs:write", 202),
    // It has been purged.
    ("get_test", "jobs:write", 404),
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
    ("snooze_channel", "notifications:write", 200),
    ("create_workspace_rule", "notifications:write", 201),
    ("list_workspace_rules", "notifications:write", 200),
    ("get_workspace_rule", "notifications:write", 200),
    ("patch_workspace_rule", "notifications:write", 200),
    ("delete_workspace_rule", "notifications:write", 204),
    ("create_rule", "notifications:write", 201),
    ("patch_rule", "notifications:write", 200),
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
const OPEN: [&str; 12] = [
    "get_instance",
    "livez",
    "readyz",
    "version",
    "openapi",
    "openapi_3_0",
    "docs",
    "get_documentation_page",
    "overview",
    "jobs_schema",
    "list_problem_types",
    "get_problem_type",
];
/// Operations without a token, with a body.
pub const SIGN_IN: [&str; 5] =
    ["sign_up", "log_in", "create_verification", "reset_password", "confirm_email"];
/// Operations for any token.
const ANY_TOKEN: [&str; 3] = ["get_me", "get_workspace", "list_time_zones"];
/// Operations that require a session.
const SESSION: [&str; 12] = [
    "get_session",
    "confirm_session",
    "list_sessions",
    "delete_session",
    "delete_other_sessions",
    "patch_me",
    "change_password",
    "change_email",
    "delete_me",
    "list_workspaces",
    "create_workspace",
    "accept_invitation",
];
/// Operations about the session or the token itself.
const ANY_CREDENTIALS: [&str; 1] = ["log_out"];

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
            path: if operation["operationId"] == "stream_executions" {
                format!("{path}?seconds=1")
            } else {
                path.clone()
            },
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
            "apply_jobs" => {
                let new =
                    json!({ "schedule": { "cron": "@daily" }, "request": { "url": "https://example.com/" } });
                json!({ "stack": "web", "jobs": { "applied": new } }).to_string()
            }
            "export_jobs" => json!({}).to_string(),
            "put_job" => job(&json!({})).to_string(),
            "convert_jobs" => json!({ "source": "curl https://example.com/" }).to_string(),
            "preview_schedule" => json!({ "kind": "one_time" }).to_string(),
            "spread_forecast" => json!({ "from": "2026-12-01T04:00:00Z" }).to_string(),
            "patch_job" => json!({ "name": "changed" }).to_string(),
            "create_test" => json!({ "request": { "url": "https://example.com/" } }).to_string(),
            "create_secret" => json!({ "name": "another", "value": "x" }).to_string(),
            "create_workspace" | "patch_workspace" => json!({ "name": "another" }).to_string(),
            "confirm_session" => json!({ "password": PASSWORD }).to_string(),
            "change_password" => json!({ "current": PASSWORD, "new": "another horse battery" }).to_string(),
            // Nothing is sent to it.
            "change_email" => json!({ "email": "nowhere", "password": PASSWORD }).to_string(),
            "patch_me" => json!({ "name": "changed" }).to_string(),
            "accept_invitation" => json!({ "invitation": "tri_none" }).to_string(),
            "create_member" => json!({ "email": "grace@example.com" }).to_string(),
            "patch_member" => json!({ "role": "admin" }).to_string(),
            "create_token" => json!({ "name": "another", "scopes": ["workspace:admin"] }).to_string(),
            "create_channel" => {
                json!({ "name": "another", "type": "webhook", "config": { "url": "https://example.com/" } })
                    .to_string()
            }
            "patch_channel" => json!({ "name": "changed" }).to_string(),
            "snooze_channel" => json!({ "until": null }).to_string(),
            "create_workspace_rule" => {
                json!({ "channel_id": seeds.channel, "event": "on_success" }).to_string()
            }
            "patch_rule" | "patch_workspace_rule" => json!({ "event": "on_completion" }).to_string(),
            "create_rule" => json!({ "channel_id": seeds.channel, "event": "on_success" }).to_string(),
            "put_secret" => json!({ "value": "y" }).to_string(),
            "bulk_jobs" => json!({ "action": "pause", "ids": [seeds.job] }).to_string(),
            "bulk_executions" => json!({ "action": "cancel", "ids": [seeds.execution] }).to_string(),
            _ => String::new(),
        }
    }

    /// Its path with ids.
    pub fn path_to(&self, seeds: &Seeds) -> String {
        let id = match self.path.split('/').nth(2) {
            _ if self.id == "put_job" => "a-key",
            Some("executions") => &seeds.execution,
            Some("members") => &seeds.member,
            Some("invitations") => &seeds.invitation,
            Some("tests") => "tst_01h455vb4pex5vsknk084sn02q",
            Some("sessions") => "ses_01h455vb4pex5vsknk084sn02q",
            Some("tokens") => &seeds.token,
            Some("notification-channels") => &seeds.channel,
            Some("notifications") => &seeds.notification,
            Some("notification-rules") => &seeds.workspace_rule,
            _ => &seeds.job,
        };
        let path = self.path.replace("{id}", id).replace("{version}", "1").replace("{name}", "key");
        let path = path.replace("{rule_id}", &seeds.rule);
        if self.id == "get_jobs_activity" { format!("{path}?ids={id}") } else { path }
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
    workspace_rule: String,
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
        // A workspace has at most a hundred.
        let channels = app.get("/v1/notification-channels?limit=1").await.expect(200);
        let channel = match channels["data"].get(0) {
            Some(channel) => text(channel),
            None => text(&app.post("/v1/notification-channels", &hook).await.expect(201)),
        };
        let rule = json!({ "channel_id": channel, "event": "on_failure" });
        let rule = app.post(&format!("/v1/jobs/{job}/notification-rules"), &rule).await.expect(201);
        let of_all = json!({ "channel_id": channel, "event": "on_failure", "selector": "tag", "value": "a" });
        let workspace_rule = app.post("/v1/notification-rules", &of_all).await.expect(201);
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
            workspace_rule: text(&workspace_rule),
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
            workspace_rule: id("rul"),
            notification: id("ntf"),
        }
    }
}

#[test]
fn every_operation_has_a_row() {
    let mut documented: Vec<String> = operations().into_iter().map(|operation| operation.id).collect();
    documented.sort();
    let mut known: Vec<&str> = TABLE
        .iter()
        .map(|(id, ..)| *id)
        .chain(OPEN)
        .chain(SIGN_IN)
        .chain(ANY_TOKEN)
        .chain(SESSION)
        .chain(ANY_CREDENTIALS)
        .collect();
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
                &operation.path_to(&Seeds::absent()),
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
            // The invitation, the address and the session do not exist.
            let is_authorized = match operation.id.as_str() {
                "accept_invitation" | "change_email" => response.status == 422,
                "delete_session" => response.status == 404,
                _ => response.status.is_success(),
            };
            assert!(is_authorized, "{}: {}", operation.id, response.text);
        }
        if ANY_CREDENTIALS.contains(&operation.id.as_str()) {
            assert_eq!(send("nonsense").await.problem(401), "unauthorized");
            send(&app.token_of(app.workspace, &[Scope::JobsRead]).await).await.expect(204);
            send(&app.session("member").await).await.expect(204);
        }
    }
}
