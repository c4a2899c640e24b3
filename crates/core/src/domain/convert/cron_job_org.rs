//! cron-job.org: the details of a job as its API returns them, one or several.

use chrono::{DateTime, Utc};
use jiff::{civil, tz::TimeZone};

use super::{
    builder::Builder,
    draft::Status::Range,
    fields::{Fields, Node},
    output::Output,
};
use crate::domain::invalid::Invalid;

/// By the numbers of its API; a job here can have these only.
const METHODS: [(i64, &str); 5] = [(0, "GET"), (1, "POST"), (4, "PUT"), (5, "DELETE"), (8, "PATCH")];
const OF_THE_SERVICE: [&str; 7] =
    ["jobId", "lastStatus", "lastDuration", "lastExecution", "nextExecution", "type", "saveResponses"];
const DEFAULT_TIMEOUT_SECONDS: i64 = 30;

pub(super) fn read(root: Node<'_>, output: &mut Output<'_>) {
    for node in root.items_in("jobs", &["someFailed"], output) {
        let (place, now) = (node.place(), output.options.now);
        let Some(mut outer) = node.fields() else { continue };
        if outer.has("jobDetails") {
            let Some(mut fields) = outer.object("jobDetails") else { continue };
            one(&mut fields, now, output);
        } else if outer.has("url") || outer.has("schedule") {
            one(&mut outer, now, output);
        } else {
            output.refuse(place, Invalid::new("field_missing", "This is not a job of cron-job.org."));
        }
    }
}

fn one(fields: &mut Fields<'_>, now: DateTime<Utc>, output: &mut Output<'_>) {
    let title = fields.text("title").unwrap_or_default();
    output.job(fields.place(), &title, |job| {
        job.name(&title);
        read_job(fields, now, job)
    });
}

fn read_job(fields: &mut Fields<'_>, now: DateTime<Utc>, job: &mut Builder) -> Result<(), Invalid> {
    if !fields.has("extendedData") {
        let detail = "This is an entry of a list, without the headers and the body of the job.";
        return Err(
            Invalid::new("list_only", detail).hint("Fetch each job by GET /jobs/JOBID, and send that.")
        );
    }
    if fields.flag("enabled") == Some(false) {
        job.draft.state = Some("paused");
    }
    schedule(fields, now, job)?;
    request(fields, job)?;
    let part = fields.part("requestTimeout");
    let timeout = fields.integer("requestTimeout").filter(|seconds| *seconds > 0);
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    job.timeout(part, timeout.unwrap_or(DEFAULT_TIMEOUT_SECONDS) as f64);
    if fields.flag("redirectSuccess") == Some(true) {
        job.draft.request.success_statuses.push(Range("3xx"));
    }
    notifications(fields, job);
    fields.no_meaning(job, &OF_THE_SERVICE, "It is the state of the service, or how it keeps responses.");
    let part = fields.part("folderId");
    if fields.integer("folderId").is_some_and(|folder| folder != 0) {
        let detail = "The job is in a folder; jobs here have tags.";
        job.lost(part, Invalid::new("folder", detail).hint("Give the job a tag."));
    }
    Ok(())
}

fn schedule(fields: &mut Fields<'_>, now: DateTime<Utc>, job: &mut Builder) -> Result<(), Invalid> {
    let missing = |name: &str| Invalid::new("field_missing", format!("The field {name} is missing."));
    let mut schedule = fields.object("schedule").ok_or_else(|| missing("schedule"))?;
    let zone = schedule.text("timezone").unwrap_or_else(|| "UTC".to_owned());
    let mut expression = Vec::new();
    for (name, first, last) in
        [("minutes", 0, 59), ("hours", 0, 23), ("mdays", 1, 31), ("months", 1, 12), ("wdays", 0, 6)]
    {
        let values = schedule.integers(name).ok_or_else(|| missing(name))?;
        expression.push(field(values, first, last).ok_or_else(|| {
            let detail = format!("{name} is not a list of numbers from {first} to {last}, or of -1 alone.");
            Invalid::new("schedule_invalid", detail)
        })?);
    }
    job.cron(&expression.join(" "), &zone, now)?;
    let part = schedule.part("expiresAt");
    if let Some(expires) = schedule.integer("expiresAt").filter(|expires| *expires != 0) {
        if has_passed(expires, &zone, now) {
            job.draft.state = Some("paused");
            let detail = "The job has expired; it comes paused.";
            job.changed(part, Invalid::new("expired", detail));
        } else {
            let detail = "The job expires at a date; a job here runs until it is paused.";
            job.lost(part, Invalid::new("expires", detail).hint("Pause the job at that date."));
        }
    }
    Ok(())
}

