//! The schemas, completed from what the types say.
//!
//! A schema whose name ends in `Input` or `Patch` is for requests: closed, and a required field is not null. Every other one is for responses:
//! open to new fields and values, and a field that can be null is always present. No schema is for both.

use serde_json::{Map, Value, json};

use super::{each_object, reference};

type Schemas = Map<String, Value>;

/// The schemas of a job in a request. A patch and a response have the same fields under other rules.
const JOB: [&str; 4] = ["Job", "Request", "RetryPolicy", "Schedule"];

pub fn complete(document: &mut Value) {
    each_object(document, &mut clean);
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    let Some(schemas) = schemas else { return };
    for (name, schema) in schemas.iter_mut() {
        if is_for_requests(name) {
            require_values(schema);
        }
    }
    // The operator API has none.
    let has_jobs = schemas.contains_key("JobInput");
    if has_jobs {
        add_patches(schemas);
        add_declarations(schemas);
        add_job_responses(schemas);
    }
    let is_enum = |(_, schema): &(&String, &Value)| schema.get("enum").is_some();
    let enums: Vec<String> = schemas.iter().filter(is_enum).map(|(name, _)| pointer(name)).collect();
    for (name, schema) in schemas.iter_mut() {
        if !is_for_requests(name) {
            require_nullable(schema);
            each_object(schema, &mut |object| open_enum(object, &enums));
        }
    }
    if has_jobs {
        add_alternatives(schemas);
    }
    name_lists(document);
}

fn is_for_requests(name: &str) -> bool {
    name.ends_with("Input") || name.ends_with("Patch")
}

/// The description of a nullable reference belongs to the field. Defaults are described: of the keyword, generators make fields that must be
/// given, or fields that are always sent. (The default of a field that is only optional while it is read is null, and says nothing.)
fn clean(object: &mut Map<String, Value>) {
    let default = object.remove("default").filter(|default| !default.is_null());
    let first = object.get_mut("oneOf").and_then(|all| all.get_mut(0)).and_then(Value::as_object_mut);
    let description =
        first.filter(|first| first.contains_key("$ref")).and_then(|it| it.remove("description"));
    if let Some(description) = description {
        object.insert("description".into(), description);
    }
    if let Some(default) = default {
        let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        describe(object, &format!("Default: `{text}`."));
    }
}

/// Adds a sentence to the description.
fn describe(object: &mut Map<String, Value>, sentence: &str) {
    let before = object.get("description").and_then(Value::as_str).unwrap_or_default();
    object.insert("description".into(), format!("{before} {sentence}").trim().into());
}

fn require_values(schema: &mut Value) {
    let required = required(schema);
    for (name, property) in properties(schema) {
        if required.contains(name) {
            remove_null(property);
        }
    }
}

fn require_nullable(schema: &mut Value) {
    let mut names = required(schema);
    let nullable = properties(schema).filter(|(name, schema)| is_nullable(schema) && !names.contains(name));
    let nullable: Vec<String> = nullable.map(|(name, _)| name.clone()).collect();
    names.extend(nullable);
    if !names.is_empty() {
        schema["required"] = json!(names);
    }
}

/// A patch has no required fields: what it does not name stays as it is. Null restores the default, and removes a header.
fn add_patches(schemas: &mut Schemas) {
    for name in JOB {
        let mut patch = schemas[&format!("{name}Input")].clone();
        remove(&mut patch, "required");
        patch["description"] = "The fields to change. Null restores the default of a field.".into();
        JOB.iter().for_each(|name| redirect(&mut patch, &format!("{name}Input"), &format!("{name}Patch")));
        schemas.insert(format!("{name}Patch"), patch);
    }
    schemas["RequestPatch"]["properties"]["headers"]["additionalProperties"] =
        json!({ "type": ["string", "null"] });
}

/// The name of a job that is sent under a key may be left out.
fn add_declarations(schemas: &mut Schemas) {
    let mut declared = schemas["JobInput"].clone();
    let mut names = required(&declared);
    names.retain(|name| name != "name");
    declared["required"] = json!(names);
    let mut applied = declared.clone();
    for (schema, name) in [(&mut declared, "DeclaredJobInput"), (&mut applied, "AppliedJobInput")] {
        schema["description"] = schemas[name]["description"].clone();
        for (field, property) in schemas[name]["properties"].as_object().into_iter().flatten() {
            schema["properties"][field] = property.clone();
        }
    }
    schemas.insert("DeclaredJobInput".into(), declared);
    schemas.insert("AppliedJobInput".into(), applied);
}

/// A response has all fields of a job, with the defaults filled in. A list leaves the body of the request out. The limits are left out: a
/// client must be able to read what a later version allows.
fn add_job_responses(schemas: &mut Schemas) {
    const LIMITS: [&str; 7] =
        ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"];
    const CAN_BE_NULL_OR_ABSENT: [&str; 5] = ["key", "stack", "schedule", "concurrency_limit", "body"];
    let mut fields = Value::Null;
    for name in JOB {
        let mut response = schemas[&format!("{name}Input")].clone();
        remove(&mut response, "additionalProperties");
        let mut required = Vec::new();
        for (name, property) in properties(&mut response) {
            if !CAN_BE_NULL_OR_ABSENT.contains(&name.as_str()) {
                remove_null(property);
                required.push(name.clone());
            }
        }
        response["required"] = json!(required);
        each_object(&mut response, &mut |object| object.retain(|key, _| !LIMITS.contains(&key.as_str())));
        JOB.iter().for_each(|name| redirect(&mut response, &format!("{name}Input"), name));
        redirect(&mut response, "WantedState", "JobState");
        match name {
            "Job" => fields = response,
            _ => drop(schemas.insert(name.into(), response)),
        }
    }
    for name in ["Job", "ImportedJob", "JobDefinition"] {
        schemas[name] = flattened(&schemas[name], &fields);
    }
}

