//! The fields in which two definitions differ.

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::value::RawValue;
use trigrun_core::domain::{id::JobId, job::Definition, wording::beginning};
use utoipa::ToSchema;

use super::{body::JobBody, patch::MERGED};
use crate::extract::json::escape;

/// Longer values are cut: a plan of a thousand jobs must not contain their bodies.
const MAX_VALUE_BYTES: usize = 4096;

/// A field that changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldChange)]
pub struct FieldChangeView {
    /// A JSON pointer into the job (RFC 6901).
    #[schema(example = "/schedule/cron")]
    pointer: String,
    /// Null if there was none. A value of more than 4 KiB is a string with its beginning.
    #[schema(value_type = Value)]
    before: Option<Box<RawValue>>,
    /// Null if there is none.
    #[schema(value_type = Value)]
    after: Option<Box<RawValue>>,
}

impl FieldChangeView {
    pub fn new(pointer: &str, before: &impl Serialize, after: &impl Serialize) -> Self {
        let value = |text: serde_json::Result<Box<RawValue>>| text.ok().map(|text| cut(&text));
        Self {
            pointer: pointer.to_owned(),
            before: value(serde_json::value::to_raw_value(before)),
            after: value(serde_json::value::to_raw_value(after)),
        }
    }
}

type Object = IndexMap<String, Box<RawValue>>;

/// In the order of the fields.
pub fn differences(before: &Definition, after: &Definition) -> Vec<FieldChangeView> {
    let text = |definition: &Definition| {
        serde_json::value::to_raw_value(&JobBody::of(definition, definition.state)).ok()
    };
    let mut changes = Vec::new();
    compare("", text(before).as_deref(), text(after).as_deref(), &mut changes);
    changes
}

fn compare(
    pointer: &str,
    before: Option<&RawValue>,
    after: Option<&RawValue>,
    changes: &mut Vec<FieldChangeView>,
) {
    if before.map(RawValue::get) == after.map(RawValue::get) {
        return;
    }
    let objects = MERGED.contains(&pointer).then(|| object(before).zip(object(after))).flatten();
    let Some((before_fields, after_fields)) = objects else {
        let pointer = pointer.to_owned();
        changes.push(FieldChangeView { pointer, before: before.map(cut), after: after.map(cut) });
        return;
    };
    let names: IndexSet<&String> = before_fields.keys().chain(after_fields.keys()).collect();
    for name in names {
        let [before, after] =
            [&before_fields, &after_fields].map(|fields| fields.get(name).map(|value| &**value));
        compare(&format!("{pointer}/{}", escape(name)), before, after, changes);
    }
}

/// The job as an application takes it under `key`: without what is at its default. A job that is adopted names its id, and one with
/// notification rules has them.
pub fn without_defaults(
    definition: &Definition,
    key: &str,
    adopt: Option<JobId>,
    notify: Option<&impl Serialize>,
) -> Option<Box<RawValue>> {
    let body = JobBody::of(definition, definition.state);
    let defaults = JobBody { name: Some(key.to_owned()), ..JobBody::defaults(&definition.schedule) };
    let (body, defaults) = [body, defaults].map(|body| serde_json::value::to_raw_value(&body).ok()).into();
    let mut job = rest("", object(body.as_deref())?, &object(defaults.as_deref())?);
    // The key of the map, the stack of the whole, and what the fields of the schedule say.
    for field in ["key", "stack", "kind"] {
        job.shift_remove(field);
    }
    if let Some(notify) = notify {
        job.insert("notify".to_owned(), serde_json::value::to_raw_value(notify).ok()?);
    }
    if let Some(id) = adopt {
        job.insert("adopt".to_owned(), serde_json::value::to_raw_value(&id.to_string()).ok()?);
    }
    serde_json::value::to_raw_value(&job).ok()
}

/// The members of `object` that differ from those of `defaults`.
fn rest(pointer: &str, object_fields: Object, defaults: &Object) -> Object {
    let mut left = Object::new();
    for (name, value) in object_fields {
        let default = defaults.get(&name);
        if default.is_some_and(|default| default.get() == value.get()) {
            continue;
        }
        let pointer = format!("{pointer}/{}", escape(&name));
        let fields = MERGED.contains(&pointer.as_str()).then(|| object(Some(&value))).flatten();
        let value = match fields.zip(object(default.map(|default| &**default))) {
            Some((fields, defaults)) => {
                let left = rest(&pointer, fields, &defaults);
                if left.is_empty() {
                    continue;
                }
                serde_json::value::to_raw_value(&left).unwrap_or(value)
            }
            None => value,
        };
        left.insert(name, value);
    }
    left
}

/// The members of an object, none of them null.
fn object(value: Option<&RawValue>) -> Option<Object> {
    let mut object: Object = serde_json::from_str(value?.get()).ok()?;
    object.retain(|_, value| value.get() != "null");
    Some(object)
}

fn cut(value: &RawValue) -> Box<RawValue> {
    let text = value.get();
    if text.len() <= MAX_VALUE_BYTES {
        return value.to_owned();
    }
    let text = format!("{}… ({} bytes)", beginning(text, MAX_VALUE_BYTES), text.len());
    serde_json::value::to_raw_value(&text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trigrun_core::domain::{
        request::{Body, Headers},
        schedule::{Cron, Schedule},
    };
    use trigrun_testkit::jobs::every_seconds;

    fn pointers(before: &Definition, after: &Definition) -> Vec<String> {
        let view = |change: FieldChangeView| {
            let text =
                |value: Option<Box<RawValue>>| value.map_or("–".to_owned(), |value| value.get().to_owned());
            format!("{} {} → {}", change.pointer, text(change.before), text(change.after))
        };
        differences(before, after).into_iter().map(view).collect()
    }

    #[test]
    fn fields_are_compared_one_by_one() {
        let before = every_seconds(60, "https://example.com/");
        let mut after = before.clone();
        assert!(pointers(&before, &after).is_empty());
        after.request.headers = Headers::check(vec![("X-Y".into(), "1".into())]).unwrap();
        after.request.timeout_seconds = 5;
        after.tags = vec!["a".into()];
        after.schedule = Schedule::Cron(Cron::parse("0 4 * * *", "UTC").unwrap());
        assert_eq!(
            pointers(&before, &after),
            [
                "/kind \"recurring\" → \"cron\"",
                "/schedule/every_n_minutes 1 → –",
                "/schedule/cron – → \"0 4 * * *\"",
                "/schedule/timezone – → \"UTC\"",
                "/request/headers/X-Y – → \"1\"",
                "/request/timeout_seconds 30 → 5",
                "/tags [] → [\"a\"]",
            ]
        );
    }

    #[test]
    fn a_long_value_is_cut() {
        let before = every_seconds(60, "https://example.com/");
        let mut after = before.clone();
        after.request.body = Some(Body::Text("ä".repeat(100_000)));
        let change = differences(&before, &after).remove(0);
        let text = change.after.unwrap().get().to_owned();
        assert!(text.len() < 2 * MAX_VALUE_BYTES && text.contains("200002 bytes"), "{}", text.len());
        assert!(change.before.is_none());
    }
}
