//! The OpenAPI document: current, served, and complete where that can be checked.

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
    let answer = app.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text, trigrun_api::openapi::json());
    assert!(answer.json()["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_operation_says_what_can_go_wrong() {
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            let has = |status: &str| responses.contains_key(status);
            let is_door = ["/v1/auth/signup", "/v1/auth/login"].contains(&path.as_str());
            if path.starts_with("/v1/") && !is_door {
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
