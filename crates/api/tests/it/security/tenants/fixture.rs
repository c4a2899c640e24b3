//! A victim and an attacker, each with two of everything.

use anyhow::ensure;
use serde_json::{Map, Value, json};
use trigrun_testkit::raw_http::RawResponse;

use crate::{
    executions::{attempt, failed},
    security::system::{System, Tenant, text},
};

const VICTIM: &str = "victim.tenants";
const ATTACKER: &str = "attacker.tenants";

/// The ids and names of what is in a workspace.
#[derive(Clone, Debug, Default)]
pub struct Things {
    pub job: String,
    pub execution: String,
    pub test: String,
    pub secret: String,
    pub channel: String,
    pub rule: String,
    pub workspace_rule: String,
    pub notification: String,
    pub token: String,
    /// The owner's.
    pub session: String,
    /// The owner.
    pub member: String,
    pub invitation: String,
}

impl Things {
    /// Ids that were never assigned.
    pub fn absent() -> Self {
        let id = |kind: &str| format!("{kind}_01h455vb4pex5vsknk084sn02q");
        Self {
            job: id("job"),
            execution: id("exe"),
            test: id("tst"),
            secret: "never-was".into(),
            channel: id("chn"),
            rule: id("rul"),
            workspace_rule: id("rul"),
            notification: id("ntf"),
            token: id("tok"),
            session: id("ses"),
            member: id("usr"),
            invitation: id("inv"),
        }
    }

    async fn create(system: &System, of: &Tenant, name: &str) -> anyhow::Result<Self> {
        let create = async |path: &str, body: Value| {
            let created = system.call_as(&of.token, "POST", path, &body).await?;
            ensure!((200..300).contains(&created.status), "{path}: {} {}", created.status, created.text());
            Ok(created.json())
        };
        let mut things = Self { secret: name.replace('.', "-"), ..Self::default() };
        // Two of everything, so that each list has a second page.
        for number in [1, 2] {
            let secret = if number == 1 { format!("{}-1", things.secret) } else { things.secret.clone() };
            create("/v1/secrets", json!({ "name": secret, "value": name })).await?;
            let token = create("/v1/tokens", json!({ "name": name, "scopes": ["jobs:read"] })).await?;
            let channel = json!({ "name": format!("{name} {number}"), "type": "webhook",
                "config": { "url": "https://target.example/" } });
            let channel = create("/v1/notification-channels", channel).await?;
            let job = json!({ "name": format!("{name} {number}"), "kind": "cron", "schedule": { "cron": "0 0 1 1 *" },
                "tags": [name], "retry_policy": { "max_attempts": 1 }, "request": { "url": "https://target.example/",
                "headers": { "x-key": format!("secret://{secret}"), "x-other": "secret://never-was" } } });
            let job = create("/v1/jobs", job).await?;
            // A list of versions has more than one.
            let path = format!("/v1/jobs/{}", text(&job["id"])?);
            let change = json!({ "misfire_policy": "skip" });
            system.call_as(&of.token, "PATCH", &path, &change).await?.expect(200)?;
            (things.token, things.channel, things.job) =
                (text(&token["id"])?, text(&channel["id"])?, text(&job["id"])?);
            let rules = format!("/v1/jobs/{}/notification-rules", things.job);
            let rule = create(&rules, json!({ "channel_id": things.channel, "event": "on_failure" })).await?;
            things.rule = text(&rule["id"])?;
            let rule = json!({ "channel_id": things.channel, "event": "on_recovery", "selector": "tag", "value": name });
            things.workspace_rule = text(&create("/v1/notification-rules", rule).await?["id"])?;
        }
        for _ in [1, 2] {
            let run = create(&format!("/v1/jobs/{}/run-now", things.job), Value::Null).await?;
            things.execution = text(&run["id"])?;
            let (outcome, next) = failed();
            attempt(&system.app, &things.execution, outcome, next).await;
        }
        let test = create("/v1/tests", json!({ "request": { "url": "https://target.example/" } })).await?;
        things.test = text(&test["id"])?;
        let notifications = format!("/v1/notifications?job_id={}", things.job);
        let notifications =
            system.call_as(&of.token, "GET", &notifications, &Value::Null).await?.expect(200)?;
        ensure!(notifications["data"].as_array().map(Vec::len) == Some(2), "{notifications}");
        things.notification = text(&notifications["data"][0]["id"])?;
        let me = system.call_as(&of.session, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
        things.member = text(&me["user"]["id"])?;
        let sessions = system.call_as(&of.session, "GET", "/v1/sessions", &Value::Null).await?.expect(200)?;
        things.session = text(&sessions["data"][0]["id"])?;
        let guest = json!({ "email": format!("{name}.invited@example.com") });
        things.invitation = text(&create("/v1/members", guest).await?["id"])?;
        Ok(things)
    }
}

pub struct World {
    pub victim: Tenant,
    pub attacker: Tenant,
    pub theirs: Things,
    pub own: Things,
    /// A workspace of the victim's in which the attacker is a member.
    pub as_member: String,
    /// A workspace of the victim's in which the attacker is an admin.
    pub as_admin: String,
    /// Everything that the victim has.
    before: Value,
}

impl World {
    pub async fn of(system: &System) -> anyhow::Result<&Self> {
        system.world.get_or_try_init(|| Self::create(system)).await
    }

