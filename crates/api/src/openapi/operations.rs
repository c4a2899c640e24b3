//! The operations, completed by what follows from their kind: error responses, headers, media types, descriptions.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

use super::{each_object, reference};
use crate::routes::V1;

/// Operations of a user, for which no workspace is selected.
const OF_A_USER: [&str; 12] = [
    "accept_invitation",
    "change_email",
    "change_password",
    "confirm_session",
    "create_workspace",
    "delete_other_sessions",
    "delete_session",
    "get_session",
    "list_sessions",
    "list_workspaces",
    "log_out",
    "patch_me",
];

/// Headers of responses, by the name of their component.
const HEADERS: [(&str, &str, &str); 8] = [
    ("ETag", "The version of the object, for If-Match.", "\"3\""),
    ("Idempotent-Replayed", "`true` if the key was used before: nothing was done now.", "true"),
    ("Location", "The path of the object.", "/v1/jobs/job_01k9x2v6m8f5q0c3r7t1w4y6za"),
    ("RateLimit", "What is left of the limit (draft-ietf-httpapi-ratelimit-headers).", "\"token\";r=199;t=1"),
    ("RateLimit-Policy", "The limits (draft-ietf-httpapi-ratelimit-headers).", "\"token\";q=200;w=4"),
    ("Retry-After", "The number of seconds after which to try again.", "2"),
    ("WWW-Authenticate", "The scheme of authentication.", "Bearer"),
    (
        "X-Request-Id",
        "The id of the request: the one that it had, or a new one.",
        "req_01k9x2v6m8f5q0c3r7t1w4y6za",
    ),
];

/// Completes the operations below the path `prefix`: those of tenants, or of operators.
pub fn complete(document: &mut Value, prefix: &str) {
    let is_of_tenants = prefix == V1;
    add_components(document);
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            describe(operation);
            complete_body(method, operation);
            if path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')) {
                add_error_responses(path, operation, is_of_tenants);
            }
            complete_parameters(operation, is_of_tenants);
            complete_responses(operation, is_of_tenants);
        }
    }
    remove_unused(document, "headers");
    remove_unused(document, "parameters");
}

fn remove_unused(document: &mut Value, kind: &str) {
    let mut used = BTreeSet::new();
    each_object(document, &mut |object| {
        used.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned))
    });
    if let Some(components) = document["components"][kind].as_object_mut() {
        components.retain(|name, _| used.contains(&format!("#/components/{kind}/{name}")));
    }
}

fn add_components(document: &mut Value) {
    for (name, description, example) in HEADERS {
        document["components"]["headers"][name] =
            json!({ "description": description, "schema": { "type": "string" }, "example": example });
    }
    document["components"]["parameters"] = json!({
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header",
            "description": "Requests with the same key have their effect once; a repeated one gets the result of the first.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$" },
        },
        "IfMatch": {
            "name": "If-Match", "in": "header",
            "description": "The ETag of the version that the change is based on, or a list of them. If the object has another version, nothing changes, and the response is 412.",
            "schema": { "type": "string" }, "example": "\"3\"",
        },
        "IfNoneMatch": {
            "name": "If-None-Match", "in": "header",
            "description": "`*` only creates the object: if it exists, the response is 412.",
            "schema": { "type": "string" }, "example": "*",
        },
        "Workspace": {
            "name": "TrigRun-Workspace", "in": "header",
            "description": "The id of the workspace, for a user who is a member of several.",
            "schema": { "type": "string" }, "example": "ws_01k9x2v6m8f5q0c3r7t1w4y6za",
        },
    });
}

/// The first sentence is the summary.
fn describe(operation: &mut Value) {
    let text = |key: &str| operation[key].as_str().map(str::to_owned);
    let Some(first) = text("summary") else { return };
    let rest = text("description").map(|rest| format!("\n\n{rest}")).unwrap_or_default();
    operation["description"] = format!("{first}{rest}").into();
    operation["summary"] =
        first.split_once(". ").map_or(first.trim_end_matches('.'), |(first, _)| first).into();
    if operation.get("security").is_none() {
        operation["security"] = json!([]);
    }
}

/// The body of a PATCH is a merge patch (RFC 7396), of which every field is optional.
fn complete_body(method: &str, operation: &mut Value) {
    let Some(body) = operation.get_mut("requestBody") else { return };
    // `Option<T>`: the request may have no body.
    let schema = body.pointer_mut("/content/application~1json/schema");
    let is_optional = schema.is_some_and(|schema| {
        let of = schema["oneOf"].as_array().filter(|of| of.iter().any(|of| of["type"] == "null"));
        let of = of.and_then(|of| of.iter().find(|of| of["$ref"].is_string()).cloned());
        of.map(|of| *schema = of).is_some()
    });
    body["required"] = (!is_optional).into();
    if method == "patch" {
        each_object(body, &mut |object| {
            let target = object.get("$ref").and_then(Value::as_str);
            if let Some(input) = target.and_then(|target| target.strip_suffix("Input")) {
                let patch = format!("{input}Patch");
                object.insert("$ref".into(), patch.into());
            }
        });
        body["content"]["application/merge-patch+json"] = body["content"]["application/json"].clone();
    }
}

