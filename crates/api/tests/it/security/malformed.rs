//! Suite L: invalid requests. Each gets a problem that says what is wrong, and nothing about the implementation.

mod bodies;
mod methods;
mod paths;

use anyhow::ensure;
use serde_json::{Value, json};
use trigrun_testkit::raw_http::{RawResponse, request};

use super::{
    case::Suite,
    system::{System, Tenant, text},
};

pub fn suite() -> Suite {
    let cases = [bodies::cases(), paths::cases(), methods::cases()];
    Suite { letter: 'L', cases: cases.into_iter().flatten().collect() }
}

/// Words of the implementation. `line` and `column` may appear: they are those of the body that was sent.
const INTERNAL_WORDS: [&str; 18] = [
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

/// A user with something to change.
pub struct Fixture {
    tenant: Tenant,
    job: String,
    channel: String,
    member: String,
}

async fn fixture(system: &System) -> anyhow::Result<&Fixture> {
    system.malformed.get_or_try_init(|| Fixture::create(system)).await
}

impl Fixture {
    async fn create(system: &System) -> anyhow::Result<Self> {
        let tenant = system.sign_up("malformed").await?;
        let create = async |path: &str, body: Value| {
            system.call_as(&tenant.token, "POST", path, &body).await?.expect(201)
        };
        let job = json!({ "name": "malformed", "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "draft",
            "request": { "url": "https://target.example/" } });
        let job = text(&create("/v1/jobs", job).await?["id"])?;
        let channel =
            json!({ "name": "malformed", "type": "webhook", "config": { "url": "https://target.example/" } });
        let channel = text(&create("/v1/notification-channels", channel).await?["id"])?;
        create("/v1/secrets", json!({ "name": "malformed", "value": "x" })).await?;
        let me = system.call_as(&tenant.session, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
        Ok(Self { job, channel, member: text(&me["user"]["id"])?, tenant })
    }

    /// With the owner's session; `{job}`, `{channel}` and `{member}` in the path are replaced.
    async fn send(
        &self,
        system: &System,
        (method, path): (&str, &str),
        headers: &[&str],
        body: &[u8],
    ) -> anyhow::Result<RawResponse> {
        let path = path
            .replace("{job}", &self.job)
            .replace("{channel}", &self.channel)
            .replace("{member}", &self.member);
        let mut lines = vec![format!("authorization: Bearer {}", self.tenant.session)];
        lines.extend(headers.iter().map(|header| (*header).to_owned()));
        request(system.api, method, &path, &lines, body).await
    }
}

/// A complete problem, whose errors say where and what, without words of the implementation.
fn is_problem(response: &RawResponse) -> anyhow::Result<()> {
    let (text, problem) = (response.text(), response.json());
    ensure!((400..500).contains(&response.status), "{} {text}", response.status);
    ensure!(response.header("content-type") == Some("application/problem+json"), "{} {text}", response.head);
    ensure!(
        problem["status"] == response.status && has_text(&problem["code"]) && has_text(&problem["detail"]),
        "{text}"
    );
    ensure!(problem["request_id"].as_str() == response.header("x-request-id"), "{text}");
    for error in problem["errors"].as_array().into_iter().flatten() {
        ensure!(
            error["pointer"].is_string() && has_text(&error["code"]) && has_text(&error["detail"]),
            "{error}"
        );
    }
    ensure!(
        response.status != 422 || problem["errors"].as_array().is_some_and(|errors| !errors.is_empty()),
        "{text}"
    );
    let text = text.to_lowercase();
    for word in INTERNAL_WORDS {
        ensure!(!text.contains(&word.to_lowercase()), "it contains {word}: {text}");
    }
    Ok(())
}

fn has_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// The error at this pointer has one of these codes. Other errors can only be about missing fields.
fn has_error(response: &RawResponse, pointer: &str, codes: &[&str]) -> anyhow::Result<()> {
    response.expect_problem(422, "validation_failed")?;
    let errors = response.json()["errors"].as_array().cloned().unwrap_or_default();
    let (here, elsewhere): (Vec<&Value>, Vec<&Value>) =
        errors.iter().partition(|error| error["pointer"] == pointer);
    let is_expected = here.len() == 1 && codes.iter().any(|code| here[0]["code"] == *code);
    ensure!(
        is_expected && elsewhere.iter().all(|error| error["code"] == "required"),
        "expected one of {codes:?} at {pointer}, got {}",
        response.text()
    );
    Ok(())
}
