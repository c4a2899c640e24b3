//! Responses are as the OpenAPI document describes them. [`check`] sees every response to a request of these tests.

use hyper::Method;
use jsonschema::Validator;
use serde_json::{Value, json, value::RawValue};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use crate::app::Response;

pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(trigrun_api::openapi::json()).unwrap());
    &DOCUMENT
}

/// The document of the operator API.
pub fn operator_document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(trigrun_api::openapi::operator_json()).unwrap());
    &DOCUMENT
}

/// A validator for a schema of the document.
fn validator(document: &Value, schema: &Value) -> Arc<Validator> {
    static BUILT: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let build = || {
        let schema = json!({ "allOf": [schema], "components": document["components"] });
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        Arc::new(options.build(&schema).unwrap())
    };
    built.entry(format!("{} {schema}", document["info"]["title"])).or_insert_with(build).clone()
}

/// Panics if the response has another status, media type, header or form than its operation documents. Responses to a path without an operation of
/// the document pass.
#[track_caller]
pub fn check(method: &Method, path: &str, response: &Response) {
    let document = if path.starts_with("/operator/") { operator_document() } else { document() };
    let Some((template, operation)) = operation(document, method, path) else { return };
    let (status, method) = (response.status.as_str(), method.as_str().to_lowercase());
    let name = format!("{method} {template} {status}");
    let documented = &operation["responses"][status];
    assert!(documented.is_object(), "{name} is not documented: {}", response.text);
    for (header, of_header) in documented["headers"].as_object().into_iter().flatten() {
        let is_always_sent = ["Location", "ETag", "X-Request-Id", "Retry-After"].contains(&header.as_str());
        assert!(of_header["$ref"].is_string(), "{name}: {header}");
        assert!(!is_always_sent || response.header(header).is_some(), "{name} has no {header}: {response:?}");
    }
    let Some(content) = documented["content"].as_object() else {
        return assert_eq!(response.text, "", "{name} has a body");
    };
    let media_type = response.header("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default();
    assert!(content.contains_key(media_type), "{name} is {media_type}");
    if media_type.ends_with("json") {
        // Not every JSON has a value: a body of a job is returned as it was written, 1e999 too.
        let Ok(value) = serde_json::from_str(&response.text) else {
            return assert!(
                serde_json::from_str::<&RawValue>(&response.text).is_ok(),
                "{name}: {response:?}"
            );
        };
        let errors: Vec<_> = validator(document, &content[media_type]["schema"])
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?} {value}");
    }
}

/// The operation of a request, and the template of its path. A path without parameters is preferred. A slash at the end has no meaning.
fn operation(
    document: &'static Value,
    method: &Method,
    path: &str,
) -> Option<(&'static str, &'static Value)> {
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let is = |given: &str, wanted: &str| match wanted.strip_prefix('{').and_then(|rest| rest.split_once('}'))
    {
        Some((_, end)) => given.ends_with(end),
        None => given == wanted,
    };
    let fits = |template: &str| {
        let (given, wanted) = (path.split('/'), template.split('/'));
        given.clone().count() == wanted.clone().count()
            && given.zip(wanted).all(|(given, wanted)| is(given, wanted))
    };
    let paths = document["paths"].as_object()?.iter();
    let (template, operations) =
        paths.filter(|(template, _)| fits(template)).min_by_key(|(template, _)| template.contains('{'))?;
    let operation = operations.get(method.as_str().to_lowercase())?;
    Some((template, operation))
}