/// `[-1]` is every value. Three and more in a row are a range.
fn field(mut values: Vec<i64>, first: i64, last: i64) -> Option<String> {
    if values == [-1] {
        return Some("*".to_owned());
    }
    values.sort_unstable();
    values.dedup();
    if values.is_empty() || !values.iter().all(|value| (first..=last).contains(value)) {
        return None;
    }
    let mut parts = Vec::new();
    for row in values.chunk_by(|a, b| a + 1 == *b) {
        match row {
            [from, _, .., to] => parts.push(format!("{from}-{to}")),
            few => parts.extend(few.iter().map(i64::to_string)),
        }
    }
    Some(parts.join(","))
}

/// The date is a number of the form `YYYYMMDDhhmmss`, in the zone of the job.
fn has_passed(date: i64, zone: &str, now: DateTime<Utc>) -> bool {
    let text = date.to_string();
    let Ok(at) = civil::DateTime::strptime("%Y%m%d%H%M%S", &text) else { return false };
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    zone.to_timestamp(at).is_ok_and(|at| at.as_second() <= now.timestamp())
}

fn request(fields: &mut Fields<'_>, job: &mut Builder) -> Result<(), Invalid> {
    let number = fields.integer("requestMethod").unwrap_or(0);
    let method = METHODS.iter().find(|(known, _)| *known == number).ok_or_else(|| {
        let detail =
            "The method is HEAD, OPTIONS, TRACE or CONNECT. A job sends GET, POST, PUT, PATCH or DELETE.";
        Invalid::new("command_method", detail)
    })?;
    job.draft.request.method = method.1.to_owned();
    job.url(&fields.required("url")?)?;
    if let Some(mut auth) = fields.object("auth") {
        let is_on = auth.flag("enable").unwrap_or(false);
        let (user, password) =
            (auth.text("user").unwrap_or_default(), auth.text("password").unwrap_or_default());
        if is_on {
            job.basic(&format!("{user}:{password}"))?;
        } else if !(user.is_empty() && password.is_empty()) {
            job.no_meaning(auth.part("user"), "The authentication is switched off.");
        }
    }
    if let Some(mut data) = fields.object("extendedData") {
        for (name, value) in data.pairs("headers") {
            job.header(&name, &value)?;
        }
        job.draft.request.body = data.text("body").filter(|body| !body.is_empty());
    }
    job.warn_of_variables();
    variables(job);
    Ok(())
}

fn variables(job: &mut Builder) {
    let request = &mut job.draft.request;
    let mut is_left = false;
    let headers = request.headers.iter_mut().map(|(_, value)| value);
    for text in headers.chain([&mut request.url]).chain(&mut request.body) {
        if text.contains("%cjo:") {
            *text = text.replace("%cjo:unixtime%", "{{timestamp}}").replace("%cjo:uuid4%", "{{uuid}}");
            is_left |= text.contains("%cjo:");
        }
    }
    if is_left {
        let detail =
            "The request has a variable of cron-job.org that has no equal here; it is sent as it is.";
        job.lost("%cjo:…%", Invalid::new("variable_unknown", detail));
    }
}

fn notifications(fields: &mut Fields<'_>, job: &mut Builder) {
    let Some(mut notification) = fields.object("notification") else { return };
    let count = notification.integer("onFailureCount").unwrap_or(1).max(1);
    for (name, event) in [("onFailure", "on_failure"), ("onSuccess", "on_recovery")] {
        let part = notification.part(name);
        if notification.flag(name) == Some(true) {
            let detail =
                format!("{name}: cron-job.org sends mail; the job needs a channel and a rule for it.");
            let hint =
                format!("Create a channel, and a rule of the job for {event}, after {count} failures.");
            job.changed(part, Invalid::new("notification", detail).hint(hint));
        }
    }
    let part = notification.part("onDisable");
    if notification.flag("onDisable") == Some(true) {
        let detail = "onDisable: TrigRun switches no job off, and sends no mail about it.";
        job.lost(part, Invalid::new("notification", detail));
    }
    for name in notification.names() {
        if notification.flag(&name) == Some(true) {
            let detail = format!("{name}: TrigRun has no such notification.");
            job.lost(notification.part(&name), Invalid::new("notification", detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers_are_fields() {
        for (values, expected) in [
            (vec![-1], Some("*")),
            (vec![1, 2, 3, 4, 5], Some("1-5")),
            (vec![30, 0], Some("0,30")),
            (vec![5, 1, 2, 3, 9, 10, 3], Some("1-3,5,9,10")),
            (vec![], None),
            (vec![60], None),
            (vec![-1, 3], None),
        ] {
            assert_eq!(field(values, 0, 59).as_deref(), expected);
        }
    }
}
