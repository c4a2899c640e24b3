//! EventBridge Scheduler of AWS: `aws scheduler get-schedule`, one or several. Its targets are calls of AWS, for which the options have
//! URLs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jiff::{civil, tz::TimeZone};

use super::{
    builder::Builder,
    draft::When,
    fields::{Fields, Node},
    output::Output,
};
use crate::domain::invalid::Invalid;

const OF_THE_SERVICE: [&str; 5] =
    ["Arn", "CreationDate", "LastModificationDate", "ActionAfterCompletion", "ResponseMetadata"];
/// The service's own default.
const DEFAULT_RETRIES: i64 = 185;
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

pub(super) fn read(root: Node<'_>, output: &mut Output<'_>) {
    for node in root.items_in("Schedules", &["NextToken"], output) {
        let (place, options) = (node.place(), output.options);
        let Some(mut fields) = node.fields() else { continue };
        let name = fields.text("Name").unwrap_or_default();
        output.job(place, &name, |job| {
            job.name(&name);
            read_job(&mut fields, options.map, options.now, job)
        });
    }
}

fn read_job(
    fields: &mut Fields<'_>,
    map: &BTreeMap<String, String>,
    now: DateTime<Utc>,
    job: &mut Builder,
) -> Result<(), Invalid> {
    let expression = fields.text("ScheduleExpression").ok_or_else(|| {
        let detail = "This is an entry of a list, without its schedule.";
        Invalid::new("list_only", detail).hint("Fetch each by aws scheduler get-schedule, and send that.")
    })?;
    let zone = fields.text("ScheduleExpressionTimezone").unwrap_or_else(|| "UTC".to_owned());
    schedule(&expression, &zone, now, job)?;
    if fields.text("State").as_deref() == Some("DISABLED") {
        job.draft.state = Some("paused");
    }
    let part = fields.part("GroupName");
    if let Some(group) = fields.text("GroupName").filter(|group| group != "default") {
        job.tag(part, &group);
    }
    let part = fields.part("FlexibleTimeWindow");
    if let Some(mut window) = fields.object("FlexibleTimeWindow") {
        let minutes = window.integer("MaximumWindowInMinutes");
        if window.text("Mode").as_deref() == Some("FLEXIBLE") || minutes.is_some() {
            let detail = "The schedule fires within a window; the job fires at its time.";
            job.lost(part, Invalid::new("flexible_window", detail));
        }
    }
    let why = Invalid::new("date_range", "A job runs from its creation until it is paused or deleted.");
    fields.lost(job, &["StartDate", "EndDate"], &why);
    fields.lost(job, &["KmsKeyArn"], &Invalid::new("kms_key", "TrigRun encrypts secrets with its own keys."));
    fields.no_meaning(job, &["Description"], "A job has a name, and no description.");
    fields.no_meaning(job, &OF_THE_SERVICE, "It is the state of the service.");
    target(fields, map, job)
}

fn target(fields: &mut Fields<'_>, map: &BTreeMap<String, String>, job: &mut Builder) -> Result<(), Invalid> {
    let missing = || Invalid::new("field_missing", "The field Target is missing.");
    let mut target = fields.object("Target").ok_or_else(missing)?;
    let arn = target.required("Arn")?;
    let url = map.get(&arn).ok_or_else(|| {
        let detail = "The target is a call of AWS, and no URL.";
        Invalid::new("target_not_http", detail)
            .hint("Give it a URL, such as that of a function, and send it in options.map by its ARN.")
    })?;
    job.url(url)?;
    job.draft.request.method = "POST".to_owned();
    if let Some(input) = target.text("Input") {
        job.default_header("Content-Type", "application/json")?;
        job.draft.request.body = Some(input);
        job.warn_of_variables();
        variables(job);
    }
    let mut retries = DEFAULT_RETRIES;
    let part = target.part("RetryPolicy");
    if let Some(mut policy) = target.object("RetryPolicy") {
        retries = policy.integer("MaximumRetryAttempts").unwrap_or(retries);
        let why = Invalid::new("event_age", "TrigRun limits the number of attempts, and not their time.");
        policy.lost(job, &["MaximumEventAgeInSeconds"], &why);
    }
    job.attempts(part, u64::try_from(retries).unwrap_or(0).saturating_add(1));
    let why = Invalid::new("dead_letter_queue", "TrigRun keeps failed executions, and can replay them.")
        .hint("Create a notification channel of type webhook, and a rule of the job.");
    target.lost(job, &["DeadLetterConfig"], &why);
    target.no_meaning(job, &["RoleArn"], "TrigRun calls a URL, for which AWS needs no role.");
    Ok(())
}

fn variables(job: &mut Builder) {
    let Some(body) = &mut job.draft.request.body else { return };
    if body.contains("<aws.") {
        *body = body
            .replace("<aws.scheduler.scheduled-time>", "{{scheduled_for}}")
            .replace("<aws.scheduler.execution-id>", "{{execution_id}}");
    }
    if body.contains("<aws.") {
        let detail = "The input has a variable of AWS that has no equal here; it is sent as it is.";
        job.lost("<aws.…>", Invalid::new("variable_unknown", detail));
    }
}