/// Error responses that follow from the kind of operation. Those specific to one operation (409, for example) are in its annotation.
fn add_error_responses(path: &str, operation: &mut Value, is_of_tenants: bool) {
    for status in error_statuses(path, operation, is_of_tenants) {
        let known = &mut operation["responses"][status.to_string()];
        if known.is_null() {
            *known = problem();
        }
    }
}

fn error_statuses(path: &str, operation: &Value, is_of_tenants: bool) -> Vec<u16> {
    let mut statuses = vec![429, 500, 503];
    if is_authenticated(operation) {
        // Any operation refuses unknown parameters, and an invalid Host.
        statuses.extend([400, 401, 422]);
    }
    if is_authenticated(operation) && is_of_tenants {
        // TrigRun-Workspace can be missing, or select a workspace that does not exist.
        statuses.extend([403, 404]);
    }
    if operation.get("requestBody").is_some() {
        statuses.extend([400, 408, 413, 415, 422]);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if parameters(operation).any(|parameter| parameter["name"] == "If-Match") {
        statuses.push(412);
    }
    statuses
}

fn parameters(operation: &Value) -> impl Iterator<Item = &Value> {
    operation["parameters"].as_array().into_iter().flatten()
}

fn is_authenticated(operation: &Value) -> bool {
    operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty())
}

fn problem() -> Value {
    json!({ "content": { "application/problem+json": { "schema": reference("schemas", "Problem") } } })
}

fn description(status: &str, is_of_tenants: bool) -> &'static str {
    match status {
        "400" if !is_of_tenants => "The body is not JSON, or a header is invalid.",
        "404" if !is_of_tenants => "There is no such object.",
        "429" if !is_of_tenants => "Too many wrong tokens. Try again after the time in Retry-After.",
        "200" => "The request succeeded.",
        "201" => "The object was created.",
        "202" => "The request was accepted; its result comes later.",
        "204" => "The request succeeded; there is no body.",
        "400" => {
            "The body is not JSON, a header is invalid, or a member of several workspaces has not selected one."
        }
        "401" => "The token is missing, invalid, expired or revoked.",
        "403" => "The token lacks the scope, the user lacks the role, or a quota of the plan is exhausted.",
        "404" => "Not found in the workspace of the token.",
        "408" => "The body did not arrive in time.",
        "409" => "The state of an object does not allow it. `code` says why.",
        "412" => "The object has another version than If-Match asks for.",
        "413" => "The body is too large.",
        "415" => "The body is not declared as JSON.",
        "422" => "Fields, parameters or headers are invalid. `errors` lists all of them.",
        "429" => {
            "Too many requests, or more executions than the plan allows. Try again after the time in Retry-After."
        }
        "500" => "Internal error. It has been logged; report it with the request id.",
        "503" => "TrigRun cannot reach its database. Try again after the time in Retry-After.",
        _ => "",
    }
}

fn complete_parameters(operation: &mut Value, is_of_tenants: bool) {
    let is_of_a_user = OF_A_USER.iter().any(|id| operation["operationId"] == *id);
    let selects_workspace = is_of_tenants && is_authenticated(operation) && !is_of_a_user;
    let mut all: Vec<Value> = parameters(operation).cloned().collect();
    for parameter in &mut all {
        match parameter["name"].as_str() {
            Some("Idempotency-Key") => *parameter = reference("parameters", "IdempotencyKey"),
            Some("If-Match") => *parameter = reference("parameters", "IfMatch"),
            Some("If-None-Match") => *parameter = reference("parameters", "IfNoneMatch"),
            _ => {}
        }
    }
    all.extend(selects_workspace.then(|| reference("parameters", "Workspace")));
    if !all.is_empty() {
        operation["parameters"] = all.into();
    }
}

fn complete_responses(operation: &mut Value, is_of_tenants: bool) {
    let is_limited = is_of_tenants && is_authenticated(operation);
    let has_key = parameters(operation).any(|it| it["$ref"] == "#/components/parameters/IdempotencyKey");
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = description(status, is_of_tenants).into();
        }
        let mut names = vec!["X-Request-Id"];
        if is_limited && status != "401" {
            names.extend(["RateLimit", "RateLimit-Policy"]);
        }
        let schema = &response["content"]["application/json"]["schema"];
        names.extend((*schema == reference("schemas", "Job")).then_some("ETag"));
        names.extend(match status.as_str() {
            "200" if has_key => Some("Idempotent-Replayed"),
            "401" => Some("WWW-Authenticate"),
            "429" | "503" => Some("Retry-After"),
            _ => None,
        });
        let mut headers: Map<String, Value> =
            response.get("headers").and_then(Value::as_object).cloned().unwrap_or_default();
        names.extend(HEADERS.iter().map(|(name, ..)| *name).filter(|name| headers.contains_key(*name)));
        headers.extend(names.into_iter().map(|name| (name.to_owned(), reference("headers", name))));
        response["headers"] = headers.into();
    }
}
