//! Suite K: other workspaces, roles and scopes, for every operation of the OpenAPI document.

mod bodies;
mod fixture;
mod ids;
mod lists;
mod scopes;

use serde_json::{Value, json};
use trigrun_core::domain::access::{TokenKind, TokenSecret};

use super::{case::Suite, system::PASSWORD};

use fixture::Things;
pub use fixture::World;

/// For sessions, in any workspace. The document does not say so.
const FOR_SESSIONS: [&str; 12] = [
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
/// For the session or the token that it ends, in any workspace.
const FOR_ITSELF: &str = "log_out";

pub fn suite() -> Suite {
    let cases = [scopes::cases(), ids::cases(), lists::cases(), bodies::cases()];
    Suite { letter: 'K', cases: cases.into_iter().flatten().collect() }
}

/// What an operation requires of a request.
#[derive(Clone, PartialEq)]
enum Required {
    Nothing,
    AnyToken,
    Session,
    SessionOrToken,
    Scope(String),
}

/// An operation of the document.
#[derive(Clone)]
struct Operation {
    id: String,
    method: String,
    path: String,
    required: Required,
    /// All scopes that it requires, if it requires any.
    scopes: Vec<String>,
    /// The names of its query parameters.
    parameters: Vec<String>,
    /// The names of its body's fields; empty where it has none.
    fields: Vec<String>,
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(trigrun_api::openapi::json()).unwrap();
    let mut operations = Vec::new();
    for (path, of_path) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in of_path.as_object().into_iter().flatten() {
            operations.push(Operation::read(&document, path, method, operation));
        }
    }
    operations
}

