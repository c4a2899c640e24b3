//! Any text converted into jobs: every line and every field is in a job, in a finding or left out with a reason, and each job is within
//! the limits that all jobs have.
//!
//! Fields: the source; the name of its format, if its content does not tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::{assert_refusal, first_fields, now};
use serde_json::{Value, json};
use trigrun_core::domain::{
    convert::{Conversion, Converted, Format, Options, Place, Source, When, convert},
    invalid::FieldError,
    schedule::Cron,
};

const ERRORS: &[&str] =
    &["format_unknown", "source_invalid", "source_too_large", "too_many_jobs", "too_many_findings"];
const ARN: &str = "arn:aws:lambda:x:f";
const UNKNOWN: &str = "zzz unknown";
/// Searching for zones with similar names takes long.
const MAX_ZONES: usize = 4;

pub fn run(input: &[u8]) {
    let [text, format] = first_fields(input);
    if text.to_ascii_lowercase().matches("tz").count() + text.matches("zone").count() > MAX_ZONES {
        return;
    }
    let format: Option<Format> = format.parse().ok();
    let conversion = match converted(format, &text) {
        Ok(conversion) => conversion,
        Err(error) => return assert_refusal(&error.invalid, ERRORS),
    };
    assert_eq!(converted(format, &text).as_ref(), Ok(&conversion), "converted again");
    check(&conversion);
    match conversion.format {
        Format::Crontab | Format::Url => every_line_is_told(&conversion, &text),
        format if format.is_json() => an_unknown_field_is_told(&conversion, &text),
        _ => {}
    }
}

fn converted(format: Option<Format>, text: &str) -> Result<Conversion, FieldError> {
    let map = BTreeMap::from([(ARN.to_owned(), "https://example.com/f".to_owned())]);
    let options = Options {
        timezone: "Europe/Berlin",
        base_url: Some("https://example.com"),
        prefix: "",
        map: &map,
        now: now(),
    };
    convert(format, Source::Text(text), &options)
}

fn check(conversion: &Conversion) {
    let keys: BTreeSet<&str> = conversion.jobs.iter().map(|job| job.key.as_str()).collect();
    assert_eq!(keys.len(), conversion.jobs.len(), "keys are unique");
    conversion.jobs.iter().for_each(check_job);
    for finding in &conversion.findings {
        assert!(!finding.invalid.detail.is_empty() && !finding.invalid.code.is_empty());
        assert!(finding.key.as_deref().is_none_or(|key| keys.contains(key)), "{finding:?}");
    }
    let secrets: BTreeSet<&str> = conversion.secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(secrets.len(), conversion.secrets.len(), "names of secrets are unique");
}

fn check_job(job: &Converted) {
    let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    assert!(job.key.len() <= 100 && job.key.bytes().all(is_key), "{}", job.key);
    assert!(job.key.starts_with(|first: char| first.is_ascii_alphanumeric()), "{}", job.key);
    let draft = &job.draft;
    assert!(["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&draft.request.method.as_str()));
    assert!((1..=300).contains(&draft.request.timeout_seconds));
    assert!((1..=10).contains(&draft.retry_policy.max_attempts));
    assert!(!draft.name.is_empty() && draft.name.chars().count() <= 200, "{:?}", draft.name);
    assert!(draft.request.headers.len() <= 64);
    let names: BTreeSet<String> =
        draft.request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    assert_eq!(names.len(), draft.request.headers.len(), "headers are unique");
    match &draft.when {
        When::Cron { cron, timezone } => assert!(Cron::parse(cron, timezone).is_ok()),
        When::Recurring { every_n_minutes } => assert!((1..=1440).contains(every_n_minutes)),
        When::Scheduled { .. } | When::OneTime => {}
    }
}

/// Every line that is not blank has a job, a finding or a reason. A crontab also has comments, and valid zones.
fn every_line_is_told(conversion: &Conversion, text: &str) {
    let places = conversion.jobs.iter().map(|job| &job.place);
    let places = places.chain(conversion.findings.iter().map(|finding| &finding.place));
    let places = places.chain(conversion.left_out.iter().map(|part| &part.place));
    let told: BTreeSet<usize> = places.filter_map(Place::line).collect();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().map(str::trim).enumerate() {
        let is_zone = line.split_once('=').is_some_and(|(name, _)| name.contains("TZ"));
        let is_quiet = line.is_empty() || line.starts_with('#') || is_zone;
        assert!(is_quiet || told.contains(&(index + 1)), "line {} is lost: {line:?}", index + 1);
    }
}

/// A field that no format knows is reported, unless its part is refused.
fn an_unknown_field_is_told(conversion: &Conversion, text: &str) {
    let Ok(Value::Object(mut root)) = serde_json::from_str(text) else { return };
    if root.insert(UNKNOWN.to_owned(), json!(1)).is_some() {
        return;
    }
    let Ok(with) = converted(Some(conversion.format), &Value::Object(root).to_string()) else { return };
    let pointer = format!("/{UNKNOWN}");
    let is_told = with.findings.iter().any(|finding| match &finding.place {
        Place::Pointer(place) => *place == pointer || place.is_empty(),
        Place::Line(_) => false,
    });
    assert!(is_told, "{:?}", with.findings);
}
