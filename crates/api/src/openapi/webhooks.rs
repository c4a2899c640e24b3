//! The requests that TrigRun sends: those of jobs, and notifications to channels of type webhook. The executor makes them
//! (`notify::webhook`, `request`); one of its tests checks them against this description.

use serde_json::Value;

const WEBHOOKS: &str = include_str!("../../assets/webhooks.json");

pub fn add(document: &mut Value) {
    let described: Value = serde_json::from_str(WEBHOOKS).unwrap_or_default();
    document["webhooks"] = described["webhooks"].clone();
    for (name, schema) in described["schemas"].as_object().into_iter().flatten() {
        document["components"]["schemas"][name] = schema.clone();
    }
}
