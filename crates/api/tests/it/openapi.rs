//! The OpenAPI document: the file is current, the server publishes it, and it matches what the server accepts.

use serde_json::Value;
use std::{fs, path::Path};

use crate::app::App;

fn document() -> Value {
    serde_json::from_str(trigrun_api::openapi::json()).unwrap()
}

#[test]
fn the_file_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(written == trigrun_api::openapi::json(), "docs/openapi.json is not current: run `make openapi`");
}

#[tokio::test]
async fn it_is_served() {
    let app = App::new().await;
    let response = app.get("/openapi.json").await;
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.text, trigrun_api::openapi::json());
    assert!(response.json()["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_operation_lists_its_error_responses() {
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            let has = |status: &str| responses.contains_key(status);
            let is_sign_in = ["/v1/auth/signup", "/v1/auth/login"].contains(&path.as_str());
            if path.starts_with("/v1/") && !is_sign_in {
                let expected: &[&str] =
                    if path.contains('{') { &["401", "403", "404", "503"] } else { &["401", "403", "503"] };
                assert!(expected.iter().all(|status| has(status)), "{name}");
                assert!(operation["security"][0]["token"].is_array(), "{name}");
            }
            if operation.get("requestBody").is_some() {
                assert!(["400", "413", "415", "422"].iter().all(|status| has(status)), "{name}");
            }
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{name} {status}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let (document, mut references) = (document(), Vec::new());
    walk(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
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
            if operation["security"].is_null() {
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
