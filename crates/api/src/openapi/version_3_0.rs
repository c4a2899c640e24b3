//! The document as OpenAPI 3.0, for generators that read no 3.1. It says less, where 3.0 cannot say it: no webhooks, no open enums, and one
//! media type for each body.

use serde_json::{Map, Value, json};

use super::{each_object, reference};

pub fn of(mut document: Value) -> Value {
    document["openapi"] = "3.0.3".into();
    document["info"]["license"] =
        json!({ "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" });
    if let Some(fields) = document.as_object_mut() {
        fields.remove("webhooks");
    }
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.retain(|name, _| !name.starts_with("Webhook"));
    }
    let strings = strings(&document);
    each_object(&mut document, &mut |object| {
        type_of(object);
        alternatives(object, &strings);
        siblings(object);
        media_types(object);
        security(object);
    });
    document
}

/// References to the schemas that are strings.
fn strings(document: &Value) -> Vec<Value> {
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    let strings = schemas.filter(|(_, schema)| schema["type"] == "string");
    strings.map(|(name, _)| reference("schemas", name)).collect()
}

/// A bearer token has no scopes.
fn security(object: &mut Map<String, Value>) {
    if let Some(Value::Array(schemes)) = object.get_mut("security") {
        let scopes = schemes.iter_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
        scopes.for_each(|scopes| *scopes = json!([]));
    }
}

/// `type` is one name. Null is `nullable`.
fn type_of(object: &mut Map<String, Value>) {
    object.remove("propertyNames");
    let Some(Value::Array(types)) = object.get("type") else { return };
    let mut names: Vec<Value> = types.iter().filter(|name| **name != "null").cloned().collect();
    if names.len() < types.len() {
        object.insert("nullable".into(), true.into());
    }
    match names.pop() {
        Some(name) if names.is_empty() => object.insert("type".into(), name),
        _ => object.remove("type"),
    };
}

/// An alternative null is `nullable`, which counts only beside a `type`. Of an enum that is open to other strings, the string remains.
fn alternatives(object: &mut Map<String, Value>, strings: &[Value]) {
    for key in ["oneOf", "anyOf"] {
        let Some(Value::Array(mut items)) = object.remove(key) else { continue };
        let count = items.len();
        items.retain(|item| item["type"] != "null");
        if items.len() < count {
            object.insert("nullable".into(), true.into());
        }
        if let Some(string) = items.iter().find(|item| **item == json!({ "type": "string" })) {
            object.extend(string.as_object().cloned().unwrap_or_default());
        } else if items.len() == 1 && items[0].get("$ref").is_some() {
            let kind = if strings.contains(&items[0]) { "string" } else { "object" };
            object.insert("type".into(), kind.into());
            object.insert("allOf".into(), items.into());
        } else if let [Value::Object(only)] = items.as_slice() {
            object.extend(only.clone());
        } else {
            object.insert(key.into(), items.into());
        }
    }
}

/// A reference has no siblings.
fn siblings(object: &mut Map<String, Value>) {
    if object.len() > 1
        && let Some(target) = object.remove("$ref")
    {
        object.insert("allOf".into(), json!([{ "$ref": target }]));
    }
}

/// Generators of 3.0 know JSON as `application/json` only. Problems have the same form, the server accepts a patch as either, and
/// pages for browsers are left out where there is JSON.
fn media_types(object: &mut Map<String, Value>) {
    if let Some(Value::Object(content)) = object.get_mut("content") {
        content.remove("application/merge-patch+json");
        if let Some(problem) = content.remove("application/problem+json") {
            content.insert("application/json".into(), problem);
        }
        if content.contains_key("application/json") {
            content.remove("text/html");
        }
    }
}
