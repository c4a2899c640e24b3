//! The OpenAPI document: the file is current, the server publishes it, and it matches what the server accepts.

use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

use crate::{app::App, contract::document};

#[test]
fn the_file_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(written == trigrun_api::openapi::json(), "docs/openapi.json is not current: run `make openapi`");
}

#[tokio::test]
async fn it_is_served_in_two_versions() {
    let app = App::new().await;
    for (path, text, version) in [
        ("/openapi.json", trigrun_api::openapi::json(), "3.1.0"),
        ("/openapi-3.0.json", trigrun_api::openapi::json_3_0(), "3.0.3"),
    ] {
        let response = app.get(path).await;
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.text, text);
        assert_eq!(response.json()["openapi"], version);
    }
}

#[test]
fn every_operation_lists_its_error_responses() {
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            let has = |status: &str| responses.contains_key(status);
            let is_open = [
                "/v1/auth/signup",
                "/v1/auth/login",
                "/v1/auth/verifications",
                "/v1/auth/password",
                "/v1/auth/email",
                "/v1/instance",
            ]
            .contains(&path.as_str());
            if path.starts_with("/v1/") && !is_open {
                let expected: &[&str] =
                    if path.contains('{') { &["401", "403", "404", "503"] } else { &["401", "403", "503"] };
                assert!(expected.iter().all(|status| has(status)), "{name}");
                assert!(operation["security"][0]["token"].is_array(), "{name}");
            }
            if operation.get("requestBody").is_some() {
                assert!(["400", "413", "415", "422"].iter().all(|status| has(status)), "{name}");
            }
            for (status, response) in responses {
                assert!(
                    response["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{name} {status}"
                );
            }
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{name} {status}");
            }
        }
    }
}

/// Calls `visit` with every object in the value.
fn each_object<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    match value {
        Value::Object(fields) => {
            visit(value);
            fields.values().for_each(|value| each_object(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| each_object(item, visit)),
        _ => {}
    }
}

/// The names of the schemas to which the value refers, directly or indirectly.
fn schemas_of(value: &'static Value, found: &mut BTreeSet<&'static str>) {
    let mut targets = Vec::new();
    each_object(value, &mut |object| targets.extend(object["$ref"].as_str()));
    for target in targets {
        if let Some(name) = target.strip_prefix("#/components/schemas/")
            && found.insert(name)
        {
            schemas_of(&document()["components"]["schemas"][name], found);
        }
    }
}

fn operations() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let paths = document()["paths"].as_object().unwrap().values();
    paths.flat_map(|path| path.as_object().unwrap()).map(|(method, operation)| (method.as_str(), operation))
}

fn is_enum(name: &str) -> bool {
    document()["components"]["schemas"][name]["enum"].is_array()
}

#[test]
fn every_reference_leads_somewhere() {
    let version_3_0: Value = serde_json::from_str(trigrun_api::openapi::json_3_0()).unwrap();
    for document in [document(), &version_3_0] {
        let mut references = Vec::new();
        each_object(document, &mut |object| references.extend(object["$ref"].as_str()));
        assert!(references.len() > 500);
        for reference in references {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        }
    }
}

/// Generated clients send the defaults of a schema, and in a patch these would change fields that the caller did not name. Or they require of
/// the caller what has a default.
#[test]
fn patches_have_their_own_schemas_and_nothing_has_defaults() {
    each_object(document(), &mut |object| assert!(object.get("default").is_none(), "{object}"));
    let mut patches = 0;
    for (_, operation) in operations().filter(|(method, _)| *method == "patch") {
        let content = operation["requestBody"]["content"].as_object().unwrap();
        assert!(content.contains_key("application/merge-patch+json"), "{content:?}");
        let mut names = BTreeSet::new();
        schemas_of(&operation["requestBody"], &mut names);
        names.retain(|name| !is_enum(name));
        for name in &names {
            // A config is not merged: the new one replaces the old one.
            assert!(name.ends_with("Patch") || name.ends_with("ChannelConfigInput"), "{name}");
        }
        patches += 1;
    }
    assert_eq!(patches, 7);
    for name in [
        "JobPatch",
        "RequestPatch",
        "RetryPolicyPatch",
        "SchedulePatch",
        "ChannelPatch",
        "RulePatch",
        "WorkspaceRulePatch",
    ] {
        assert!(document()["components"]["schemas"][name]["required"].is_null(), "{name}");
    }
}

/// Clients must not reject a response with a new field or value, and must notice a field that is written wrongly in a request.
#[test]
fn requests_are_closed_and_responses_are_open() {
    let (mut of_requests, mut of_responses) = (BTreeSet::new(), BTreeSet::new());
    for (_, operation) in operations() {
        schemas_of(&operation["requestBody"], &mut of_requests);
        schemas_of(&operation["responses"], &mut of_responses);
    }
    schemas_of(&document()["webhooks"], &mut of_responses);
    assert!(of_requests.len() > 25 && of_responses.len() > 60, "{of_requests:?} {of_responses:?}");
    for name in of_requests.iter().filter(|name| !is_enum(name)) {
        let schema = &document()["components"]["schemas"][name];
        assert!(
            schema["additionalProperties"] == false || schema["oneOf"].is_array(),
            "{name} is not closed"
        );
        assert!(!of_responses.contains(name), "{name} is for requests and responses");
    }
    for name in of_responses.iter().filter(|name| !is_enum(name)) {
        let schema = &document()["components"]["schemas"][name];
        assert!(schema["additionalProperties"] != false, "{name} is closed");
        each_object(schema, &mut |object| {
            for limit in ["maximum", "maxLength", "maxItems", "pattern"] {
                assert!(object.get(limit).is_none(), "{name} has a limit: {object}");
            }
        });
        each_object(schema, &mut |object| {
            let is_ref = |value: &Value| {
                let target = value["$ref"].as_str().unwrap_or_default();
                is_enum(target.rsplit('/').next().unwrap())
            };
            let is_closed = |field: &Value| field != "anyOf" && is_ref(field);
            let fields = object.as_object().unwrap().values();
            assert!(!fields.clone().any(is_closed), "{name} has a closed enum: {object}");
            if let Some(alternatives) = object["anyOf"].as_array().filter(|all| all.iter().any(is_ref)) {
                assert!(alternatives.iter().any(|one| one["type"] == "string"), "{name}: {object}");
            }
        });
    }
}

