//! Hints about fields that are unknown or have the wrong type: where a field belongs, what it is called here, how its value is written.
//!
//! A hint must not lead to another meaning. Without a good one, there is none.

use serde::de::DeserializeOwned;
use trigrun_core::domain::wording::{did_you_mean, nearest};

/// No body has a field of this name.
const PROBE: &str = "\\u0001";
/// What responses have and requests ignore is no suggestion.
const READ_ONLY: [&str; 13] = [
    "id",
    "version",
    "host",
    "schedule_in_words",
    "paused",
    "next_run_at",
    "schedule_error",
    "last_execution",
    "health",
    "execution_id",
    "warnings",
    "created_at",
    "updated_at",
];

/// What other schedulers call the fields of jobs and channels.
const OTHER_NAMES: [(&str, &str); 49] = [
    ("interval", "every_n_minutes"),
    ("every", "every_n_minutes"),
    ("interval_minutes", "every_n_minutes"),
    ("cron_expression", "cron"),
    ("expression", "cron"),
    ("crontab", "cron"),
    ("cron_schedule", "cron"),
    ("at", "run_at"),
    ("when", "run_at"),
    ("start_at", "run_at"),
    ("scheduled_at", "run_at"),
    ("scheduled_for", "run_at"),
    ("tz", "timezone"),
    ("zone", "timezone"),
    ("uri", "url"),
    ("endpoint", "url"),
    ("target", "url"),
    ("target_url", "url"),
    ("webhook", "url"),
    ("webhook_url", "url"),
    ("callback_url", "url"),
    ("verb", "method"),
    ("http_method", "method"),
    ("json", "body"),
    ("data", "body"),
    ("payload", "body"),
    ("content", "body"),
    ("header", "headers"),
    ("http_headers", "headers"),
    ("timeout", "timeout_seconds"),
    ("timeout_sec", "timeout_seconds"),
    ("timeout_secs", "timeout_seconds"),
    ("timeout_s", "timeout_seconds"),
    ("expected_statuses", "success_statuses"),
    ("success_codes", "success_statuses"),
    ("retry_on", "retry_on_statuses"),
    ("retry_statuses", "retry_on_statuses"),
    ("attempts", "max_attempts"),
    ("retry", "retry_policy"),
    ("concurrency", "concurrency_limit"),
    ("max_concurrency", "concurrency_limit"),
    ("overlap", "overlap_policy"),
    ("misfire", "misfire_policy"),
    ("status", "state"),
    ("labels", "tags"),
    ("title", "name"),
    ("type", "kind"),
    ("recipients", "to"),
    ("email", "to"),
];

/// Names without an equal here: what to write instead, in bodies that have the field in the middle.
const EXPLAINED: [(&str, &str, &str); 17] = [
    ("enabled", "state", "Use `state`: active or paused."),
    ("disabled", "state", "Use `state`: active or paused."),
    ("active", "state", "Use `state`: active or paused."),
    ("paused", "state", "Use `state`: active or paused."),
    ("is_active", "state", "Use `state`: active or paused."),
    ("retries", "max_attempts", MAX_ATTEMPTS),
    ("retry_count", "max_attempts", MAX_ATTEMPTS),
    ("max_retries", "max_attempts", MAX_ATTEMPTS),
    ("backoff", "max_attempts", BACKOFF),
    ("retry_delay", "max_attempts", BACKOFF),
    ("every_n_seconds", "every_n_minutes", SHORTEST_INTERVAL),
    ("every_seconds", "every_n_minutes", SHORTEST_INTERVAL),
    ("interval_seconds", "every_n_minutes", SHORTEST_INTERVAL),
    ("seconds", "every_n_minutes", SHORTEST_INTERVAL),
    ("every_n_hours", "every_n_minutes", "Use `every_n_minutes`, with 60 for each hour."),
    ("every_n_days", "cron", "Use kind cron, such as `0 0 * * *` for every day."),
    ("timeout_ms", "timeout_seconds", "Use `timeout_seconds`, in whole seconds."),
];
const MAX_ATTEMPTS: &str = "Use `retry_policy.max_attempts`, which counts the first attempt too.";
const BACKOFF: &str = "The wait is fixed: 0.5 s after the first attempt, and doubled each time. \
                       `retry_policy.max_attempts` limits the attempts.";
const SHORTEST_INTERVAL: &str = "The shortest interval is 1 minute: use `every_n_minutes`.";

/// The fields of a body and of the objects in it.
pub struct Shape(Vec<(String, Vec<String>)>);

impl Shape {
    /// Found out by asking for a field that is unknown: the type itself is the only list.
    pub fn of<T: DeserializeOwned>() -> Self {
        let top = known_fields::<T>(&format!("{{\"{PROBE}\":0}}"));
        let inside = top.iter().map(|object| {
            (object.clone(), known_fields::<T>(&format!("{{\"{object}\":{{\"{PROBE}\":0}}}}")))
        });
        let mut objects: Vec<_> = inside.filter(|(_, fields)| !fields.is_empty()).collect();
        objects.insert(0, (String::new(), top));
        Self(objects)
    }

