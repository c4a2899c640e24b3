//! The wire format of a stream entry.

use chrono::{DateTime, Utc};
use redis::Value;
use std::{collections::HashMap, fmt::Write};
use uuid::Uuid;

use crate::domain::{dispatch::Dispatch, id::ExecutionId};

/// The only field of an entry. Its name includes the version of the format, which is raised when an old reader could misread a new entry.
/// There is one field only, because each field costs the server and both sides as much as a whole entry of a simpler kind.
pub const FIELD: &str = "executions2";

/// How many executions one entry may carry. One executor receives all of them.
pub const MAX_EXECUTIONS: usize = 16;

/// The value of an entry: the time of publication in microseconds, and the ids of the executions.
pub fn write<'a>(dispatches: impl IntoIterator<Item = &'a Dispatch>, published_at: DateTime<Utc>) -> String {
    let mut value = published_at.timestamp_micros().to_string();
    for dispatch in dispatches {
        // Writing to a String cannot fail.
        let _ = write!(value, " {}", dispatch.execution.uuid().simple());
    }
    value
}

/// The executions of an entry, at least one; `None` if it is malformed or of an unknown version or kind. `fields` alternates names and values.
pub fn read(fields: &[Value]) -> Option<Vec<ExecutionId>> {
    let value = fields.chunks_exact(2).find(|pair| text(&pair[0]) == Some(FIELD)).map(|pair| &pair[1])?;
    let mut words = text(value)?.split(' ');
    words.next()?.parse::<i64>().ok()?;
    let ids = words.map(|word| Uuid::try_parse(word).ok().map(ExecutionId::from_uuid));
    let ids: Vec<ExecutionId> = ids.take(MAX_EXECUTIONS + 1).collect::<Option<_>>()?;
    (1..=MAX_EXECUTIONS).contains(&ids.len()).then_some(ids)
}

/// When an entry was published; `None` if it is malformed.
pub fn published_at(fields: &HashMap<String, Value>) -> Option<DateTime<Utc>> {
    let published = fields.get(FIELD).and_then(text)?.split(' ').next()?;
    DateTime::<Utc>::from_timestamp_micros(published.parse().ok()?)
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
    fn entries_round_trip() {
        let dispatch = |id| Dispatch {
            execution: ExecutionId::from_uuid(Uuid::from_u128(id)),
            workspace: WorkspaceId::from_uuid(Uuid::from_u128(6)),
            shard: 3,
            due_at: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
            traceparent: Some("00-1-2-01".into()),
        };
        let dispatches: Vec<Dispatch> = (1..=MAX_EXECUTIONS as u128).map(dispatch).collect();
        for dispatches in [&dispatches[..1], &dispatches] {
            let written = bulk(&write(dispatches, dispatches[0].due_at));
            assert_eq!(
                published_at(&[(FIELD.to_owned(), written.clone())].into()),
                Some(dispatches[0].due_at)
            );
            let ids = dispatches.iter().map(|dispatch| dispatch.execution).collect();
            assert_eq!(read(&[bulk(FIELD), written]), Some(ids));
        }
    }

    #[test]
    fn malformed_entries_are_refused() {
        let id = "00000000000000000000000000000005";
        let whole = format!("1 {id}");
        assert!(read(&[bulk(FIELD), bulk(&whole)]).is_some());
        assert_eq!(read(&[bulk("executions3"), bulk(&whole)]), None);
        let too_many = format!("1{}", format!(" {id}").repeat(MAX_EXECUTIONS + 1));
        for value in
            ["", "1", id, "1 nonsense", &format!("soon {id}"), &format!("1 {id} nonsense"), &too_many]
        {
            assert_eq!(read(&[bulk(FIELD), bulk(value)]), None, "{value}");
        }
        assert_eq!((read(&[]), read(&[bulk(FIELD)])), (None, None));
    }
}
