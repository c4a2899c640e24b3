//! Stream entries: a written entry reads back the same, any other entry is ignored, and no entry carries more than a dispatch
//! message may.
//!
//! Fields: at least 16 bytes of an id, an instant, the number of ids; then name, value, name, value of a foreign entry.

use crate::{fields, first_fields, instant};
use redis::Value;
use std::collections::HashMap;
use trigrun_core::{
    domain::{
        dispatch::Dispatch,
        id::{ExecutionId, WorkspaceId},
    },
    stream::message::{self, MAX_EXECUTIONS},
};
use uuid::Uuid;

pub fn run(input: &[u8]) {
    let [id, at, many] = first_fields(input);
    let first = id.as_bytes().first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
    let due_at = instant(&at);
    let dispatch = |n: usize| Dispatch {
        execution: ExecutionId::from_uuid(Uuid::from_u128(first.wrapping_add(n as u128))),
        workspace: WorkspaceId::from_uuid(Uuid::from_u128(0x5eed_5eed_5eed)),
        shard: 12_345,
        due_at,
        traceparent: None,
    };
    let dispatches: Vec<Dispatch> = (0..=many.len() % MAX_EXECUTIONS).map(dispatch).collect();
    let foreign: Vec<String> = fields(input).skip(3).collect();
    let foreign: Vec<(String, String)> =
        foreign.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    check_written(&dispatches, &foreign);
    check_foreign(&foreign);
}

fn check_written(dispatches: &[Dispatch], foreign: &[(String, String)]) {
    let value = message::write(dispatches, dispatches[0].due_at);
    assert_eq!(value.split(' ').count(), 1 + dispatches.len(), "{value}");
    let published_at = chrono::DateTime::from_timestamp_micros(dispatches[0].due_at.timestamp_micros());
    let ids: Vec<ExecutionId> = dispatches.iter().map(|dispatch| dispatch.execution).collect();
    let written = vec![(message::FIELD.to_owned(), value)];
    // A later version may add fields.
    let with_more = [&written, foreign].concat();
    for entry in [&written, &with_more] {
        for as_value in AS_VALUE {
            assert_eq!(message::read(&pairs(entry, as_value)).as_ref(), Some(&ids));
        }
    }
    for as_value in AS_VALUE {
        assert_eq!(message::published_at(&map(&written, as_value)), published_at);
    }
}

fn check_foreign(entry: &[(String, String)]) {
    let read = AS_VALUE.map(|as_value| message::read(&pairs(entry, as_value)));
    assert_eq!(read[0], read[1], "the same text, however Redis sends it");
    let ours = entry.iter().find(|(name, _)| name == message::FIELD).map(|(_, value)| value.as_str());
    let words: Vec<&str> = ours.map(|value| value.split(' ').collect()).unwrap_or_default();
    let ids = words.split_first().filter(|(published, ids)| {
        published.parse::<i64>().is_ok() && !ids.is_empty() && ids.len() <= MAX_EXECUTIONS
    });
    let ids = ids.and_then(|(_, ids)| {
        ids.iter().map(|id| Uuid::try_parse(id).ok().map(ExecutionId::from_uuid)).collect::<Option<Vec<_>>>()
    });
    assert_eq!(read[0], ids);
    for other in
        [Value::Nil, Value::Okay, Value::Int(1), Value::BulkString(vec![0xff]), Value::Array(Vec::new())]
    {
        let values = [bulk(message::FIELD), other.clone()];
        assert_eq!(message::read(&values), None);
        assert_eq!(message::published_at(&HashMap::from([(message::FIELD.to_owned(), other)])), None);
    }
}

const AS_VALUE: [fn(&str) -> Value; 2] = [bulk, simple];

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn simple(text: &str) -> Value {
    Value::SimpleString(text.to_owned())
}

fn pairs(entry: &[(String, String)], as_value: fn(&str) -> Value) -> Vec<Value> {
    entry.iter().flat_map(|(name, value)| [as_value(name), as_value(value)]).collect()
}

fn map(entry: &[(String, String)], as_value: fn(&str) -> Value) -> HashMap<String, Value> {
    entry.iter().map(|(name, value)| (name.clone(), as_value(value))).collect()
}