fn schedule(expression: &str, zone: &str, now: DateTime<Utc>, job: &mut Builder) -> Result<(), Invalid> {
    let inside = |name: &str| expression.trim().strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(fields) = inside("cron") {
        return job.cron(&cron(fields)?, zone, now);
    }
    if let Some(rate) = inside("rate") {
        job.draft.when = When::Recurring { every_n_minutes: minutes(rate)? };
        return Ok(());
    }
    let at = inside("at")
        .ok_or_else(|| Invalid::new("schedule_invalid", "The schedule is not cron(…), rate(…) or at(…)."))?;
    job.draft.when = When::Scheduled { run_at: instant(at, zone, now)? };
    Ok(())
}

/// Six fields, of which the year must be every year. Its weekdays count from 1 for Sunday; names mean the same here and there.
fn cron(fields: &str) -> Result<String, Invalid> {
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let [minute, hour, day, month, weekday, year] = fields.as_slice() else {
        return Err(Invalid::new("schedule_invalid", "The expression has not the six fields of AWS."));
    };
    if !matches!(*year, "*" | "?") {
        return Err(Invalid::new("schedule_years", "The expression names years, which a job cannot.")
            .hint("For one instant, use at(…)."));
    }
    let weekdays = weekday.split(',').map(self::weekday).collect::<Option<Vec<_>>>();
    let weekdays = weekdays.ok_or_else(|| {
        Invalid::new("schedule_invalid", "A day of the week is not from 1 to 7, or a name.")
    })?;
    let [minute, hour] = [(minute, 0, 59), (hour, 0, 23)].map(stepped);
    let [day, month] = [(day, 1, 31), (month, 1, 12)].map(stepped);
    Ok(format!("{minute} {hour} {day} {month} {}", weekdays.join(",")).to_ascii_uppercase())
}

/// `5/15` is from 5 on, which crontab(5) writes as a range.
fn stepped((field, first, last): (&&str, u32, u32)) -> String {
    let item = |item: &str| match item.split_once('/') {
        Some((from, step)) if from.parse() == Ok(first) => format!("*/{step}"),
        Some((from, step)) if from.parse::<u32>().is_ok() => format!("{from}-{last}/{step}"),
        _ => item.to_owned(),
    };
    field.split(',').map(item).collect::<Vec<_>>().join(",")
}

/// `2-6`, `6#3`, `6L`, `MON`, `*`, `2/2`
fn weekday(item: &str) -> Option<String> {
    let day = |text: &str| match text.parse::<usize>() {
        Ok(number) => DAYS.get(number.checked_sub(1)?).map(|name| (*name).to_owned()),
        Err(_) => Some(text.to_owned()),
    };
    if item == "L" {
        return Some("SAT".to_owned());
    }
    if let Some((weekday, nth)) = item.split_once('#') {
        return Some(format!("{}#{nth}", day(weekday)?));
    }
    if let Some(last) = item.strip_suffix('L').filter(|last| last.parse::<usize>().is_ok()) {
        return Some(format!("{}#L", day(last)?));
    }
    let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
    let range = match range.split_once('-') {
        Some((first, last)) => format!("{}-{}", day(first)?, day(last)?),
        // `2/2` is from Monday on.
        None if step.is_some() && range != "*" => format!("{}-SAT", day(range)?),
        None => day(range)?,
    };
    Some(step.map_or(range.clone(), |step| format!("{range}/{step}")))
}

/// `5 minutes`, `1 hour`, `1 day`
fn minutes(rate: &str) -> Result<u32, Invalid> {
    let read = || {
        let (count, unit) = rate.trim().split_once(' ')?;
        let count: u32 = count.parse().ok()?;
        let unit = match unit.trim() {
            "minute" | "minutes" => 1,
            "hour" | "hours" => 60,
            "day" | "days" => 1440,
            _ => return None,
        };
        count.checked_mul(unit).filter(|minutes| (1..=1440).contains(minutes))
    };
    read().ok_or_else(|| {
        Invalid::new("schedule_invalid", "The rate is not from 1 minute to 1440 minutes.")
            .hint("For longer ones, write a cron expression.")
    })
}

/// A local time in the zone of the schedule.
fn instant(at: &str, zone: &str, now: DateTime<Utc>) -> Result<String, Invalid> {
    let invalid = || Invalid::new("schedule_invalid", "The time of at(…) cannot be read in its zone.");
    let local: civil::DateTime = at.trim().parse().map_err(|_| invalid())?;
    let zone = TimeZone::get(zone).map_err(|_| invalid())?;
    let at = zone.to_timestamp(local).map_err(|_| invalid())?;
    if at.as_second() <= now.timestamp() {
        return Err(Invalid::new("in_the_past", "The time of at(…) has passed."));
    }
    Ok(at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_count_from_sunday() {
        for (fields, expected) in [
            ("0 4 ? * 2-6 *", Some("0 4 ? * MON-FRI")),
            ("0 4 ? * 6#3 *", Some("0 4 ? * FRI#3")),
            ("15 10 ? * 6L *", Some("15 10 ? * FRI#L")),
            ("0 4 ? * mon,4 ?", Some("0 4 ? * MON,WED")),
            ("0/15 5/2 1/2 * ? *", Some("*/15 5-23/2 */2 * ?")),
            ("0 4 ? * 2/2 *", Some("0 4 ? * MON-SAT/2")),
            ("0 4 L * ? *", Some("0 4 L * ?")),
            ("0 4 ? * 8 *", None),
            ("0 4 * * ? 2030", None),
            ("0 4 * * ?", None),
        ] {
            assert_eq!(cron(fields).ok().as_deref(), expected, "{fields}");
            if let Some(expected) = expected {
                assert!(crate::domain::schedule::Cron::parse(expected, "UTC").is_ok(), "{expected}");
            }
        }
    }
}
