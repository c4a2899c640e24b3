//! The limits and names in the OpenAPI document are those of the server: it accepts the largest value and refuses the next one.

use hyper::Method;
use serde_json::{Value, json};
use std::iter;

use crate::{
    app::{App, Response},
    contract::document,
    executions::{attempt, failed},
    request_tests, stream,
};

/// A value of a field, and whether the document allows it.
struct Trial {
    /// The names that lead to the field.
    path: Vec<String>,
    value: Value,
    is_valid: bool,
}

#[tokio::test]
async fn the_server_has_the_documented_limits_and_names() {
    let app = App::new().await;
    let session = app.session("owner").await;
    let job = app.job(&json!({})).await;
    let channel = json!({ "name": "on call", "type": "email", "config": { "to": ["ops@example.com"] } });
    let channel = app.post("/v1/notification-channels", &channel).await.expect(201);
    let rule = json!({ "channel_id": channel["id"], "event": "on_failure" });
    let of_job = app.post(&format!("/v1/jobs/{job}/notification-rules"), &rule).await.expect(201);
    let of_all = app.post("/v1/notification-rules", &rule).await.expect(201);
    let mut tried = 0;
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            // What a single wrong password means is in the tests of log-ins.
            if schema.is_null() || operation["operationId"] == "log_in" {
                continue;
            }
            let of_channel = path.starts_with("/v1/notification-channels");
            let id = match operation["operationId"].as_str() {
                Some("put_job") => "a-key",
                _ if of_channel => channel["id"].as_str().unwrap(),
                _ if path.starts_with("/v1/notification-rules") => of_all["id"].as_str().unwrap(),
                _ => &job,
            };
            let path = path.replace("{id}", id).replace("{name}", "x");
            let path = path.replace("{rule_id}", of_job["id"].as_str().unwrap());
            let method: Method = method.to_uppercase().parse().unwrap();
            // The channel is one of e-mail, and the key of the job is that of the path.
            let impossible = if id == "a-key" { "key" } else { "url" };
            let is_possible =
                |trial: &Trial| !(path.ends_with(id) && trial.path.ends_with(&[impossible.into()]));
            let is_bulk = operation["operationId"] == "bulk_jobs";
            // A patch is checked with each of the jobs that it changes.
            let is_checked = |trial: &Trial| !is_bulk || trial.path[0] != "patch";
            for trial in trials(schema).into_iter().filter(is_possible).filter(is_checked) {
                let mut body = trial.body();
                if is_bulk && body["tags"].is_array() {
                    body["action"] = json!("add_tags");
                }
                let body = body.to_string();
                let response = app.send_as(&session, method.clone(), &path, &[], &body).await;
                trial.check(&response, &format!("{method} {path} {}", &body[..body.len().min(200)]));
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "{tried}");
}

