//! Merge patches (RFC 7396) on text, so that a request body keeps the spelling that it was written with.

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;
use trigrun_core::domain::invalid::{FieldErrors, Invalid};

use crate::extract::json::{MAX_ERRORS, escape};

/// In the order of its members, as headers are sent in it.
type Object = IndexMap<String, Box<RawValue>>;

/// Objects of a job whose members are patched one by one. Everything else is replaced as a whole, the body of the request too: to the
/// job it is a value, not a structure.
pub const MERGED: &[&str] = &["", "/schedule", "/request", HEADERS, "/retry_policy"];
/// Its names are the client's.
const HEADERS: &str = "/request/headers";

/// A patch, parsed once. It can be applied to several versions of a job, until a write succeeds.
pub struct Patch {
    changes: IndexMap<String, Change>,
    /// Where a name is given twice.
    duplicates: Vec<String>,
}

enum Change {
    Remove,
    Replace(Box<RawValue>),
    Merge(IndexMap<String, Change>),
}

impl Patch {
    /// Reads a JSON object.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        let mut duplicates = Vec::new();
        let changes = read(text, "", &mut duplicates)?;
        Ok(Self { changes, duplicates })
    }

    /// Records the names that are given twice, which the merged job does not show any more.
    pub fn check(&self, errors: &mut FieldErrors) {
        for pointer in &self.duplicates {
            errors.push(pointer, Invalid::new("field_twice", "is given twice"));
        }
    }

    /// Whether the patch says something about this field of the job.
    pub fn names(&self, field: &str) -> bool {
        self.changes.contains_key(field)
    }

    /// The text of the value that the patch gives this field of the job.
    pub fn value(&self, field: &str) -> Option<&str> {
        match self.changes.get(field)? {
            Change::Replace(value) => Some(value.get()),
            Change::Remove | Change::Merge(_) => None,
        }
    }

    /// The JSON object `target` with the patch applied. A new kind removes the schedule of the old one.
    pub fn apply(&self, target: &str) -> serde_json::Result<String> {
        let mut target: Object = serde_json::from_str(target)?;
        let old_kind = target.get("kind").map(|kind| kind.get());
        if let Some(Change::Replace(kind)) = self.changes.get("kind")
            && old_kind != Some(kind.get())
        {
            target.shift_remove("schedule");
        }
        serde_json::to_string(&merge(target, &self.changes, "")?)
    }
}

fn read(text: &str, at: &str, duplicates: &mut Vec<String>) -> serde_json::Result<IndexMap<String, Change>> {
    let Members(members) = serde_json::from_str(text)?;
    let mut changes = IndexMap::new();
    for (name, value) in members {
        let pointer = format!("{at}/{}", escape(&name));
        let change = match value.get() {
            "null" => Change::Remove,
            object if object.starts_with('{') && MERGED.contains(&pointer.as_str()) => {
                Change::Merge(read(object, &pointer, duplicates)?)
            }
            _ => Change::Replace(value),
        };
        if changes.insert(name, change).is_some() && duplicates.len() < MAX_ERRORS {
            duplicates.push(pointer);
        }
    }
    Ok(changes)
}

fn merge(mut target: Object, changes: &IndexMap<String, Change>, at: &str) -> serde_json::Result<Object> {
    for (name, change) in changes {
        let pointer = format!("{at}/{}", escape(name));
        let value = match change {
            Change::Remove if target.shift_remove(name).is_some() || at == HEADERS => continue,
            // There is nothing to remove. The null stays, so that an unknown field is refused like any other.
            Change::Remove => RawValue::NULL.to_owned(),
            Change::Replace(value) => value.clone(),
            Change::Merge(changes) => {
                let old = target.get(name).map(|old| old.get()).filter(|old| old.starts_with('{'));
                let merged = merge(serde_json::from_str(old.unwrap_or("{}"))?, changes, &pointer)?;
                serde_json::value::to_raw_value(&merged)?
            }
        };
        target.insert(name.clone(), value);
    }
    Ok(target)
}

/// The members of an object as they are written: a map would keep the last of two with the same name.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = r#"{"kind":"cron","name":"a","request":{"body":{"b":1,"a":1.0},"headers":{"X":"1","Y":"2"},"url":"u"},"schedule":{"cron":"c","timezone":"z"}}"#;

    #[track_caller]
    fn patched(patch: &str, expected: &str) {
        assert_eq!(Patch::read(patch).unwrap().apply(JOB).unwrap(), expected);
    }

    #[test]
    fn objects_are_merged_and_null_removes() {
        patched(
            r#"{"name":null,"request":{"headers":{"X":null,"Z":"3"}}}"#,
            r#"{"kind":"cron","request":{"body":{"b":1,"a":1.0},"headers":{"Y":"2","Z":"3"},"url":"u"},"schedule":{"cron":"c","timezone":"z"}}"#,
        );
    }

    #[test]
    fn headers_keep_their_order() {
        patched(
            r#"{"request":{"headers":{"Y":"3","A":"4"}}}"#,
            r#"{"kind":"cron","name":"a","request":{"body":{"b":1,"a":1.0},"headers":{"X":"1","Y":"3","A":"4"},"url":"u"},"schedule":{"cron":"c","timezone":"z"}}"#,
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
    fn a_new_kind_removes_the_old_schedule() {
        patched(
            r#"{"kind":"recurring","schedule":{"every_n_minutes":5}}"#,
            r#"{"kind":"recurring","name":"a","request":{"body":{"b":1,"a":1.0},"headers":{"X":"1","Y":"2"},"url":"u"},"schedule":{"every_n_minutes":5}}"#,
        );
        let same_kind = Patch::read(r#"{"kind":"cron"}"#).unwrap();
        assert!(same_kind.apply(JOB).unwrap().contains("\"timezone\":\"z\""), "the same kind keeps it");
    }

    #[test]
    fn a_null_without_a_field_stays() {
        patched(
            r#"{"nmae":null,"request":{"headers":{"Z":null}}}"#,
            r#"{"kind":"cron","name":"a","request":{"body":{"b":1,"a":1.0},"headers":{"X":"1","Y":"2"},"url":"u"},"schedule":{"cron":"c","timezone":"z"},"nmae":null}"#,
        );
    }

    #[test]
    fn the_fields_that_a_patch_names() {
        assert!(Patch::read(r#"{"state":null}"#).unwrap().names("state"));
        assert!(!Patch::read(r#"{"name":"state"}"#).unwrap().names("state"));
    }

    #[test]
    fn names_that_are_given_twice() {
        let duplicates = |patch: &str| Patch::read(patch).unwrap().duplicates;
        assert_eq!(
            duplicates(
                r#"{"name":"a","name":null,"request":{"headers":{"x/y":"1","x/y":"2"},"body":{"z":1,"z":2}}}"#
            ),
            ["/name", "/request/headers/x~1y"]
        );
        assert!(duplicates(r#"{"name":"a","state":"paused"}"#).is_empty());
    }

    #[test]
    fn a_deeply_nested_patch_is_read_without_recursion() {
        let deep = format!("{{\"tags\":{}1{}}}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
        assert!(Patch::read(&deep).unwrap().names("tags"));
    }
}
