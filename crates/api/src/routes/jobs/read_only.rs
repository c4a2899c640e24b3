//! Fields of a job that TrigRun sets. A client may send a job back as it has received it: then they say nothing new.

use chrono::{DateTime, Utc};
use serde_json::Value;
use trigrun_core::domain::invalid::FieldErrors;

use super::{patch::Patch, view::JobView};
use crate::extract::read_only::{differs, instant, is_same};

/// Those that never change without a new version.
const OF_VERSION: [&str; 3] = ["id", "version", "created_at"];
/// Times that TrigRun moves on: an earlier one is what the client has read.
const TIMES: [&str; 2] = ["next_run_at", "updated_at"];

/// Refuses a patch that would change one of them.
pub fn check(patch: &Patch, job: &JobView, now: DateTime<Utc>, errors: &mut FieldErrors) {
    let job = serde_json::to_value(job).unwrap_or_default();
    for name in OF_VERSION.into_iter().chain(TIMES) {
        let Some(given) = patch.value(name) else { continue };
        let given: Value = serde_json::from_str(given).unwrap_or_default();
        let has_passed = || TIMES.contains(&name) && instant(&given).is_some_and(|at| at <= now);
        if !is_same(&given, &job[name]) && !has_passed() {
            errors.push(format!("/{name}"), differs());
        }
    }
}