#[tokio::test]
async fn query_parameters_have_the_documented_limits_and_names() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let run = app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
    let execution = run["id"].as_str().unwrap();
    // It has had an attempt, and a request for an ended execution does not wait.
    let (outcome, next) = failed();
    attempt(&app, execution, outcome, next).await;
    // Nor one for an ended test.
    let test =
        app.post("/v1/tests", &json!({ "request": { "url": "https://example.com/" } })).await.expect(202);
    request_tests::succeed(&app).await;
    let mut tried = 0;
    for (path, operations) in document()["paths"].as_object().unwrap() {
        let id = match path.split('/').nth(2) {
            Some("executions") => execution,
            Some("tests") => test["id"].as_str().unwrap(),
            _ => &job,
        };
        let parameters = operations["get"]["parameters"].as_array().into_iter().flatten();
        // An attempt must exist, too.
        let is_limited = |parameter: &&Value| parameter["in"] == "query" && parameter["name"] != "attempt";
        for parameter in parameters.filter(is_limited) {
            let name = parameter["name"].as_str().unwrap();
            for Trial { value, is_valid, .. } in trials(&parameter["schema"]) {
                let value = match &value {
                    Value::String(text) => text.clone(),
                    Value::Array(items) => vec![job.as_str(); items.len()].join(","),
                    other => other.to_string(),
                };
                let mut path =
                    format!("{}?{name}={value}", path.replace("{id}", id).replace("{version}", "1"));
                if path.starts_with("/v1/jobs/activity?runs") {
                    path += &format!("&ids={job}");
                }
                // A stream lasts as long as it was asked to.
                if let Some(query) = path.strip_prefix("/v1/stream") {
                    let status = stream::open(&app, query, &app.token, None).await.status();
                    assert_eq!(status == 200, is_valid, "{path}: {status}");
                } else {
                    let response = app.get(&path).await;
                    assert_eq!(response.status.as_u16() == 200, is_valid, "{path}: {}", response.text);
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

impl Trial {
    /// The field, and those without which the server does not look at it.
    fn body(&self) -> Value {
        let mut body = match self.path.last().map(String::as_str) {
            Some("every_n_minutes") => json!({ "kind": "recurring" }),
            Some("to") => json!({ "type": "email" }),
            Some("url") if self.path[0] == "config" => json!({ "type": "webhook" }),
            Some("after_failures") => json!({ "event": "on_failure" }),
            _ => json!({}),
        };
        let mut at = &mut body;
        for name in &self.path {
            at = &mut at[name];
        }
        *at = self.value.clone();
        body
    }

    fn check(&self, response: &Response, name: &str) {
        let pointer = format!("/{}", self.path.join("/"));
        let errors = match response.status.as_u16() {
            422 => response.errors(),
            _ => Vec::new(),
        };
        let is_refused = errors.iter().any(|(at, _)| at.starts_with(&pointer));
        assert_eq!(!is_refused, self.is_valid, "{name}: {}", response.text);
    }
}

/// Trials for every field of a schema.
fn trials(schema: &Value) -> Vec<Trial> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found);
    found
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Trial>) {
    if let Some(target) = schema["$ref"].as_str() {
        return collect(document().pointer(&target[1..]).unwrap(), path, found);
    }
    schema["oneOf"].as_array().into_iter().flatten().for_each(|schema| collect(schema, path, found));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        collect(property, path, found);
        path.pop();
    }
    let mut add = |value: Value, is_valid| found.push(Trial { path: path.clone(), value, is_valid });
    for name in schema["enum"].as_array().into_iter().flatten() {
        add(name.clone(), true);
        add(json!(format!("no_{}", name.as_str().unwrap())), false);
    }
    for (value, is_valid) in at_bounds(schema) {
        add(value, is_valid);
    }
    for items in alternatives(&schema["items"]) {
        for (item, is_valid) in at_bounds(items) {
            add(json!([item]), is_valid);
        }
    }
}

/// The schema itself, and those of which a value fits one.
fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    iter::once(schema).chain(schema["oneOf"].as_array().into_iter().flatten())
}

/// The values at the limits of a schema, which are valid, and those beyond them.
fn at_bounds(schema: &Value) -> Vec<(Value, bool)> {
    let mut values = Vec::new();
    for (bound, step) in [("minimum", -1), ("maximum", 1)] {
        if let Some(bound) = schema[bound].as_i64() {
            values.extend([(json!(bound), true), (json!(bound + step), false)]);
        }
    }
    for (bound, step) in [("minLength", -1), ("maxLength", 1), ("minItems", -1), ("maxItems", 1)] {
        let Some(bound) = schema[bound].as_i64() else { continue };
        let of_length = |length: i64| value_of_length(schema, usize::try_from(length).unwrap());
        // An address of the maximum length must have a domain of several labels, and these lists have texts and numbers, not objects.
        if schema["maxLength"] != 254 && schema["items"]["$ref"].is_null() {
            values.push((of_length(bound), true));
        }
        values.push((of_length(bound + step), false));
    }
    values
}

/// A list or a text: of a URL, a longer one.
fn value_of_length(schema: &Value, length: usize) -> Value {
    let example = &schema["example"];
    if !schema["maxItems"].is_null() || !schema["minItems"].is_null() {
        let takes_numbers = alternatives(&schema["items"]).any(|items| items["type"] == "integer");
        let item = if takes_numbers { &json!(200) } else { &example[0] };
        let item = if item.is_null() { &json!("a") } else { item };
        return json!(vec![item; length]);
    }
    let url = "https://example.com/";
    let start = if schema["maxLength"] == 2048 { url } else { "" };
    json!(format!("{start}{}", "a".repeat(length.saturating_sub(start.len()))))
}
