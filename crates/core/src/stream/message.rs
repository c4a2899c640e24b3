//! What a stream entry looks like on the wire.

use chrono::{DateTime, Utc};
use redis::Value;
use std::collections::HashMap;
use uuid::Uuid;

use crate::domain::{bell::Bell, id::ExecutionId};

/// An entry has this one field, which names its version: raised when an old reader could misunderstand a new entry. One field,
/// because each costs the server and both sides as much as a whole entry of another kind.
pub const FIELD: &str = "execution1";

/// The value of an entry that is rung at `rung_at`: id, due time and time of ringing in microseconds, traceparent if there is one.
pub fn write(bell: &Bell, rung_at: DateTime<Utc>) -> String {
    let (id, due, rung) =
        (bell.execution.uuid().simple(), bell.due_at.timestamp_micros(), rung_at.timestamp_micros());
    match &bell.traceparent {
        Some(traceparent) => format!("{id} {due} {rung} {traceparent}"),
        None => format!("{id} {due} {rung}"),
    }
}

/// The execution that an entry rings for; `None` when it is malformed, or of a version or kind unknown here. `fields` are names and
/// values in turn.
pub fn read(fields: &[Value]) -> Option<ExecutionId> {
    let value = fields.chunks_exact(2).find(|pair| text(&pair[0]) == Some(FIELD)).map(|pair| &pair[1])?;
    let mut words = text(value)?.split(' ');
    let id = ExecutionId::from_uuid(Uuid::try_parse(words.next()?).ok()?);
    words.next()?.parse::<i64>().ok()?;
    Some(id)
}

/// When an entry was rung; `None` when it does not say so.
pub fn rung_at(fields: &HashMap<String, Value>) -> Option<DateTime<Utc>> {
    let rung = fields.get(FIELD).and_then(text)?.split(' ').nth(2)?;
    DateTime::<Utc>::from_timestamp_micros(rung.parse().ok()?)
}

pub fn text(value: &Value) -> Option<&str> {
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

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
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
        for bell in [bell.clone(), Bell { traceparent: None, ..bell }] {
            let written = bulk(&write(&bell, bell.due_at));
            assert_eq!(rung_at(&[(FIELD.to_owned(), written.clone())].into()), Some(bell.due_at));
            assert_eq!(read(&[bulk(FIELD), written]), Some(bell.execution));
        }
    }

    #[test]
    fn garbage_is_no_bell() {
        let id = "00000000000000000000000000000005";
        assert!(read(&[bulk(FIELD), bulk(&format!("{id} 1 1"))]).is_some());
        for (field, value) in [
            (FIELD, ""),
            (FIELD, id),
            (FIELD, "nonsense 1 1"),
            (FIELD, "00000000000000000000000000000005 soon 1"),
            ("execution2", "00000000000000000000000000000005 1 1"),
        ] {
            assert_eq!(read(&[bulk(field), bulk(value)]), None, "{field} {value}");
        }
        assert_eq!((read(&[]), read(&[bulk(FIELD)])), (None, None));
    }
}
