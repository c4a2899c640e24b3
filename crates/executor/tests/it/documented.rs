//! The requests that the executor makes are those that the OpenAPI document describes as webhooks.

use serde_json::{Value, json};
use std::{fs, path::Path};
use trigrun_testkit::target::Hit;

/// Panics if the request lacks a header that the document requires, or if its body has another form.
pub fn check(hit: &Hit) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let name = if hit.header("trigrun-job-id").is_some() { "job_request" } else { "notification" };
    let webhook = &document["webhooks"][name]["post"];
    let parameters = webhook["parameters"].as_array().expect("the document has this webhook");
    for parameter in parameters.iter().filter(|parameter| parameter["required"] == true) {
        let header = parameter["name"].as_str().unwrap();
        assert!(hit.header(&header.to_lowercase()).is_some(), "{header}: {hit:?}");
    }
    let schema = &webhook["requestBody"]["content"]["application/json"]["schema"];
    if let Ok(body) = serde_json::from_slice(&hit.body) {
        let schema = json!({ "allOf": [schema], "components": document["components"] });
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema).unwrap().validate(&body).unwrap();
    }
}
