//! Fields of a job that TrigRun sets. A client may send a job back as it has received it: then they say nothing new.

use chrono::{DateTime, FixedOffset, Utc};
use serde_json::Value;
use trigrun_core::domain::invalid::{FieldErrors, Invalid};

use super::{patch::Patch, view::JobView};

/// Those that never change without a new version.
const OF_VERSION: [&str; 3] = ["id", "version", "created_at"];
/// Times that TrigRun moves on: an earlier one is what the client has read.
const TIMES: [&str; 2] = ["next_run_at", "updated_at"];

/// Clients may write a number or an instant in another way than they have read it.
fn is_same(given: &Value, own: &Value) -> bool {
    given == own
        || instant(given).is_some_and(|at| instant(own) == Some(at))
        || given.as_f64().is_some_and(|number| own.as_f64() == Some(number))
}

fn instant(value: &Value) -> Option<DateTime<FixedOffset>> {
    value.as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok())
}

/// Refuses a patch that would change one of them.
pub fn check(patch: &Patch, job: &JobView, now: DateTime<Utc>, errors: &mut FieldErrors) {
    let job = serde_json::to_value(job).unwrap_or_default();
    for name in OF_VERSION.into_iter().chain(TIMES) {
        let Some(given) = patch.value(name) else { continue };
        let given: Value = serde_json::from_str(given).unwrap_or_default();
        let has_passed = || TIMES.contains(&name) && instant(&given).is_some_and(|at| at <= now);
        if !is_same(&given, &job[name]) && !has_passed() {
            let invalid = Invalid::new("read_only", "is read-only, and differs from that of the job");
            let hint = "Read the job again, or leave the field out.";
            errors.push(format!("/{name}"), invalid.hint(hint));
        }
    }
}
