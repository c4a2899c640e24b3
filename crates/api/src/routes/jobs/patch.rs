//! Merge patches (RFC 7396) on text, so that a body keeps the spelling that it was written with.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

type Object = BTreeMap<String, Box<RawValue>>;

/// Replaced as it stands, never merged: to the job it is a value, not a structure.
const OPAQUE: &str = "/request/body";

/// `target` with `patch` laid over it; both are JSON objects. A new kind takes the schedule of the old one away.
pub fn apply(target: &str, patch: &str) -> serde_json::Result<String> {
    let (mut target, patch): (Object, Object) = (serde_json::from_str(target)?, serde_json::from_str(patch)?);
    let is_other = |kind: &RawValue| target.get("kind").is_none_or(|old| old.get() != kind.get());
    if patch.get("kind").is_some_and(|kind| is_other(kind)) {
        target.remove("schedule");
    }
    serde_json::to_string(&merge(target, patch, "")?)
}

/// Whether the patch says something about this field of the job.
pub fn names(patch: &str, field: &str) -> bool {
    serde_json::from_str::<Object>(patch).is_ok_and(|patch| patch.contains_key(field))
}

fn merge(mut target: Object, patch: Object, at: &str) -> serde_json::Result<Object> {
    for (name, value) in patch {
        let pointer = format!("{at}/{name}");
        if value.get() == "null" {
            target.remove(&name);
            continue;
        }
        let old = target.get(&name).map_or("{}", |old| old.get());
        let both_are_objects = value.get().starts_with('{') && old.starts_with('{');
        let merged = if both_are_objects && pointer != OPAQUE {
            let merged = merge(serde_json::from_str(old)?, serde_json::from_str(value.get())?, &pointer)?;
            serde_json::value::to_raw_value(&merged)?
        } else {
            value
        };
        target.insert(name, merged);
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = r#"{"kind":"cron","name":"a","request":{"body":{"b":1,"a":1.0},"headers":{"X":"1","Y":"2"},"url":"u"},"schedule":{"cron":"c","timezone":"z"}}"#;

    #[track_caller]
    fn patched(patch: &str, expected: &str) {
        assert_eq!(apply(JOB, patch).unwrap(), expected);
    }

    #[test]
    fn objects_are_merged_and_null_removes() {
        patched(
            r#"{"name":null,"request":{"headers":{"X":null,"Z":"3"}}}"#,
            r#"{"kind":"cron","request":{"body":{"b":1,"a":1.0},"headers":{"Y":"2","Z":"3"},"url":"u"},"schedule":{"cron":"c","timezone":"z"}}"#,
        );
    }

    #[test]
    fn a_body_is_replaced_as_it_is_written() {
        patched(
            r#"{"request":{"body":{ "z":1e1, "z":2 }}}"#,
            r#"{"kind":"cron","name":"a","request":{"body":{ "z":1e1, "z":2 },"headers":{"X":"1","Y":"2"},"url":"u"},"schedule":{"cron":"c","timezone":"z"}}"#,
        );
    }

    #[test]
    fn a_new_kind_takes_the_old_schedule_away() {
        patched(
            r#"{"kind":"recurring","schedule":{"every_n_minutes":5}}"#,
            r#"{"kind":"recurring","name":"a","request":{"body":{"b":1,"a":1.0},"headers":{"X":"1","Y":"2"},"url":"u"},"schedule":{"every_n_minutes":5}}"#,
        );
        assert!(
            apply(JOB, r#"{"kind":"cron"}"#).unwrap().contains("\"timezone\":\"z\""),
            "the same kind keeps it"
        );
    }

    #[test]
    fn what_a_patch_speaks_of() {
        assert!(names(r#"{"state":null}"#, "state") && !names(r#"{"name":"state"}"#, "state"));
    }
}
