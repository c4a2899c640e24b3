//! Family M: schedules that are none, at each door that takes one.

mod words;

use anyhow::{Context, ensure};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::OnceCell;

use crate::{
    case::{Case, Family},
    system::{System, text},
    wire::Reply,
};
use words::{CRONS, INSTANTS, INTERVALS, KINDS, MIXED, PREVIEWS, RIGHT, SHAPES, ZONES};

const REQUEST: &str = r#""request": {"url": "https://siege.example/"}"#;

/// A kind, a schedule as JSON, and the one thing that is wrong.
#[derive(Clone)]
struct Wrong {
    kind: String,
    schedule: String,
    pointer: String,
    code: &'static str,
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, kind: &str, schedule: String, pointer: &str, code: &'static str| {
        let wrong = Wrong { kind: kind.to_owned(), schedule, pointer: pointer.to_owned(), code };
        let short: String = name.chars().take(60).collect();
        for (door, attempt) in [("a job", job as Door), ("a patch", patch), ("a preview", preview)] {
            // A patch of the kind is about the other fields, too.
            if door == "a patch" && pointer == "/kind" {
                continue;
            }
            let wrong = wrong.clone();
            cases.push(Case::asks(Family::Schedules, format!("{door}: {short}"), move |system| {
                attempt(system, wrong.clone())
            }));
        }
    };
    for (cron, code) in CRONS {
        add(format!("cron {cron:?}"), "cron", json!({ "cron": cron }).to_string(), "/schedule/cron", code);
    }
    for (name, cron) in words::long_crons() {
        add(
            format!("a cron {name}"),
            "cron",
            json!({ "cron": cron }).to_string(),
            "/schedule/cron",
            "cron_too_long",
        );
    }
    for zone in ZONES.iter().map(|zone| (*zone).to_owned()).chain(["a".repeat(10_240)]) {
        let schedule = json!({ "cron": "0 0 1 1 *", "timezone": zone });
        add(format!("zone {zone:?}"), "cron", schedule.to_string(), "/schedule/timezone", "timezone_unknown");
    }
    for (minutes, code) in INTERVALS {
        let schedule = format!(r#"{{"every_n_minutes": {minutes}}}"#);
        add(format!("every {minutes} minutes"), "recurring", schedule, "/schedule/every_n_minutes", code);
    }
    for (run_at, code) in INSTANTS {
        let schedule = format!(r#"{{"run_at": {run_at}}}"#);
        add(format!("at {run_at}"), "scheduled", schedule, "/schedule/run_at", code);
    }
    for (kind, schedule, pointer, code) in MIXED.iter().chain(SHAPES) {
        add(format!("{kind} with {schedule}"), kind, (*schedule).to_owned(), pointer, code);
    }
    for (kind, code) in KINDS {
        let name = format!("the kind {kind}");
        add(name, kind, "{}".to_owned(), "/kind", code);
    }
    for (cron, code) in CRONS.iter().filter(|(cron, _)| words::fits_a_crontab(cron)) {
        cases.push(Case::asks(Family::Schedules, format!("a crontab: {cron:?}"), move |system| {
            import(system, cron, code)
        }));
    }
    for (fields, pointer, code) in PREVIEWS {
        cases.push(Case::asks(
            Family::Schedules,
            format!("a preview with {fields}"),
            move |system| async move {
                let body = format!(r#"{{"kind": "cron", "schedule": {{"cron": "0 0 1 1 *"}}, {fields}}}"#);
                let reply =
                    system.send(&system.tenant().token, "POST", "/v1/schedules/preview", body.as_bytes());
                reply.await?.expect_wrong(pointer, code)
            },
        ));
    }
    for (kind, schedule) in RIGHT {
        cases.push(Case::asks(
            Family::Schedules,
            format!("what is right: {kind} with {schedule}"),
            move |system| right(system, kind, schedule),
        ));
    }
    cases
}

type Tried = LocalBoxFuture<'static, anyhow::Result<()>>;
type Door = fn(Arc<System>, Wrong) -> Tried;

async fn send(system: &System, method: &str, path: &str, body: String) -> anyhow::Result<Reply> {
    system.send(&system.tenant().token, method, path, body.as_bytes()).await
}

/// JSON as it is, or a word.
fn in_json(kind: &str) -> String {
    if serde_json::from_str::<Value>(kind).is_ok() { kind.to_owned() } else { json!(kind).to_string() }
}

fn job(system: Arc<System>, wrong: Wrong) -> Tried {
    Box::pin(async move {
        let name = format!("none-{}-x", system.number());
        let Wrong { kind, schedule, pointer, code } = wrong;
        let kind = in_json(&kind);
        let body = format!(r#"{{"name": "{name}", "kind": {kind}, "schedule": {schedule}, {REQUEST}}}"#);
        send(&system, "POST", "/v1/jobs", body).await?.expect_wrong(&pointer, code)?;
        let made = system.ask("GET", &format!("/v1/jobs?q={name}"), &Value::Null).await?.expect(200)?;
        ensure!(made["data"] == json!([]), "it was made: {made}");
        Ok(())
    })
}

/// Jobs of each kind, by kind, to be changed.
static JOBS: OnceCell<BTreeMap<&str, String>> = OnceCell::const_new();

async fn jobs(system: &System) -> anyhow::Result<&'static BTreeMap<&'static str, String>> {
    let make = async || {
        let mut jobs = BTreeMap::new();
        for (kind, schedule) in [
            ("cron", r#"{"cron": "0 0 1 1 *"}"#),
            ("recurring", r#"{"every_n_minutes": 1440}"#),
            ("scheduled", r#"{"run_at": "2999-01-01T00:00:00Z"}"#),
            ("one_time", "null"),
        ] {
            let state = if kind == "one_time" { "draft" } else { "active" };
            let body = format!(
                r#"{{"name": "changed", "kind": "{kind}", "schedule": {schedule}, "state": "{state}", {REQUEST}}}"#
            );
            let made = send(system, "POST", "/v1/jobs", body).await?.expect(201)?;
            jobs.insert(kind, text(&made["id"])?);
        }
        anyhow::Ok(jobs)
    };
    JOBS.get_or_try_init(make).await
}

fn patch(system: Arc<System>, wrong: Wrong) -> Tried {
    Box::pin(async move {
        let Wrong { kind, schedule, pointer, code } = wrong;
        let id = jobs(&system).await?.get(&*kind).context("no job of this kind")?;
        let path = format!("/v1/jobs/{id}");
        let body = format!(r#"{{"schedule": {schedule}}}"#);
        send(&system, "PATCH", &path, body).await?.expect_wrong(&pointer, code)?;
        let now = system.ask("GET", &path, &Value::Null).await?.expect(200)?;
        ensure!(now["version"] == 1 && now["kind"] == *kind, "it was changed: {now}");
        Ok(())
    })
}

fn preview(system: Arc<System>, wrong: Wrong) -> Tried {
    Box::pin(async move {
        let Wrong { kind, schedule, pointer, code } = wrong;
        let body = format!(r#"{{"kind": {}, "schedule": {schedule}}}"#, in_json(&kind));
        send(&system, "POST", "/v1/schedules/preview", body).await?.expect_wrong(&pointer, code)
    })
}

/// The line is reported, and the next is a job all the same; with `atomic`, nothing is.
async fn import(system: Arc<System>, cron: &str, code: &str) -> anyhow::Result<()> {
    let url = format!("https://siege.example/{}", system.number());
    let crontab = format!("# a comment\n{cron} {url}/wrong\n0 0 1 1 * {url}/right\n");
    let body = json!({ "crontab": crontab, "state": "draft" });
    let made = system.ask("POST", "/v1/jobs/import", &body).await?.expect(201)?;
    let errors = made["errors"].as_array().context("no errors")?;
    ensure!(errors.len() == 1 && errors[0]["line"] == 2 && errors[0]["code"] == code, "{made}");
    let created = made["created"].as_array().context("nothing was created")?;
    ensure!(created.len() == 1 && created[0]["line"] == 3, "{made}");
    let body = json!({ "crontab": crontab, "state": "draft", "atomic": true });
    system.ask("POST", "/v1/jobs/import", &body).await?.expect_wrong("/crontab/2", code)
}

/// Not everything is refused.
async fn right(system: Arc<System>, kind: &str, schedule: &str) -> anyhow::Result<()> {
    let body = format!(
        r#"{{"name": "right", "kind": "{kind}", "schedule": {schedule}, "state": "draft", {REQUEST}}}"#
    );
    let made = send(&system, "POST", "/v1/jobs", body).await?.expect(201)?;
    ensure!(made["kind"] == kind, "{made}");
    let body = format!(r#"{{"kind": "{kind}", "schedule": {schedule}}}"#);
    send(&system, "POST", "/v1/schedules/preview", body).await?.expect(200)?;
    Ok(())
}