impl Operation {
    fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let scopes = &operation["security"][0]["token"];
        let required = match (scopes.as_array(), scopes[0].as_str()) {
            (None, _) => Required::Nothing,
            (_, Some(scope)) => Required::Scope(scope.to_owned()),
            _ if FOR_SESSIONS.contains(&&*id) => Required::Session,
            _ if id == FOR_ITSELF => Required::SessionOrToken,
            _ => Required::AnyToken,
        };
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned));
        let body =
            operation["requestBody"]["content"].as_object().and_then(|content| content.values().next());
        let schema = body.and_then(|body| body["schema"]["$ref"].as_str()).unwrap_or_default();
        let schema = document.pointer(schema.trim_start_matches('#')).unwrap_or(&Value::Null);
        let fields = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let scopes = scopes.as_array().into_iter().flatten();
        Self {
            required,
            scopes: scopes.filter_map(|scope| scope.as_str().map(str::to_owned)).collect(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            parameters: parameters.collect(),
            fields: if body.is_some() { fields.collect() } else { Vec::new() },
            id,
        }
    }

    /// Whether it is about an object of a workspace that must exist. A PUT creates its object.
    fn needs_object(&self) -> bool {
        self.path.starts_with("/v1/") && self.path.contains('{') && self.method != "PUT"
    }

    /// Its path with the ids of these things.
    fn path_to(&self, things: &Things) -> String {
        let id = match self.path.split('/').nth(2) {
            _ if self.id == "put_job" => "put-by-key",
            Some("executions") => &things.execution,
            Some("tests") => &things.test,
            Some("invitations") => &things.invitation,
            Some("members") => &things.member,
            Some("sessions") => &things.session,
            Some("tokens") => &things.token,
            Some("notification-channels") => &things.channel,
            Some("notifications") => &things.notification,
            Some("notification-rules") => &things.workspace_rule,
            _ => &things.job,
        };
        let path = self.path.replace("{id}", id).replace("{name}", &things.secret);
        let path =
            path.replace("{rule_id}", &things.rule).replace("{version}", "1").replace("{code}", "not_found");
        let path = path.replace("{page}", "quickstart");
        match &*self.id {
            "stream_executions" => path + "?seconds=1",
            "get_jobs_activity" => format!("{path}?ids={id}"),
            _ => path,
        }
    }

    /// A body that it accepts; null where it takes none. What it creates is called `name`.
    fn body(&self, things: &Things, name: &str) -> Value {
        let email = format!("{name}@example.com");
        let channel =
            json!({ "name": name, "type": "webhook", "config": { "url": "https://target.example/" } });
        match &*self.id {
            "create_job" => {
                json!({ "name": name, "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "draft",
                "request": { "url": "https://target.example/" } })
            }
            "create_jobs" => {
                json!({ "items": [{ "name": name, "kind": "cron", "schedule": { "cron": "0 0 1 1 *" },
                    "state": "draft", "request": { "url": "https://target.example/" } }] })
            }
            "put_job" => {
                json!({ "name": name, "schedule": { "cron": "0 0 1 1 *" }, "state": "draft",
                "request": { "url": "https://target.example/" } })
            }
            "apply_jobs" => {
                json!({ "stack": "web", "dry_run": true, "jobs": { "applied": { "name": name, "state": "draft",
                    "schedule": { "cron": "0 0 1 1 *" }, "request": { "url": "https://target.example/" } } } })
            }
            "export_jobs" => json!({ "limit": 250 }),
            "import_jobs" => {
                json!({ "crontab": format!("0 0 1 1 * https://target.example/{name}"), "state": "draft" })
            }
            "convert_jobs" => json!({ "source": "@daily curl https://target.example/" }),
            "preview_schedule" => json!({ "kind": "one_time" }),
            "spread_forecast" => json!({ "from": "2999-03-01T04:00:00Z" }),
            "create_test" => json!({ "request": { "url": "https://target.example/" } }),
            "create_secret" => json!({ "name": name, "value": "x" }),
            "accept_invitation" => {
                // Well-formed, but not an invitation that was ever created.
                let secret = TokenSecret::from_random(TokenKind::Invitation, &[7; 128]);
                json!({ "invitation": secret.as_ref().map(TokenSecret::reveal) })
            }
            "put_secret" => json!({ "value": "y" }),
            "bulk_jobs" => json!({ "action": "pause", "ids": [things.job] }),
            "bulk_executions" => json!({ "action": "cancel", "ids": [things.execution] }),
            "create_member" => json!({ "email": email }),
            "patch_member" => json!({ "role": "admin" }),
            "create_token" => json!({ "name": name, "scopes": ["workspace:admin"] }),
            "create_channel" => channel,
            "snooze_channel" => json!({ "until": "2999-01-01T00:00:00Z" }),
            "create_workspace_rule" => {
                json!({ "channel_id": things.channel, "event": "on_success", "selector": "tag", "value": name })
            }
            "patch_rule" | "patch_workspace_rule" => json!({ "event": "on_completion" }),
            "create_rule" => json!({ "channel_id": things.channel, "event": "on_success" }),
            "patch_job" | "patch_channel" | "create_workspace" | "patch_workspace" => json!({ "name": name }),
            "confirm_session" => json!({ "password": PASSWORD }),
            "change_password" => json!({ "current": PASSWORD, "new": "another horse battery" }),
            "change_email" => json!({ "email": email, "password": PASSWORD }),
            "patch_me" => json!({ "name": name }),
            "sign_up" => json!({ "email": email, "password": PASSWORD }),
            "create_verification" => json!({ "email": email, "purpose": "password_reset" }),
            "reset_password" => {
                // Well-formed, but never sent.
                let secret = TokenSecret::from_random(TokenKind::Verification, &[7; 128]);
                json!({ "verification": secret.as_ref().map(TokenSecret::reveal), "password": PASSWORD })
            }
            "confirm_email" => {
                let secret = TokenSecret::from_random(TokenKind::Verification, &[7; 128]);
                json!({ "verification": secret.as_ref().map(TokenSecret::reveal) })
            }
            "log_in" => json!({ "email": email, "password": "wrong horse battery" }),
            _ => Value::Null,
        }
    }
}
