//! Bodies that name things of another workspace, or set what a client may not set.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

use trigrun_testkit::raw_http::{RawResponse, request};

use super::{
    Operation,
    fixture::{Things, World},
    operations,
};
use crate::security::{
    case::Case,
    system::{PASSWORD, System, once, text},
};

/// What responses have of a job, besides what a client may set.
const READ_ONLY_FIELDS: [&str; 8] =
    ["id", "version", "created_at", "updated_at", "next_run_at", "last_execution", "health", "execution_id"];
/// Columns and fields of responses. A client may set none of them, unless the document names it.
const FORBIDDEN_FIELDS: [&str; 25] = [
    "id",
    "workspace_id",
    "workspace",
    "user_id",
    "job_id",
    "created_at",
    "created_by",
    "updated_at",
    "deleted_at",
    "next_run_at",
    "last_used_at",
    "last_execution",
    "health",
    "execution_id",
    "idempotency_key",
    "version",
    "status",
    "plan",
    "quotas",
    "owner",
    "is_admin",
    "hash",
    "token",
    "__proto__",
    "constructor",
];

/// Nested fields, and values that only TrigRun sets: operation, pointer, value and code.
const FORBIDDEN_VALUES: &[(&str, &str, &str, &str)] = &[
    ("create_job", "/state", r#""completed""#, "not_one_of"),
    ("patch_job", "/state", r#""completed""#, "not_one_of"),
    ("create_job", "/role", r#""owner""#, "unknown_field"),
    ("create_job", "/schedule/next_run_at", r#""2999-01-01T00:00:00Z""#, "unknown_field"),
    ("create_job", "/request/workspace_id", r#""x""#, "unknown_field"),
    ("create_job", "/retry_policy/attempt", "1", "unknown_field"),
    ("create_jobs", "/workspace_id", r#""x""#, "unknown_field"),
    ("put_job", "/key", r#""another""#, "key_differs"),
    ("apply_jobs", "/jobs/applied/workspace_id", r#""x""#, "unknown_field"),
    ("apply_jobs", "/jobs/applied/stack", r#""another""#, "stack_differs"),
    ("apply_jobs", "/jobs/applied/adopt", r#""job_01h455vb4pex5vsknk084sn02q""#, "job_unknown"),
    ("bulk_jobs", "/workspace_id", r#""x""#, "unknown_field"),
    ("bulk_jobs", "/action", r#""replay""#, "not_one_of"),
    ("import_jobs", "/request/url", r#""https://target.example/""#, "not_here"),
    ("create_channel", "/config/workspace_id", r#""x""#, "unknown_field"),
    ("create_channel", "/config/secret", r#""x""#, "unknown_field"),
    ("patch_channel", "/type", r#""email""#, "read_only"),
    ("create_member", "/scopes", r#"["workspace:admin"]"#, "unknown_field"),
    ("create_member", "/role", r#""superuser""#, "not_one_of"),
    ("patch_member", "/role", r#""root""#, "not_one_of"),
    ("patch_member", "/scopes", r#"["workspace:admin"]"#, "unknown_field"),
    ("create_token", "/role", r#""owner""#, "unknown_field"),
    ("patch_me", "/email", r#""other@example.com""#, "unknown_field"),
    ("log_in", "/session", r#""admin""#, "not_one_of"),
    ("sign_up", "/role", r#""owner""#, "unknown_field"),
    ("sign_up", "/scopes", r#"["workspace:admin"]"#, "unknown_field"),
    ("sign_up", "/verified", "true", "unknown_field"),
    ("create_verification", "/purpose", r#""log_in""#, "not_one_of"),
    ("create_verification", "/user_id", r#""usr_01h455vb4pex5vsknk084sn02q""#, "unknown_field"),
    ("create_verification", "/purpose", r#""email_change""#, "not_one_of"),
    ("reset_password", "/email", r#""other@example.com""#, "unknown_field"),
    ("confirm_email", "/email", r#""other@example.com""#, "unknown_field"),
    ("put_secret", "/name", r#""another""#, "unknown_field"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations().into_iter().filter(|operation| !operation.fields.is_empty()) {
        for (_, pointer, value, code) in FORBIDDEN_VALUES.iter().filter(|row| row.0 == operation.id) {
            let operation = operation.clone();
            cases.push(Case::new(format!("{} with {pointer} {value}", operation.id), move |system| {
                forbidden_value(system, operation.clone(), pointer, value, code)
            }));
        }
        cases.push(Case::new(format!("{} with forbidden fields", operation.id), move |system| {
            forbidden_fields(system, operation.clone())
        }));
    }
    cases.extend([
        Case::new("a rule with the victim's channel", another_channel),
        Case::new("a job with the victim's secret", another_secret),
        Case::new("an import with the victim's secret", another_secret_imported),
        Case::new("another user's invitation", another_invitation),
        Case::new("the victim's idempotency key", |system| another_key(system, "/v1/jobs")),
        Case::new("the victim's idempotency key of an import", |system| {
            another_key(system, "/v1/jobs/import")
        }),
        Case::new("the victim's idempotency key of a batch", |system| another_key(system, "/v1/jobs/batch")),
        Case::new("a batch with the victim's secret", another_secret_in_a_batch),
    ]);
    cases
}

/// As the attacker, about things of the attacker.
async fn send(system: &System, operation: &Operation, body: &Value) -> anyhow::Result<RawResponse> {
    let World { attacker, own, .. } = World::of(system).await?;
    let operation = (&*operation.method, &*operation.path_to(own));
    system.call_in(&attacker.workspace, &attacker.session, operation, body).await
}

/// Everything that the attacker has, and how much has this name.
async fn snapshot(system: &System, name: &str) -> anyhow::Result<Vec<Value>> {
    let World { attacker, own, .. } = World::of(system).await?;
    let mut seen = Vec::new();
    for path in [
        format!("/v1/jobs/{}", own.job),
        format!("/v1/secrets/{}", own.secret),
        format!("/v1/notification-channels/{}", own.channel),
        format!("/v1/jobs/{}/notification-rules", own.job),
        "/v1/workspace".into(),
        "/v1/members".into(),
    ] {
        seen.push(system.call_as(&attacker.token, "GET", &path, &Value::Null).await?.expect(200)?);
    }
    for path in ["/v1/jobs", "/v1/secrets", "/v1/notification-channels", "/v1/tokens"] {
        let list = format!("{path}?limit=250");
        let list = system.call_as(&attacker.token, "GET", &list, &Value::Null).await?;
        list.expect(200)?;
        seen.push(json!(list.text().contains(name)));
    }
    let sql = system.app.db.session().await;
    for count in ["users where email", "invitations where email", "workspaces where name"] {
        let count = format!("select count(*) from {count} like $1");
        let count: i64 = sql.query_one(&count, &[&format!("%{name}%")]).await?.get(0);
        seen.push(json!(count));
    }
    Ok(seen)
}

async fn forbidden_fields(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let own = &World::of(&system).await?.own;
    let name = format!("assigned{}x", system.number());
    let before = snapshot(&system, &name).await?;
    let mut body = operation.body(own, &name);
    let mut expected = BTreeSet::new();
    for field in
        FORBIDDEN_FIELDS.into_iter().filter(|field| !operation.fields.iter().any(|known| known == field))
    {
        body[field] = json!("x");
        if !is_ignored(&operation, field) {
            expected.insert((format!("/{field}"), refusal(&operation, field)));
        }
    }
    let response = send(&system, &operation, &body).await?;
    response.expect_problem(422, "validation_failed")?;
    let errors = response.json()["errors"].as_array().cloned().unwrap_or_default();
    let text = |error: &Value, name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let refused = errors.iter().map(|error| (text(error, "pointer"), text(error, "code"))).collect();
    ensure!(expected == refused, "{expected:?} is not {refused:?}");
    ensure!(before == snapshot(&system, &name).await?, "something has changed");
    Ok(())
}

/// What GET returned may be sent back: a new thing is made without these, and those that change by themselves are not compared.
fn is_ignored(operation: &Operation, field: &str) -> bool {
    match &*operation.id {
        "create_job" | "put_job" => READ_ONLY_FIELDS.contains(&field),
        "patch_job" => ["last_execution", "health", "execution_id"].contains(&field),
        "create_rule" | "create_workspace_rule" => ["id", "created_at"].contains(&field),
        "create_channel" => ["id", "created_at", "updated_at"].contains(&field),
        "patch_channel" => field == "updated_at",
        "patch_workspace" => field == "quotas",
        _ => false,
    }
}

/// Why a field is refused.
fn refusal(operation: &Operation, field: &str) -> String {
    let is_read_only = match &*operation.id {
        "patch_job" => READ_ONLY_FIELDS.contains(&field),
        "patch_channel" | "patch_rule" | "patch_workspace_rule" => ["id", "created_at"].contains(&field),
        "patch_workspace" => field == "id",
        _ => false,
    };
    if is_read_only { "read_only" } else { "unknown_field" }.to_owned()
}

async fn forbidden_value(
    system: Arc<System>,
    operation: Operation,
    pointer: &'static str,
    value: &'static str,
    code: &'static str,
) -> anyhow::Result<()> {
    let own = &World::of(&system).await?.own;
    let name = format!("within{}x", system.number());
    let mut body = operation.body(own, &name);
    let mut at = &mut body;
    for segment in pointer[1..].split('/') {
        at = &mut at[segment];
    }
    *at = serde_json::from_str(value)?;
    send(&system, &operation, &body).await?.expect_invalid(pointer, code)
}

async fn another_channel(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let rules = format!("/v1/jobs/{}/notification-rules", world.own.job);
    let send = async |channel: &str| {
        let rule = json!({ "channel_id": channel, "event": "on_success" });
        system.call_in(&world.attacker.workspace, &world.attacker.token, ("POST", &rules), &rule).await
    };
    let absent = send(&Things::absent().channel).await?;
    absent.expect_invalid("/channel_id", "channel_unknown")?;
    let theirs = send(&world.theirs.channel).await?;
    ensure!(theirs.comparable() == absent.comparable(), "{} is not {}", theirs.text(), absent.text());
    world.is_unchanged(&system).await
}

/// Each workspace has its own names. `crates/security` runs such a job: it fails, and nothing is sent.
async fn another_secret(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    for header in ["secret://{}", "Bearer secret://{}"] {
        let header = header.replace("{}", &world.theirs.secret);
        let job = once(json!({ "url": "https://target.example/", "headers": { "x-key": header } }));
        let created = system.call_as(&world.attacker.token, "POST", "/v1/jobs", &job).await?.expect(201)?;
        warns_of_missing_secret(&created)?;
    }
    world.is_unchanged(&system).await
}

fn warns_of_missing_secret(created: &Value) -> anyhow::Result<()> {
    let warning = created["warnings"][0].as_str();
    ensure!(warning.is_some_and(|warning| warning.contains("does not exist")), "{created}");
    Ok(())
}

async fn another_secret_imported(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let import = json!({ "crontab": "0 0 1 1 * https://target.example/imported", "state": "draft",
        "request": { "headers": { "x-key": format!("secret://{}", world.theirs.secret) } } });
    let created =
        system.call_as(&world.attacker.token, "POST", "/v1/jobs/import", &import).await?.expect(201)?;
    warns_of_missing_secret(&created)?;
    world.is_unchanged(&system).await
}

async fn another_secret_in_a_batch(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let headers = json!({ "x-key": format!("secret://{}", world.theirs.secret) });
    let batch = json!({ "items": [{ "name": "batch", "kind": "cron", "schedule": { "cron": "0 0 1 1 *" },
        "state": "draft", "request": { "url": "https://target.example/", "headers": headers } }] });
    let created =
        system.call_as(&world.attacker.token, "POST", "/v1/jobs/batch", &batch).await?.expect(201)?;
    warns_of_missing_secret(&created)?;
    world.is_unchanged(&system).await
}

async fn another_invitation(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let guest = json!({ "email": "guest.tenants@example.com", "role": "admin" });
    let invited = ("POST", "/v1/members");
    let invited =
        system.call_in(&world.as_member, &world.victim.session, invited, &guest).await?.expect(201)?;
    let thief = json!({ "email": "thief.tenants@example.com", "password": PASSWORD, "invitation": invited["invitation"] });
    let response = system.call_as("", "POST", "/v1/auth/signup", &thief).await?;
    response.expect_invalid("/invitation", "invitation_unknown")?;
    let sql = system.app.db.session().await;
    let created = sql.query_one("select count(*) from users where email like 'thief.tenants%'", &[]).await?;
    ensure!(created.get::<_, i64>(0) == 0, "a user was created");
    Ok(())
}

/// The same key in two workspaces is two keys.
async fn another_key(system: Arc<System>, path: &str) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    // Not in the victim's first workspace, which has to stay unchanged.
    let (operation, token) = (("POST", "/v1/tokens"), json!({ "name": "keys" }));
    let created =
        system.call_in(&world.as_admin, &world.victim.session, operation, &token).await?.expect(201)?;
    let key = format!("key-{}", system.number());
    let send = async |token: &str, name: &str| {
        let job = json!({ "name": name, "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "draft",
            "request": { "url": "https://target.example/" } });
        let body = match path.rsplit('/').next() {
            Some("import") => {
                json!({ "crontab": format!("0 0 1 1 * https://target.example/{name}"), "state": "draft" })
            }
            Some("batch") => json!({ "items": [job] }),
            _ => job,
        };
        let headers = [
            format!("authorization: Bearer {token}"),
            format!("idempotency-key: {key}"),
            "content-type: application/json".to_owned(),
        ];
        request(system.api, "POST", path, &headers, body.to_string().as_bytes()).await
    };
    let first = send(&text(&created["token"])?, "of-victim").await?;
    first.expect(201)?;
    let second = send(&world.attacker.token, "of-attacker").await?;
    second.expect(201)?;
    ensure!(second.header("idempotent-replayed").is_none(), "{}", second.head);
    ensure!(
        second.text().contains("of-attacker") && !second.text().contains("of-victim"),
        "{}",
        second.text()
    );
    let id = |response: &RawResponse| {
        let json = response.json();
        let created = &json["created"][0];
        let id = json["id"].as_str().or(created["id"].as_str()).or(created["job"]["id"].as_str());
        id.map(str::to_owned)
    };
    ensure!(id(&first).context("no id")? != id(&second).context("no id")?, "it is the same job");
    Ok(())
}
