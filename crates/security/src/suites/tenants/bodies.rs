//! Bodies that name what belongs to others, or say what is not theirs to say.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

use super::{
    Operation, Tried, operations,
    world::{Things, World},
};
use crate::{
    case::{Case, Family},
    system::{PASSWORD, System, once, text},
    wire::{Reply, call},
};

/// Fields of rows and of answers, which nobody may set where the document does not name them.
const NOT_THEIRS: [&str; 24] = [
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

/// Fields within fields, and words that TrigRun alone uses: the operation, where, what, and the code.
const WITHIN: &[(&str, &str, &str, &str)] = &[
    ("create_job", "/state", r#""completed""#, "not_one_of"),
    ("patch_job", "/state", r#""completed""#, "not_one_of"),
    ("create_job", "/role", r#""owner""#, "unknown_field"),
    ("create_job", "/schedule/next_run_at", r#""2999-01-01T00:00:00Z""#, "unknown_field"),
    ("create_job", "/request/workspace_id", r#""x""#, "unknown_field"),
    ("create_job", "/retry_policy/attempt", "1", "unknown_field"),
    ("import_jobs", "/request/url", r#""https://siege.example/""#, "not_here"),
    ("create_channel", "/config/workspace_id", r#""x""#, "unknown_field"),
    ("create_channel", "/config/secret", r#""x""#, "unknown_field"),
    ("patch_channel", "/type", r#""email""#, "unknown_field"),
    ("create_member", "/scopes", r#"["workspace:admin"]"#, "unknown_field"),
    ("create_member", "/role", r#""superuser""#, "not_one_of"),
    ("patch_member", "/role", r#""root""#, "not_one_of"),
    ("patch_member", "/scopes", r#"["workspace:admin"]"#, "unknown_field"),
    ("create_token", "/role", r#""owner""#, "unknown_field"),
    ("sign_up", "/role", r#""owner""#, "unknown_field"),
    ("sign_up", "/scopes", r#"["workspace:admin"]"#, "unknown_field"),
    ("put_secret", "/name", r#""another""#, "unknown_field"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations().into_iter().filter(|operation| !operation.fields.is_empty()) {
        for (_, pointer, value, code) in WITHIN.iter().filter(|row| row.0 == operation.id) {
            let operation = operation.clone();
            cases.push(Case::asks(
                Family::Tenants,
                format!("{} with {pointer} {value}", operation.id),
                move |system| within(system, operation.clone(), pointer, value, code),
            ));
        }
        cases.push(Case::asks(
            Family::Tenants,
            format!("{} with what is not theirs", operation.id),
            move |system| not_theirs(system, operation.clone()),
        ));
    }
    let asks = |name: &str, attempt: fn(Arc<System>) -> Tried| Case::asks(Family::Tenants, name, attempt);
    cases.extend([
        asks("a rule with another's channel", |system| Box::pin(another_channel(system))),
        asks("a job with another's secret", |system| Box::pin(another_secret(system))),
        asks("an import with another's secret", |system| Box::pin(another_secret_imported(system))),
        asks("another's invitation", |system| Box::pin(another_invitation(system))),
        asks("another's idempotency key", |system| Box::pin(another_key(system, "/v1/jobs"))),
        asks("another's idempotency key of an import", |system| {
            Box::pin(another_key(system, "/v1/jobs/import"))
        }),
    ]);
    cases
}

/// In the attacker's name, about what is the attacker's.
async fn send(system: &System, operation: &Operation, body: &Value) -> anyhow::Result<Reply> {
    let World { attacker, own, .. } = World::of(system).await?;
    let ask = (&*operation.method, &*operation.path_to(own));
    system.ask_in(&attacker.workspace, &attacker.session, ask, body).await
}

/// All that the attacker has, and how many people there are.
async fn all(system: &System, called: &str) -> anyhow::Result<Vec<Value>> {
    let World { attacker, own, .. } = World::of(system).await?;
    let mut all = Vec::new();
    for path in [
        format!("/v1/jobs/{}", own.job),
        format!("/v1/secrets/{}", own.secret),
        format!("/v1/notification-channels/{}", own.channel),
        format!("/v1/jobs/{}/notification-rules", own.job),
        "/v1/workspace".into(),
        "/v1/members".into(),
    ] {
        all.push(system.ask_as(&attacker.token, "GET", &path, &Value::Null).await?.expect(200)?);
    }
    for path in ["/v1/jobs", "/v1/secrets", "/v1/notification-channels", "/v1/tokens"] {
        let list = format!("{path}?limit=250");
        let list = system.ask_as(&attacker.token, "GET", &list, &Value::Null).await?;
        list.expect(200)?;
        all.push(json!(list.text().contains(called)));
    }
    let sql = system.sql().await?;
    for count in ["users where email", "invitations where email", "workspaces where name"] {
        let count = format!("select count(*) from {count} like $1");
        let count: i64 = sql.query_one(&count, &[&format!("%{called}%")]).await?.get(0);
        all.push(json!(count));
    }
    Ok(all)
}

async fn not_theirs(system: Arc<System>, operation: Operation) -> anyhow::Result<()> {
    let own = &World::of(&system).await?.own;
    let called = format!("assigned{}x", system.number());
    let before = all(&system, &called).await?;
    let mut body = operation.body(own, &called);
    let mut wanted = BTreeSet::new();
    for field in NOT_THEIRS.into_iter().filter(|field| !operation.fields.iter().any(|known| known == field)) {
        body[field] = json!("x");
        wanted.insert(format!("/{field}"));
    }
    let reply = send(&system, &operation, &body).await?;
    reply.expect_problem(422, "validation_failed")?;
    let errors = reply.json()["errors"].as_array().cloned().unwrap_or_default();
    ensure!(errors.iter().all(|error| error["code"] == "unknown_field"), "{errors:?}");
    let said = errors.iter().filter_map(|error| error["pointer"].as_str().map(str::to_owned)).collect();
    ensure!(wanted == said, "{wanted:?} is not {said:?}");
    ensure!(before == all(&system, &called).await?, "something has changed");
    Ok(())
}

async fn within(
    system: Arc<System>,
    operation: Operation,
    pointer: &'static str,
    value: &'static str,
    code: &'static str,
) -> anyhow::Result<()> {
    let own = &World::of(&system).await?.own;
    let called = format!("within{}x", system.number());
    let mut body = operation.body(own, &called);
    let mut at = &mut body;
    for segment in pointer[1..].split('/') {
        at = &mut at[segment];
    }
    *at = serde_json::from_str(value)?;
    send(&system, &operation, &body).await?.expect_wrong(pointer, code)
}

async fn another_channel(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let rules = format!("/v1/jobs/{}/notification-rules", world.own.job);
    let send = async |channel: &str| {
        let rule = json!({ "channel_id": channel, "event": "on_success" });
        system.ask_in(&world.attacker.workspace, &world.attacker.token, ("POST", &rules), &rule).await
    };
    let never = send(&Things::absent().channel).await?;
    never.expect_wrong("/channel_id", "channel_unknown")?;
    let theirs = send(&world.theirs.channel).await?;
    ensure!(theirs.timeless() == never.timeless(), "{} is not {}", theirs.text(), never.text());
    world.is_as_before(&system).await
}

/// By name there is no way to it: each workspace has names of its own.
async fn another_secret(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let token = &world.attacker.token;
    for header in ["secret://{}", "Bearer secret://{}"] {
        let header = header.replace("{}", &world.theirs.secret);
        let job = once(json!({ "url": "https://siege.example/", "headers": { "x-key": header } }));
        let made = system.ask_as(token, "POST", "/v1/jobs", &job).await?.expect(201)?;
        ensure!(made["warnings"][0].as_str().is_some_and(|warning| warning.contains("no secret")), "{made}");
        let run = format!("/v1/executions/{}", text(&made["execution_id"])?);
        let mut seen = Value::Null;
        crate::system::until(std::time::Duration::from_secs(20), async || {
            let reply = system.ask_as(token, "GET", &run, &Value::Null).await;
            seen = reply.map(|reply| reply.json()).unwrap_or_default();
            !seen["finished_at"].is_null()
        })
        .await?;
        ensure!(seen["error_class"] == "secret_missing", "{seen}");
    }
    world.is_as_before(&system).await
}

async fn another_secret_imported(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let import = json!({ "crontab": "0 0 1 1 * https://siege.example/imported", "state": "draft",
        "request": { "headers": { "x-key": format!("secret://{}", world.theirs.secret) } } });
    let made = system.ask_as(&world.attacker.token, "POST", "/v1/jobs/import", &import).await?.expect(201)?;
    ensure!(made["warnings"][0].as_str().is_some_and(|warning| warning.contains("no secret")), "{made}");
    world.is_as_before(&system).await
}

async fn another_invitation(system: Arc<System>) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    let guest = json!({ "email": "guest.tenants@example.com", "role": "admin" });
    let invited = ("POST", "/v1/members");
    let invited = system.ask_in(&world.club, &world.victim.session, invited, &guest).await?.expect(201)?;
    let thief = json!({ "email": "thief.tenants@example.com", "password": PASSWORD, "invitation": invited["invitation"] });
    let reply = system.ask_as("", "POST", "/v1/auth/signup", &thief).await?;
    reply.expect_wrong("/invitation", "invitation_unknown")?;
    let sql = system.sql().await?;
    let thieves = sql.query_one("select count(*) from users where email like 'thief.tenants%'", &[]).await?;
    ensure!(thieves.get::<_, i64>(0) == 0, "somebody has signed up");
    Ok(())
}

/// The same key in two workspaces is two keys.
async fn another_key(system: Arc<System>, path: &str) -> anyhow::Result<()> {
    let world = World::of(&system).await?;
    // The victim's own workspace stays as it is: the board is theirs as well.
    let (ask, token) = (("POST", "/v1/tokens"), json!({ "name": "keys" }));
    let made = system.ask_in(&world.board, &world.victim.session, ask, &token).await?.expect(201)?;
    let key = format!("key-{}", system.number());
    let send = async |token: &str, name: &str| {
        let body = if path.ends_with("import") {
            json!({ "crontab": format!("0 0 1 1 * https://siege.example/{name}"), "state": "draft" })
        } else {
            json!({ "name": name, "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "draft",
                "request": { "url": "https://siege.example/" } })
        };
        let headers = [
            format!("authorization: Bearer {token}"),
            format!("idempotency-key: {key}"),
            "content-type: application/json".to_owned(),
        ];
        call(system.api, "POST", path, &headers, body.to_string().as_bytes()).await
    };
    let first = send(&text(&made["token"])?, "of-victim").await?;
    first.expect(201)?;
    let second = send(&world.attacker.token, "of-attacker").await?;
    second.expect(201)?;
    ensure!(second.header("idempotent-replayed").is_none(), "{}", second.head);
    ensure!(
        second.text().contains("of-attacker") && !second.text().contains("of-victim"),
        "{}",
        second.text()
    );
    let id = |reply: &Reply| {
        let json = reply.json();
        json["id"].as_str().or(json["created"][0]["job"]["id"].as_str()).map(str::to_owned)
    };
    ensure!(id(&first).context("no id")? != id(&second).context("no id")?, "it is the same job");
    Ok(())
}