/// One object instead of the two of a type with a flattened field.
fn flattened(schema: &Value, fields: &Value) -> Value {
    let own = schema["allOf"].as_array().and_then(|parts| parts.last()).unwrap_or(schema);
    let mut flat =
        json!({ "type": "object", "description": schema["description"], "properties": own["properties"] });
    let mut names = required(own);
    names.extend(required(fields));
    for (name, property) in fields["properties"].as_object().into_iter().flatten() {
        flat["properties"][name] = property.clone();
    }
    flat["required"] = json!(names);
    flat
}

/// A response may contain other values than those known today.
fn open_enum(object: &mut Map<String, Value>, enums: &[String]) {
    let is_enum =
        |target: &Value| target.as_str().is_some_and(|target| enums.iter().any(|name| name == target));
    if let Some(target) = object.get("$ref").filter(|target| is_enum(target)).cloned() {
        object.remove("$ref");
        object.insert("anyOf".into(), json!([{ "$ref": target }, { "type": "string" }]));
        describe(object, "Later versions may add values.");
    }
}

/// Objects of which the fields depend on a kind become one schema for each kind.
fn add_alternatives(schemas: &mut Schemas) {
    const SCHEDULES: &[(&str, &[&str], &[&str])] = &[
        ("RecurringSchedule", &["every_n_minutes"], &["timezone"]),
        ("CronSchedule", &["cron"], &["timezone"]),
        ("ScheduledSchedule", &["run_at"], &["timezone"]),
    ];
    const SCHEDULE_RESPONSES: &[(&str, &[&str], &[&str])] = &[
        ("RecurringSchedule", &["every_n_minutes"], &[]),
        ("CronSchedule", &["cron", "timezone"], &[]),
        ("ScheduledSchedule", &["run_at"], &[]),
    ];
    const CONFIGS: &[(&str, &[&str], &[&str])] =
        &[("UrlChannelConfig", &["url"], &[]), ("EmailChannelConfig", &["to"], &[])];
    split(schemas, "ScheduleInput", "Input", SCHEDULES);
    split(schemas, "Schedule", "", SCHEDULE_RESPONSES);
    split(schemas, "ChannelConfigInput", "Input", CONFIGS);
    split(schemas, "ChannelConfig", "", CONFIGS);
}

/// Replaces the schema by `oneOf` its kinds, each with its required and its optional fields.
fn split(schemas: &mut Schemas, name: &str, suffix: &str, kinds: &[(&str, &[&str], &[&str])]) {
    let whole = schemas[name].clone();
    for (kind, required, optional) in kinds {
        let mut part = json!({ "type": "object", "required": required, "properties": {} });
        if let Some(closed) = whole.get("additionalProperties") {
            part["additionalProperties"] = closed.clone();
        }
        for field in required.iter().chain(*optional) {
            let mut property = whole["properties"][*field].clone();
            if required.contains(field) {
                remove_null(&mut property);
            }
            part["properties"][*field] = property;
        }
        schemas.insert(format!("{kind}{suffix}"), part);
    }
    let alternatives = kinds.iter().map(|(kind, ..)| reference("schemas", &format!("{kind}{suffix}")));
    let alternatives: Vec<Value> = alternatives.collect();
    schemas[name] = json!({ "description": whole["description"], "oneOf": alternatives });
}

/// `JobList` instead of `ListView_Job`, and a reference to `Job` instead of a copy.
fn name_lists(document: &mut Value) {
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    let Some(schemas) = schemas else { return };
    let derived: Vec<String> = schemas.keys().filter(|name| name.starts_with("ListView_")).cloned().collect();
    let renamed = |name: &str| format!("{}List", name.trim_start_matches("ListView_"));
    for name in &derived {
        let mut schema = schemas.remove(name).unwrap_or_default();
        schema["properties"]["data"]["items"] = reference("schemas", name.trim_start_matches("ListView_"));
        schemas.insert(renamed(name), schema);
    }
    derived.iter().for_each(|name| redirect(document, name, &renamed(name)));
}

fn pointer(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

/// Replaces every reference to the schema `from` by one to `to`.
pub fn redirect(value: &mut Value, from: &str, to: &str) {
    let from = pointer(from);
    each_object(value, &mut |object| {
        if let Some(target) = object.get_mut("$ref").filter(|target| **target == from) {
            *target = pointer(to).into();
        }
    });
}

fn properties(schema: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
}

fn required(schema: &Value) -> Vec<String> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn remove(schema: &mut Value, key: &str) {
    schema.as_object_mut().map(|schema| schema.remove(key));
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null"
}

fn is_nullable(schema: &Value) -> bool {
    let lists = ["type", "oneOf"].into_iter().filter_map(|key| schema[key].as_array());
    lists.flatten().any(|item| item == "null" || is_null(item))
}

fn remove_null(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(mut alternatives)) = fields.remove("oneOf") {
        alternatives.retain(|alternative| !is_null(alternative));
        match alternatives.as_slice() {
            [Value::Object(only)] => fields.extend(only.clone()),
            _ => drop(fields.insert("oneOf".into(), json!(alternatives))),
        }
    }
}