    async fn create(system: &System) -> anyhow::Result<Self> {
        let (victim, attacker) = (system.sign_up(VICTIM).await?, system.sign_up(ATTACKER).await?);
        let theirs = Things::create(system, &victim, VICTIM).await?;
        let own = Things::create(system, &attacker, ATTACKER).await?;
        let workspace = async |role: &str| {
            let body = json!({ "name": format!("{VICTIM} {role}") });
            let created =
                system.call_as(&victim.session, "POST", "/v1/workspaces", &body).await?.expect(201)?;
            let workspace = text(&created["id"])?;
            system.join((&workspace, &victim.session), &attacker, role).await?;
            anyhow::Ok(workspace)
        };
        let (as_member, as_admin) = (workspace("member").await?, workspace("admin").await?);
        let mut world = Self { victim, attacker, theirs, own, as_member, as_admin, before: Value::Null };
        world.before = world.snapshot(system).await?;
        Ok(world)
    }

    /// Everything that the victim has, without what changes by itself.
    async fn snapshot(&self, system: &System) -> anyhow::Result<Value> {
        let Things { job, execution, secret, channel, .. } = &self.theirs;
        let mut seen = Map::new();
        for path in [
            "/v1/jobs",
            &format!("/v1/jobs/{job}"),
            &format!("/v1/jobs/{job}/notification-rules"),
            "/v1/executions",
            &format!("/v1/executions/{execution}"),
            "/v1/secrets",
            &format!("/v1/secrets/{secret}"),
            "/v1/notification-channels",
            &format!("/v1/notification-channels/{channel}"),
            "/v1/notifications",
            "/v1/tokens",
            "/v1/members",
            "/v1/invitations",
            "/v1/workspace",
            "/v1/workspace/signing-secret",
        ] {
            let mut response =
                system.call_as(&self.victim.token, "GET", path, &Value::Null).await?.expect(200)?;
            for item in response["data"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
            {
                item.remove("last_used_at");
                if path == "/v1/notifications" {
                    item.retain(|name, _| name.ends_with("id"));
                }
            }
            seen.insert(path.to_owned(), response);
        }
        Ok(Value::Object(seen))
    }

    /// What the victim has is unchanged.
    pub async fn is_unchanged(&self, system: &System) -> anyhow::Result<()> {
        let after = self.snapshot(system).await?;
        for (path, before) in self.before.as_object().into_iter().flatten() {
            ensure!(after[path] == *before, "{path} was {before}, and is {}", after[path]);
        }
        Ok(())
    }

    /// The response contains no id or name of the victim's.
    pub fn is_not_in(&self, response: &RawResponse) -> anyhow::Result<()> {
        let Things {
            job,
            execution,
            test,
            secret,
            channel,
            rule,
            workspace_rule,
            notification,
            token,
            session,
            member,
            invitation,
        } = &self.theirs;
        let text = format!("{}\n{}", response.head, response.text());
        for word in [
            job,
            execution,
            test,
            secret,
            channel,
            rule,
            workspace_rule,
            notification,
            token,
            session,
            member,
            invitation,
            &self.victim.workspace,
        ] {
            ensure!(!text.contains(word.as_str()), "it contains {word}: {text}");
        }
        ensure!(!text.contains(VICTIM), "it contains {VICTIM}: {text}");
        Ok(())
    }
}