    /// What the client probably meant by an unknown field.
    pub fn hint(&self, segments: &[String]) -> Option<String> {
        let (name, parent) = match segments {
            [name] => (name, ""),
            [parent, name] => (name, parent.as_str()),
            _ => return None,
        };
        let written = name.to_ascii_lowercase().replace('-', "_");
        if let Some(object) = self.object_of(&written, parent) {
            return Some(match object {
                "" => format!("`{written}` belongs at the top level of the body."),
                object => format!("`{written}` belongs inside `{object}`."),
            });
        }
        let explained = EXPLAINED.iter().find(|(other, needs, _)| *other == written && self.has(needs));
        if let Some((_, _, hint)) = explained {
            return Some((*hint).to_owned());
        }
        if let Some((_, field)) = OTHER_NAMES.iter().find(|(other, _)| *other == written)
            && let Some(hint) = self.called(field, parent)
        {
            return Some(hint);
        }
        let fields = self.fields(parent).iter().map(String::as_str);
        nearest(name, fields.filter(|field| !READ_ONLY.contains(field))).map(did_you_mean)
    }

    fn called(&self, field: &str, parent: &str) -> Option<String> {
        if self.fields(parent).iter().any(|known| known == field) {
            return Some(did_you_mean(field));
        }
        self.object_of(field, parent).map(|object| match object {
            "" => format!("Use `{field}`, at the top level of the body."),
            object => format!("Use `{object}.{field}`."),
        })
    }

    fn fields(&self, object: &str) -> &[String] {
        self.0.iter().find(|(known, _)| known == object).map_or(&[], |(_, fields)| fields)
    }

    fn has(&self, field: &str) -> bool {
        self.0.iter().any(|(_, fields)| fields.iter().any(|known| known == field))
    }

    /// The object, other than `parent`, that has the field.
    fn object_of(&self, field: &str, parent: &str) -> Option<&str> {
        let has = |(object, fields): &&(String, Vec<String>)| {
            object != parent && !READ_ONLY.contains(&field) && fields.iter().any(|known| known == field)
        };
        self.0.iter().find(has).map(|(object, _)| object.as_str())
    }
}

/// The fields that serde names when it refuses this text for its unknown field.
fn known_fields<T: DeserializeOwned>(text: &str) -> Vec<String> {
    let Err(error) = serde_json::from_str::<T>(text) else { return Vec::new() };
    let message = error.to_string();
    let Some(rest) = message.strip_prefix("unknown field ") else { return Vec::new() };
    rest.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// How the value of the field is written. `message` is serde's, about a value of the wrong type.
pub fn wrong_type(segments: &[String], message: &str) -> Option<String> {
    let given = message.strip_prefix("invalid type: ")?;
    let quoted = given.strip_prefix("string \"").and_then(|rest| rest.split('"').next());
    let wants = |word: &str| given.contains(&format!("expected {word}"));
    if quoted.is_some_and(|text| text.parse::<f64>().is_ok()) && (wants("i64") || wants("a whole number")) {
        return Some("Write the number without quotes.".to_owned());
    }
    if quoted.is_some_and(|text| matches!(text, "true" | "false")) && wants("a boolean") {
        return Some("Write true or false without quotes.".to_owned());
    }
    Some(match segments.last()?.as_str() {
        "headers" => "Example: {\"X-Api-Key\": \"…\"}".to_owned(),
        "schedule" => "Example: {\"cron\": \"0 9 * * *\", \"timezone\": \"Europe/Berlin\"}".to_owned(),
        "request" => "Example: {\"url\": \"https://example.com/report\"}".to_owned(),
        "retry_policy" => "Example: {\"max_attempts\": 3}".to_owned(),
        "tags" => "Example: [\"billing\"]".to_owned(),
        "success_statuses" | "retry_on_statuses" => "Example: [200, 404]".to_owned(),
        "run_at" | "from" | "to" | "expires_at" => "Example: \"2027-01-01T09:00:00+01:00\"".to_owned(),
        "every_n_minutes" => "The shortest interval is 1 minute.".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::jobs::JobBody;

    fn hint(path: &str) -> Option<String> {
        let segments: Vec<String> = path.split('.').map(str::to_owned).collect();
        Shape::of::<JobBody>().hint(&segments)
    }

    #[test]
    fn a_field_is_sent_to_its_object() {
        for (path, expected) in [
            ("timezone", "`timezone` belongs inside `schedule`."),
            ("request.timezone", "`timezone` belongs inside `schedule`."),
            ("body", "`body` belongs inside `request`."),
            ("max_attempts", "`max_attempts` belongs inside `retry_policy`."),
            ("request.tags", "`tags` belongs at the top level of the body."),
            ("payload", "Use `request.body`."),
            ("request.json", "Did you mean body?"),
            ("schedule.interval", "Did you mean every_n_minutes?"),
            ("schedule.at", "Did you mean run_at?"),
            ("schedule.enabled", "Use `state`: active or paused."),
            ("retry_policy.retries", MAX_ATTEMPTS),
            ("schedule.every_n_seconds", SHORTEST_INTERVAL),
            ("Timezone", "`timezone` belongs inside `schedule`."),
            ("tgas", "Did you mean tags?"),
        ] {
            assert_eq!(hint(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn nothing_is_said_about_other_names() {
        for path in ["colour", "request.versions", "request.id", "schedule.a.timezone", "idd"] {
            assert_eq!(hint(path), None, "{path}");
        }
    }

    /// Each hint is about a field of a request.
    #[test]
    fn every_suggestion_exists() {
        let job = Shape::of::<JobBody>();
        for (other, field) in OTHER_NAMES {
            assert!(job.has(field) || field == "to", "{other}");
        }
        for (other, field, _) in EXPLAINED {
            assert!(job.has(field), "{other}");
        }
    }
}
