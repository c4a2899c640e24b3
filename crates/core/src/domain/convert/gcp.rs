//! Cloud Scheduler of Google: `gcloud scheduler jobs list --format=json`, or one job.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};

use super::{
    builder::Builder,
    command::method,
    draft::When,
    fields::{Fields, Node},
    output::Output,
};
use crate::domain::invalid::Invalid;

const DEFAULT_DEADLINE_SECONDS: f64 = 180.0;
const OF_THE_SERVICE: [&str; 5] =
    ["lastAttemptTime", "scheduleTime", "status", "userUpdateTime", "satisfiesPzs"];
const BACK_OFFS: [&str; 4] = ["maxBackoffDuration", "maxDoublings", "maxRetryDuration", "minBackoffDuration"];

pub(super) fn read(root: Node<'_>, output: &mut Output<'_>) {
    for node in root.items_in("jobs", &["nextPageToken"], output) {
        let (place, now) = (node.place(), output.options.now);
        let Some(mut fields) = node.fields() else { continue };
        let name = fields.text("name").unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        output.job(place, name, |job| {
            job.name(name);
            read_job(&mut fields, now, job)
        });
    }
}

fn read_job(fields: &mut Fields<'_>, now: DateTime<Utc>, job: &mut Builder) -> Result<(), Invalid> {
    for target in ["pubsubTarget", "appEngineHttpTarget"] {
        if fields.has(target) {
            let detail = format!("The job has a {target}. A job here calls a URL.");
            return Err(Invalid::new("target_not_http", detail).hint("Give the target a URL, and call that."));
        }
    }
    let zone = fields.text("timeZone").unwrap_or_else(|| "Etc/UTC".to_owned());
    let schedule = fields.required("schedule")?;
    match minutes(&schedule) {
        Some(every_n_minutes) => job.draft.when = When::Recurring { every_n_minutes },
        None if schedule.starts_with("every ") => {
            let detail = "The schedule is in words that have no equal here.";
            return Err(Invalid::new("schedule_english", detail).hint("Write it as a cron expression."));
        }
        None => job.cron(&schedule, &zone, now)?,
    }
    match fields.text("state").as_deref() {
        None | Some("ENABLED" | "UPDATE_FAILED" | "STATE_UNSPECIFIED") => {}
        _ => job.draft.state = Some("paused"),
    }
    let deadline = fields.text("attemptDeadline");
    let seconds = deadline.as_deref().map_or(Some(DEFAULT_DEADLINE_SECONDS), seconds);
    job.timeout(fields.part("attemptDeadline"), seconds.unwrap_or(DEFAULT_DEADLINE_SECONDS));
    // Cloud Scheduler never runs a job twice at once.
    job.draft.never_at_once(None);
    retries(fields, job);
    fields.no_meaning(job, &["description"], "A job has a name, and no description.");
    fields.no_meaning(job, &OF_THE_SERVICE, "It is the state of the service.");
    target(fields, job)
}

/// `every 5 minutes`, `every 2 hours`
fn minutes(schedule: &str) -> Option<u32> {
    let (count, unit) = schedule.strip_prefix("every ")?.trim().split_once(' ')?;
    let count: u32 = count.parse().ok()?;
    let minutes = match unit.trim() {
        "minutes" | "minute" | "mins" | "min" => count,
        "hours" | "hour" => count.checked_mul(60)?,
        _ => return None,
    };
    (1..=1440).contains(&minutes).then_some(minutes)
}

fn seconds(text: &str) -> Option<f64> {
    text.strip_suffix('s')?.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
}

fn retries(fields: &mut Fields<'_>, job: &mut Builder) {
    let Some(mut retries) = fields.object("retryConfig") else { return };
    let count = retries.integer("retryCount").unwrap_or(0);
    job.attempts(retries.part("retryCount"), u64::try_from(count).unwrap_or(0).saturating_add(1));
    if count > 0 {
        let why = Invalid::new("back_off", "TrigRun decides on the pauses between attempts.");
        retries.lost(job, &BACK_OFFS, &why);
    } else {
        retries.no_meaning(job, &BACK_OFFS, "The job is not retried.");
    }
}

fn target(fields: &mut Fields<'_>, job: &mut Builder) -> Result<(), Invalid> {
    let missing = || Invalid::new("field_missing", "The field httpTarget is missing.");
    let mut target = fields.object("httpTarget").ok_or_else(missing)?;
    job.url(&target.required("uri")?)?;
    job.draft.request.method = method(target.text("httpMethod").as_deref().unwrap_or("POST"))?;
    let part = target.part("headers");
    for (name, value) in target.pairs("headers") {
        if name.eq_ignore_ascii_case("user-agent") && value.starts_with("Google-Cloud-Scheduler") {
            job.no_meaning(part.clone(), "The User-Agent is that of Cloud Scheduler.");
        } else {
            job.header(&name, &value)?;
        }
    }
    if let Some(body) = target.text("body") {
        let bytes = BASE64_STANDARD.decode(&body).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
            Invalid::new("body_not_text", "The body is not UTF-8 in base64. A job sends texts only.")
        })?;
        job.draft.request.body = Some(text);
        // What Cloud Scheduler sends if the job does not say.
        job.default_header("Content-Type", "application/octet-stream")?;
    }
    for token in ["oidcToken", "oauthToken"] {
        let part = target.part(token);
        if target.take(token).is_some() {
            let detail = "Google signs a token for each request. TrigRun cannot; so the job is a draft.";
            let hint = "Let the target verify TrigRun's signature, then activate the job.";
            job.lost(part, Invalid::new("google_token", detail).hint(hint));
            job.draft.state = Some("draft");
        }
    }
    job.warn_of_variables();
    Ok(())
}
