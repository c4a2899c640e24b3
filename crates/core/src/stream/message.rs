//! What a stream entry looks like on the wire.

use chrono::{DateTime, Utc};
use redis::Value;
use std::collections::HashMap;
use uuid::Uuid;

use crate::domain::{bell::Bell, id::ExecutionId};

/// Raised when an old reader could misunderstand a new entry.
const VERSION: &str = "1";
const KIND: &str = "execution";

/// The fields of an entry that is rung at `rung_at`, as pairs for XADD.
pub fn fields(bell: &Bell, rung_at: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("v", VERSION.to_owned()),
        ("kind", KIND.to_owned()),
        ("id", bell.execution.uuid().simple().to_string()),
        ("due", bell.due_at.timestamp_micros().to_string()),
        ("rung", rung_at.timestamp_micros().to_string()),
    ];
    fields.extend(bell.traceparent.clone().map(|traceparent| ("tp", traceparent)));
    fields
}

/// The execution that an entry rings for; `None` when it is malformed, or of a version or kind unknown here.
pub fn read(fields: &HashMap<String, Value>) -> Option<ExecutionId> {
    let field = |name: &str| fields.get(name).and_then(text);
    if field("v")? != VERSION || field("kind")? != KIND {
        return None;
    }
    Some(ExecutionId::from_uuid(Uuid::try_parse(field("id")?).ok()?))
}

/// When an entry was rung; `None` when it does not say so.
pub fn rung_at(fields: &HashMap<String, Value>) -> Option<DateTime<Utc>> {
    DateTime::<Utc>::from_timestamp_micros(fields.get("rung").and_then(text)?.parse().ok()?)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::WorkspaceId;

    fn entry(pairs: &[(&str, &str)]) -> HashMap<String, Value> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), Value::BulkString(v.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn written_and_read() {
        let bell = Bell {
            execution: ExecutionId::from_uuid(Uuid::from_u128(5)),
            workspace: WorkspaceId::from_uuid(Uuid::from_u128(6)),
            shard: 3,
            due_at: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
            traceparent: Some("00-1-2-01".into()),
        };
        let written = fields(&bell, bell.due_at);
        let pairs: Vec<(&str, &str)> = written.iter().map(|(k, v)| (*k, v.as_str())).collect();
        assert_eq!(rung_at(&entry(&pairs)), Some(bell.due_at));
        assert_eq!(read(&entry(&pairs)), Some(bell.execution));
    }

    #[test]
    fn garbage_is_no_bell() {
        let id = "00000000000000000000000000000005";
        assert!(read(&entry(&[("v", "1"), ("kind", "execution"), ("id", id), ("due", "1")])).is_some());
        for garbage in [
            vec![],
            vec![("v", "2"), ("kind", "execution"), ("id", id), ("due", "1")],
            vec![("v", "1"), ("kind", "other"), ("id", id), ("due", "1")],
            vec![("v", "1"), ("kind", "execution"), ("id", "nonsense"), ("due", "1")],
        ] {
            assert_eq!(read(&entry(&garbage)), None, "{garbage:?}");
        }
    }
}
