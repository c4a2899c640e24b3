//! Stream entries: what is written is read again, anything else is a bell for nobody, and none says more than a doorbell may.
//!
//! Fields: 16 bytes or more of an id, an instant, a trace context; then name, value, name, value of a foreign entry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis::Value;
use std::collections::HashMap;
use trigrun_core::{
    domain::{
        bell::Bell,
        id::{ExecutionId, WorkspaceId},
    },
    stream::message,
};
use trigrun_fuzz::{fields, first_fields, instant};
use uuid::Uuid;

fuzz_target!(|input: &[u8]| {
    let [id, at, traceparent] = first_fields(input);
    let execution = id.as_bytes().first_chunk().map_or(Uuid::nil(), |bytes| Uuid::from_bytes(*bytes));
    let due_at = instant(&at);
    let bell = Bell {
        execution: ExecutionId::from_uuid(execution),
        workspace: WorkspaceId::from_uuid(Uuid::from_u128(0x5eed_5eed_5eed)),
        shard: 12_345,
        due_at,
        traceparent: Some(traceparent).filter(|traceparent| !traceparent.is_empty()),
    };
    let foreign: Vec<String> = fields(input).skip(3).collect();
    let foreign = foreign.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
    let foreign: HashMap<String, String> = foreign.collect();
    check_written(&bell, &foreign);
    check_foreign(&foreign);
});

fn check_written(bell: &Bell, foreign: &HashMap<String, String>) {
    let fields = message::fields(bell, bell.due_at);
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let expected = ["v", "kind", "id", "due", "rung", "tp"];
    assert_eq!(names, expected[..5 + usize::from(bell.traceparent.is_some())]);
    let written: HashMap<String, String> =
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let rung_at = chrono::DateTime::from_timestamp_micros(bell.due_at.timestamp_micros());
    // A later version may say more.
    let mut with_more = foreign.clone();
    with_more.extend(written.clone());
    for entry in [&written, &with_more] {
        for as_value in AS_VALUE {
            assert_eq!(message::read(&values(entry, as_value)), Some(bell.execution));
            assert_eq!(message::rung_at(&values(entry, as_value)), rung_at);
        }
    }
    for needed in ["v", "kind", "id"] {
        let mut entry = written.clone();
        entry.remove(needed);
        assert_eq!(message::read(&values(&entry, bulk)), None, "without {needed}");
    }
}

fn check_foreign(entry: &HashMap<String, String>) {
    let read = AS_VALUE.map(|as_value| message::read(&values(entry, as_value)));
    assert_eq!(read[0], read[1], "the same text, however Redis sends it");
    let field = |name: &str| entry.get(name).map(String::as_str);
    let id = field("id").and_then(|id| Uuid::try_parse(id).ok());
    let is_ours = field("v") == Some("1") && field("kind") == Some("execution");
    assert_eq!(read[0], id.filter(|_| is_ours).map(ExecutionId::from_uuid));
    let rung = field("rung").and_then(|rung| rung.parse().ok());
    let rung = rung.and_then(chrono::DateTime::from_timestamp_micros);
    assert_eq!(message::rung_at(&values(entry, bulk)), rung);
    for other in
        [Value::Nil, Value::Okay, Value::Int(1), Value::BulkString(vec![0xff]), Value::Array(Vec::new())]
    {
        let entry = entry.keys().map(|name| (name.clone(), other.clone())).collect();
        assert_eq!((message::read(&entry), message::rung_at(&entry)), (None, None));
    }
}

const AS_VALUE: [fn(&str) -> Value; 2] = [bulk, simple];

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn simple(text: &str) -> Value {
    Value::SimpleString(text.to_owned())
}

fn values(entry: &HashMap<String, String>, as_value: fn(&str) -> Value) -> HashMap<String, Value> {
    entry.iter().map(|(name, value)| (name.clone(), as_value(value))).collect()
}
