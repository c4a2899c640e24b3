//! Family L: requests that are none. Each is refused with a problem that says what is wrong, and nothing of what is inside.

mod bodies;
mod methods;
mod paths;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    case::Case,
    system::{System, Tenant, text},
    wire::{Reply, call},
};

pub fn cases() -> Vec<Case> {
    [bodies::cases(), paths::cases(), methods::cases()].into_iter().flatten().collect()
}

/// Words of the machinery. Not `line` and `column`: of the body that was sent, they may be said.
const INSIDE: [&str; 18] = [
    "panick",
    "diesel",
    "serde",
    "postgres",
    "sql",
    "src/",
    ".rs",
    "backtrace",
    "actix",
    "tokio",
    "unwrap",
    "thread",
    "recursion",
    "surrogate",
    "hex escape",
    "utf8error",
    "EOF",
    "0x",
];

/// Somebody with something to change.
struct Ground {
    of: Tenant,
    job: String,
    channel: String,
    member: String,
}

static GROUND: OnceCell<Ground> = OnceCell::const_new();

async fn ground(system: &System) -> anyhow::Result<&'static Ground> {
    let make = async || {
        let of = system.sign_up("malformed").await?;
        let make =
            async |path: &str, body: Value| system.ask_as(&of.token, "POST", path, &body).await?.expect(201);
        let job = json!({ "name": "malformed", "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "draft",
            "request": { "url": "https://siege.example/" } });
        let job = text(&make("/v1/jobs", job).await?["id"])?;
        let hook =
            json!({ "name": "malformed", "type": "webhook", "config": { "url": "https://siege.example/" } });
        let channel = text(&make("/v1/notification-channels", hook).await?["id"])?;
        make("/v1/secrets", json!({ "name": "malformed", "value": "x" })).await?;
        let me = system.ask_as(&of.session, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
        Ok(Ground { job, channel, member: text(&me["user"]["id"])?, of })
    };
    GROUND.get_or_try_init(make).await
}

impl Ground {
    fn path(&self, path: &str) -> String {
        path.replace("{job}", &self.job).replace("{channel}", &self.channel).replace("{member}", &self.member)
    }

    /// In the name of its owner.
    async fn send(
        &self,
        system: &System,
        (method, path): (&str, &str),
        headers: &[&str],
        body: &[u8],
    ) -> anyhow::Result<Reply> {
        let mut lines = vec![format!("authorization: Bearer {}", self.of.session)];
        lines.extend(headers.iter().map(|header| (*header).to_owned()));
        call(system.api, method, &self.path(path), &lines, body).await
    }
}

/// Refused as every request is: with a problem, all of whose errors say where and what, and nothing from inside.
fn refused(reply: &Reply) -> anyhow::Result<()> {
    let (said, problem) = (reply.text(), reply.json());
    ensure!((400..500).contains(&reply.status), "{} {said}", reply.status);
    ensure!(reply.header("content-type") == Some("application/problem+json"), "{} {said}", reply.head);
    ensure!(
        problem["status"] == reply.status && has_text(&problem["code"]) && has_text(&problem["detail"]),
        "{said}"
    );
    ensure!(problem["request_id"].as_str() == reply.header("x-request-id"), "{said}");
    for error in problem["errors"].as_array().into_iter().flatten() {
        ensure!(
            error["pointer"].is_string() && has_text(&error["code"]) && has_text(&error["detail"]),
            "{error}"
        );
    }
    ensure!(
        reply.status != 422 || problem["errors"].as_array().is_some_and(|errors| !errors.is_empty()),
        "{said}"
    );
    let said = said.to_lowercase();
    for word in INSIDE {
        ensure!(!said.contains(&word.to_lowercase()), "it says {word}: {said}");
    }
    Ok(())
}

fn has_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// Among other things, this is wrong.
fn says(reply: &Reply, pointer: &str, codes: &[&str]) -> anyhow::Result<()> {
    reply.expect_problem(422, "validation_failed")?;
    let problem = reply.json();
    let at = problem["errors"].as_array().into_iter().flatten().find(|error| error["pointer"] == pointer);
    let code = at.and_then(|error| error["code"].as_str()).unwrap_or_default();
    ensure!(codes.contains(&code), "one of {codes:?} at {pointer} was expected, {} came", reply.text());
    Ok(())
}
