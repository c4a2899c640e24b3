//! QStash of Upstash: `GET /v2/schedules`, or one of them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    builder::Builder,
    command::method,
    fields::{Fields, Node},
    finding::Place,
    output::Output,
};
use crate::domain::invalid::Invalid;

const DEFAULT_RETRIES: i64 = 3;
const OF_THE_SERVICE: [&str; 8] = [
    "createdAt",
    "lastScheduleTime",
    "nextScheduleTime",
    "lastScheduleStates",
    "error",
    "callerIP",
    "notBefore",
    "messageId",
];
const FLOW: [&str; 8] =
    ["flowControlKey", "flowControl", "parallelism", "rate", "ratePerSecond", "period", "queueName", "queue"];
const CALLBACKS: [&str; 4] = ["callback", "failureCallback", "callbackHeaders", "failureCallbackHeaders"];

pub(super) fn read(root: Node<'_>, output: &mut Output<'_>) {
    let detail = "QStash signs requests by Upstash-Signature; TrigRun signs them by Standard Webhooks.";
    let hint = "If the target verifies the signature, let it verify webhook-signature.";
    output.changed(Place::Pointer(String::new()), Invalid::new("signature", detail).hint(hint));
    for node in root.items_in("schedules", &["cursor"], output) {
        let (place, now) = (node.place(), output.options.now);
        let Some(mut fields) = node.fields() else { continue };
        let id = fields.text("scheduleId").unwrap_or_default();
        output.job(place, &id, |job| {
            job.name(&id);
            read_job(&mut fields, now, job)
        });
    }
}

fn read_job(fields: &mut Fields<'_>, now: DateTime<Utc>, job: &mut Builder) -> Result<(), Invalid> {
    let url = fields.required("destination")?;
    if !url.contains("://") || fields.has("urlGroup") {
        let detail = "The destination is a URL group or a service of Upstash. A job calls one URL.";
        return Err(Invalid::new("target_not_http", detail).hint("Make a job for each URL of the group."));
    }
    schedule(&fields.required("cron")?, now, job)?;
    job.url(&url)?;
    job.draft.request.method = method(fields.text("method").as_deref().unwrap_or("POST"))?;
    if fields.flag("isPaused") == Some(true) {
        job.draft.state = Some("paused");
    }
    headers(fields, job)?;
    body(fields, job)?;
    let retries = fields.integer("retries").unwrap_or(DEFAULT_RETRIES);
    job.attempts(fields.part("retries"), u64::try_from(retries).unwrap_or(0).saturating_add(1));
    let part = fields.part("timeout");
    if let Some(seconds) = fields.text("timeout").as_deref().and_then(seconds) {
        job.timeout(part, seconds);
    }
    let part = fields.part("label");
    for label in fields.text("label").into_iter().chain(fields.texts("label").into_iter().flatten()) {
        job.tag(part.clone(), &label);
    }
    lost(fields, job);
    fields.no_meaning(job, &OF_THE_SERVICE, "It is the state of the service.");
    job.warn_of_variables();
    Ok(())
}

/// `CRON_TZ=Europe/Berlin 0 4 * * *`
fn schedule(cron: &str, now: DateTime<Utc>, job: &mut Builder) -> Result<(), Invalid> {
    match cron.strip_prefix("CRON_TZ=").and_then(|rest| rest.split_once(' ')) {
        Some((zone, expression)) => job.cron(expression.trim(), zone, now),
        None => job.cron(cron, "UTC", now),
    }
}

/// `30s`, `5m`
fn seconds(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(['s', 'm', 'h']);
    let unit = match text.chars().last()? {
        'm' => 60.0,
        'h' => 3600.0,
        _ => 1.0,
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    (seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

/// Each header has a list of values.
fn headers(fields: &mut Fields<'_>, job: &mut Builder) -> Result<(), Invalid> {
    for name in ["header", "headers"] {
        let Some(mut headers) = fields.object(name) else { continue };
        for name in headers.names() {
            let values = headers.texts(&name).or_else(|| headers.text(&name).map(|value| vec![value]));
            for value in values.unwrap_or_default() {
                job.header(&name, &value)?;
            }
        }
    }
    Ok(())
}

fn body(fields: &mut Fields<'_>, job: &mut Builder) -> Result<(), Invalid> {
    let encoded = fields.text("bodyBase64").filter(|body| !body.is_empty());
    job.draft.request.body = match encoded {
        Some(body) => {
            let bytes = BASE64_STANDARD.decode(&body).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
                Invalid::new("body_not_text", "The body is not UTF-8 in base64. A job sends texts only.")
            })?;
            Some(text)
        }
        None => fields.text("body").filter(|body| !body.is_empty()),
    };
    Ok(())
}

fn lost(fields: &mut Fields<'_>, job: &mut Builder) {
    let why = Invalid::new("callback", "A job calls no other URL with its result.")
        .hint("Create a notification channel of type webhook, and a rule of the job.");
    fields.lost(job, &CALLBACKS, &why);
    fields.lost(
        job,
        &FLOW,
        &Invalid::new("flow_control", "A job has a limit of concurrent runs, and no rate."),
    );
    let why = Invalid::new("back_off", "TrigRun decides on the pauses between attempts.");
    fields.lost(job, &["retryDelayExpression"], &why);
    // A delay of 0 is none.
    let part = fields.part("delay");
    match fields.take("delay") {
        None => {}
        Some(Value::Number(number)) if number.as_f64() == Some(0.0) => {}
        Some(_) => {
            let detail = "The request is delayed after the time of the schedule; the job is not.";
            job.lost(part, Invalid::new("delay", detail).hint("Move the schedule by this time."));
        }
    }
}
