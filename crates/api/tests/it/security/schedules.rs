//! Suite M: invalid schedules, at each entry point that takes one.

mod values;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use trigrun_testkit::raw_http::RawResponse;

use super::{
    case::{Attempt, Case, Suite},
    system::{System, text},
};
use values::{CRONS, INSTANTS, INTERVALS, KINDS, OTHER_KINDS, PREVIEWS, SHAPES, VALID, ZONES};

const REQUEST: &str = r#""request": {"url": "https://target.example/"}"#;

/// A kind, a schedule as JSON, and the only error.
#[derive(Clone)]
struct Invalid {
    kind: String,
    schedule: String,
    pointer: String,
    code: &'static str,
}

pub fn suite() -> Suite {
    let crontabs = CRONS.iter().filter(|(cron, _)| values::fits_a_crontab(cron));
    let crontabs = crontabs.map(|(cron, code)| {
        Case::new(format!("a crontab: {cron:?}"), move |system| import(system, cron, code))
    });
    let previews = PREVIEWS.iter().map(|(fields, pointer, code)| {
        Case::new(format!("a preview with {fields}"), move |system| async move {
            let body = format!(r#"{{"kind": "cron", "schedule": {{"cron": "0 0 1 1 *"}}, {fields}}}"#);
            send(&system, "POST", "/v1/schedules/preview", body).await?.expect_invalid(pointer, code)
        })
    });
    let valid = VALID.iter().map(|(kind, schedule)| {
        Case::new(format!("valid: {kind} with {schedule}"), move |system| is_accepted(system, kind, schedule))
    });
    let invalid = invalid().into_iter().flat_map(|(name, invalid)| at_each_entry_point(&name, &invalid));
    Suite { letter: 'M', cases: invalid.chain(crontabs).chain(previews).chain(valid).collect() }
}

fn invalid() -> Vec<(String, Invalid)> {
    let mut all = Vec::new();
    let mut add = |name: String, kind: &str, schedule: String, pointer: &str, code: &'static str| {
        all.push((name, Invalid { kind: kind.to_owned(), schedule, pointer: pointer.to_owned(), code }));
    };
    for (cron, code) in CRONS {
        add(format!("cron {cron:?}"), "cron", json!({ "cron": cron }).to_string(), "/schedule/cron", code);
    }
    for (name, cron) in values::long_crons() {
        let schedule = json!({ "cron": cron }).to_string();
        add(format!("a cron {name}"), "cron", schedule, "/schedule/cron", "cron_too_long");
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
    for (kind, schedule, pointer, code) in OTHER_KINDS.iter().chain(SHAPES) {
        add(format!("{kind} with {schedule}"), kind, (*schedule).to_owned(), pointer, code);
    }
    for (kind, code) in KINDS {
        add(format!("the kind {kind}"), kind, "{}".to_owned(), "/kind", code);
    }
    all
}

type EntryPoint = fn(Arc<System>, Invalid) -> Attempt;

fn at_each_entry_point(name: &str, invalid: &Invalid) -> Vec<Case> {
    let short: String = name.chars().take(60).collect();
    let entry_points: [(&str, EntryPoint); 3] = [
        ("a job", |system, invalid| Box::pin(create(system, invalid))),
        ("a patch", |system, invalid| Box::pin(patch(system, invalid))),
        ("a preview", |system, invalid| Box::pin(preview(system, invalid))),
    ];
    // A patch of the kind is about the other fields, too.
    let is_possible = |entry_point: &str| entry_point != "a patch" || invalid.pointer != "/kind";
    let entry_points = entry_points.into_iter().filter(|(name, _)| is_possible(name));
    entry_points
        .map(|(entry_point, attempt)| {
            let invalid = invalid.clone();
            Case::new(format!("{entry_point}: {short}"), move |system| attempt(system, invalid.clone()))
        })
        .collect()
}

async fn send(system: &System, method: &str, path: &str, body: String) -> anyhow::Result<RawResponse> {
    system.send(&system.tenant().token, method, path, body.as_bytes()).await
}

/// The kind as it is if it is JSON, else as a string.
fn as_json(kind: &str) -> String {
    if serde_json::from_str::<Value>(kind).is_ok() { kind.to_owned() } else { json!(kind).to_string() }
}

async fn create(system: Arc<System>, invalid: Invalid) -> anyhow::Result<()> {
    let name = format!("invalid-{}-x", system.number());
    let Invalid { kind, schedule, pointer, code } = invalid;
    let kind = as_json(&kind);
    let body = format!(r#"{{"name": "{name}", "kind": {kind}, "schedule": {schedule}, {REQUEST}}}"#);
    send(&system, "POST", "/v1/jobs", body).await?.expect_invalid(&pointer, code)?;
    let created = system.call("GET", &format!("/v1/jobs?q={name}"), &Value::Null).await?.expect(200)?;
    ensure!(created["data"] == json!([]), "it was created: {created}");
    Ok(())
}

/// Jobs to be changed, by kind.
pub type Jobs = BTreeMap<&'static str, String>;

async fn jobs(system: &System) -> anyhow::Result<&Jobs> {
    let create = async || {
        let mut jobs = Jobs::new();
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
            let created = send(system, "POST", "/v1/jobs", body).await?.expect(201)?;
            jobs.insert(kind, text(&created["id"])?);
        }
        anyhow::Ok(jobs)
    };
    system.jobs.get_or_try_init(create).await
}

async fn patch(system: Arc<System>, invalid: Invalid) -> anyhow::Result<()> {
    let Invalid { kind, schedule, pointer, code } = invalid;
    let id = jobs(&system).await?.get(&*kind).context("no job of this kind")?;
    let path = format!("/v1/jobs/{id}");
    let body = format!(r#"{{"schedule": {schedule}}}"#);
    send(&system, "PATCH", &path, body).await?.expect_invalid(&pointer, code)?;
    let after = system.call("GET", &path, &Value::Null).await?.expect(200)?;
    ensure!(after["version"] == 1 && after["kind"] == *kind, "it was changed: {after}");
    Ok(())
}

async fn preview(system: Arc<System>, invalid: Invalid) -> anyhow::Result<()> {
    let Invalid { kind, schedule, pointer, code } = invalid;
    let body = format!(r#"{{"kind": {}, "schedule": {schedule}}}"#, as_json(&kind));
    send(&system, "POST", "/v1/schedules/preview", body).await?.expect_invalid(&pointer, code)
}

/// The line gets an error and the next one becomes a job; with `atomic`, neither does.
async fn import(system: Arc<System>, cron: &str, code: &str) -> anyhow::Result<()> {
    let url = format!("https://target.example/{}", system.number());
    let crontab = format!("# a comment\n{cron} {url}/invalid\n0 0 1 1 * {url}/valid\n");
    let body = json!({ "crontab": crontab, "state": "draft" });
    let imported = system.call("POST", "/v1/jobs/import", &body).await?.expect(201)?;
    let errors = imported["errors"].as_array().context("no errors")?;
    ensure!(errors.len() == 1 && errors[0]["line"] == 2 && errors[0]["code"] == code, "{imported}");
    let created = imported["created"].as_array().context("nothing was created")?;
    ensure!(created.len() == 1 && created[0]["line"] == 3, "{imported}");
    let body = json!({ "crontab": crontab, "state": "draft", "atomic": true });
    system.call("POST", "/v1/jobs/import", &body).await?.expect_invalid("/crontab/2", code)
}

/// Shows that not everything is refused.
async fn is_accepted(system: Arc<System>, kind: &str, schedule: &str) -> anyhow::Result<()> {
    let body = format!(
        r#"{{"name": "valid", "kind": "{kind}", "schedule": {schedule}, "state": "draft", {REQUEST}}}"#
    );
    let created = send(&system, "POST", "/v1/jobs", body).await?.expect(201)?;
    ensure!(created["kind"] == kind, "{created}");
    let body = format!(r#"{{"kind": "{kind}", "schedule": {schedule}}}"#);
    send(&system, "POST", "/v1/schedules/preview", body).await?.expect(200)?;
    Ok(())
}