fn is_nullable(schema: &Value) -> bool {
    let lists = [&schema["type"], &schema["oneOf"], &schema["anyOf"]].into_iter().filter_map(Value::as_array);
    lists.flatten().any(|item| item == "null" || item["type"] == "null")
}

#[test]
fn null_is_sent_in_place_of_a_value_and_never_required_of_a_client() {
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
        for (field, of_field) in schema["properties"].as_object().into_iter().flatten() {
            let (is_required, is_nullable) = (required.contains(&field.as_str()), is_nullable(of_field));
            if name.ends_with("Input") || name.ends_with("Patch") {
                assert!(!(is_required && is_nullable), "{name}.{field} is required and can be null");
            } else {
                assert!(is_required || !is_nullable, "{name}.{field} can be null and absent");
            }
        }
    }
}

#[test]
fn instants_have_a_format_and_lists_refer_to_their_items() {
    let mut instants = 0;
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        for (field, of_field) in schema["properties"].as_object().into_iter().flatten() {
            let is_instant = field.ends_with("_at")
                || ["scheduled_for", "valid_until", "timestamp", "from", "to", "at", "first", "last"]
                    .contains(&field.as_str());
            let is_text = of_field["type"] == "string" || of_field["type"][0] == "string";
            if is_instant && is_text {
                assert_eq!(of_field["format"], "date-time", "{name}.{field}");
                instants += 1;
            }
        }
        if name.ends_with("List") {
            assert!(schema["properties"]["data"]["items"]["$ref"].is_string(), "{name}");
        }
    }
    assert!(instants > 40, "{instants}");
}

#[test]
fn headers_are_declared() {
    for (_, operation) in operations().filter(|(_, operation)| operation["security"][0].is_object()) {
        let id = operation["operationId"].as_str().unwrap();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<&str> = parameters.filter_map(|parameter| parameter["$ref"].as_str()).collect();
        let has_key = [
            "create_job",
            "create_jobs",
            "import_jobs",
            "run_job_now",
            "replay_execution",
            "bulk_executions",
            "bulk_jobs",
        ]
        .contains(&id);
        assert_eq!(parameters.contains(&"#/components/parameters/IdempotencyKey"), has_key, "{id}");
        let has_header =
            |status: &str, name: &str| operation["responses"][status]["headers"][name].is_object();
        assert!(!has_key || has_header("200", "Idempotent-Replayed"), "{id}");
        assert!(has_header("403", "RateLimit") && has_header("403", "RateLimit-Policy"), "{id}");
        let of_user = [
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
        ]
        .contains(&id);
        assert_eq!(parameters.contains(&"#/components/parameters/Workspace"), !of_user, "{id}");
    }
}

/// What a reader of 3.0 does not know. `make clients` has it checked by other programs.
#[test]
fn version_3_0_has_nothing_of_3_1() {
    let document: Value = serde_json::from_str(trigrun_api::openapi::json_3_0()).unwrap();
    assert!(document["webhooks"].is_null() && document["info"]["license"]["identifier"].is_null());
    each_object(&document, &mut |object| {
        assert!(!object["type"].is_array() && object["type"] != "null", "{object}");
        assert!(object["nullable"].is_null() || object["type"].is_string(), "{object}");
        assert!(object["$ref"].is_null() || object.as_object().unwrap().len() == 1, "{object}");
        for keyword in ["propertyNames", "const", "examples", "contentEncoding", "prefixItems"] {
            assert!(object.get(keyword).is_none(), "{object}");
        }
        if let Some(content) = object["content"].as_object() {
            assert!(content.len() == 1 && !content.keys().any(|name| name.contains('+')), "{object}");
        }
    });
}

/// An operation accepts the query parameters that the document lists, and refuses any other.
#[tokio::test]
async fn operations_accept_the_documented_query_parameters_only() {
    let app = App::new().await;
    let session = app.session("owner").await;
    let document = document();
    let mut with_parameters = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation["security"][0].is_null() {
                continue;
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let documented: Vec<&str> = parameters
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            with_parameters += usize::from(!documented.is_empty());
            let query: String = documented.iter().map(|name| format!("{name}=x&")).collect();
            let path = format!("{}?{query}undocumented=x", path.replace(['{', '}'], "x"));
            let method = method.to_uppercase().parse().unwrap();
            let errors = app.send_as(&session, method, &path, &[], "{}").await.errors();
            let unknown: Vec<_> = errors.iter().filter(|(_, code)| code == "unknown_parameter").collect();
            assert_eq!(unknown, [&("?undocumented".to_owned(), "unknown_parameter".to_owned())], "{path}");
        }
    }
    assert!(with_parameters >= 10, "{with_parameters}");
}
