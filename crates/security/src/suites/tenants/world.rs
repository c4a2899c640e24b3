//! A victim with one of everything, made once, and an attacker with the same.

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::sync::OnceCell;

use crate::{
    system::{System, Tenant, text, until},
    wire::Reply,
};

const VICTIM: &str = "victim.tenants";
const ATTACKER: &str = "attacker.tenants";

/// What has an id or a name in a workspace.
#[derive(Clone, Debug, Default)]
pub struct Things {
    pub job: String,
    pub execution: String,
    pub secret: String,
    pub channel: String,
    pub rule: String,
    pub notification: String,
    pub token: String,
    /// The owner.
    pub member: String,
    pub invitation: String,
}

impl Things {
    /// What never was.
    pub fn absent() -> Self {
        let id = |kind: &str| format!("{kind}_01h455vb4pex5vsknk084sn02q");
        Self {
            job: id("job"),
            execution: id("exe"),
            secret: "never-was".into(),
            channel: id("chn"),
            rule: id("rul"),
            notification: id("ntf"),
            token: id("tok"),
            member: id("usr"),
            invitation: id("inv"),
        }
    }

    /// Nobody is called: the job's header mentions a secret that there is not.
    async fn make(system: &System, of: &Tenant, name: &str) -> anyhow::Result<Self> {
        let make = async |path: &str, body: Value| {
            let made = system.ask_as(&of.token, "POST", path, &body).await?;
            ensure!((200..300).contains(&made.status), "{path}: {} {}", made.status, made.text());
            Ok(made.json())
        };
        let mut things = Self { secret: name.replace('.', "-"), ..Self::default() };
        // Two of everything, so that each list has a second page.
        for number in [1, 2] {
            let secret = if number == 1 { format!("{}-1", things.secret) } else { things.secret.clone() };
            make("/v1/secrets", json!({ "name": secret, "value": name })).await?;
            let token = make("/v1/tokens", json!({ "name": name, "scopes": ["jobs:read"] })).await?;
            let hook = json!({ "name": format!("{name} {number}"), "type": "webhook",
                "config": { "url": "https://siege.example/" } });
            let channel = make("/v1/notification-channels", hook).await?;
            let job = json!({ "name": format!("{name} {number}"), "kind": "cron", "schedule": { "cron": "0 0 1 1 *" },
                "tags": [name], "retry_policy": { "max_attempts": 1 }, "request": { "url": "https://siege.example/",
                "headers": { "x-key": format!("secret://{secret}"), "x-other": "secret://never-was" } } });
            let job = make("/v1/jobs", job).await?;
            (things.token, things.channel, things.job) =
                (text(&token["id"])?, text(&channel["id"])?, text(&job["id"])?);
            let rules = format!("/v1/jobs/{}/notification-rules", things.job);
            let rule = make(&rules, json!({ "channel_id": things.channel, "event": "on_failure" })).await?;
            things.rule = text(&rule["id"])?;
        }
        for _ in [1, 2] {
            let run = make(&format!("/v1/jobs/{}/run-now", things.job), Value::Null).await?;
            things.execution = text(&run["id"])?;
        }
        let notifications = format!("/v1/notifications?job_id={}", things.job);
        let mut told = Value::Null;
        until(Duration::from_secs(20), async || {
            let reply = system.ask_as(&of.token, "GET", &notifications, &Value::Null).await;
            told = reply.map(|reply| reply.json()["data"].clone()).unwrap_or_default();
            told.as_array().is_some_and(|told| told.len() == 2)
        })
        .await
        .context("nothing is told of the two that failed")?;
        things.notification = text(&told[0]["id"])?;
        let me = system.ask_as(&of.session, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
        things.member = text(&me["user"]["id"])?;
        let guest = json!({ "email": format!("{name}.invited@example.com") });
        things.invitation = text(&make("/v1/members", guest).await?["id"])?;
        Ok(things)
    }
}

pub struct World {
    pub victim: Tenant,
    pub attacker: Tenant,
    pub theirs: Things,
    pub own: Things,
    /// Workspaces of the victim's in which the attacker is a member, and an admin.
    pub club: String,
    pub board: String,
    /// All that the victim has.
    before: Value,
}

static WORLD: OnceCell<World> = OnceCell::const_new();

impl World {
    pub async fn of(system: &System) -> anyhow::Result<&'static Self> {
        WORLD.get_or_try_init(|| Self::make(system)).await
    }

    async fn make(system: &System) -> anyhow::Result<Self> {
        let (victim, attacker) = (system.sign_up(VICTIM).await?, system.sign_up(ATTACKER).await?);
        let theirs = Things::make(system, &victim, VICTIM).await?;
        let own = Things::make(system, &attacker, ATTACKER).await?;
        let place = async |role: &str| {
            let place = json!({ "name": format!("{VICTIM} {role}") });
            let place =
                system.ask_as(&victim.session, "POST", "/v1/workspaces", &place).await?.expect(201)?;
            let place = text(&place["id"])?;
            system.join((&place, &victim.session), &attacker, role).await?;
            anyhow::Ok(place)
        };
        let (club, board) = (place("member").await?, place("admin").await?);
        let mut world = Self { victim, attacker, theirs, own, club, board, before: Value::Null };
        world.before = world.now(system).await?;
        Ok(world)
    }

    /// All that the victim has, as the victim sees it, without what time changes.
    async fn now(&self, system: &System) -> anyhow::Result<Value> {
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
            let mut answer =
                system.ask_as(&self.victim.token, "GET", path, &Value::Null).await?.expect(200)?;
            for one in answer["data"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                one.remove("last_used_at");
                if path == "/v1/notifications" {
                    one.retain(|name, _| name.ends_with("id"));
                }
            }
            seen.insert(path.to_owned(), answer);
        }
        Ok(Value::Object(seen))
    }

    /// The victim has what they had.
    pub async fn is_as_before(&self, system: &System) -> anyhow::Result<()> {
        let now = self.now(system).await?;
        for (path, before) in self.before.as_object().into_iter().flatten() {
            ensure!(now[path] == *before, "{path} was {before}, and is {}", now[path]);
        }
        Ok(())
    }

    /// An answer that says nothing of the victim.
    pub fn is_not_in(&self, reply: &Reply) -> anyhow::Result<()> {
        let Things { job, execution, secret, channel, rule, notification, token, member, invitation } =
            &self.theirs;
        let said = format!("{}\n{}", reply.head, reply.text());
        for word in [
            job,
            execution,
            secret,
            channel,
            rule,
            notification,
            token,
            member,
            invitation,
            &self.victim.workspace,
        ] {
            ensure!(!said.contains(word.as_str()), "it says {word}: {said}");
        }
        ensure!(!said.contains(VICTIM), "it says {VICTIM}: {said}");
        Ok(())
    }
}
