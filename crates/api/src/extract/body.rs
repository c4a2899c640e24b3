//! JSON bodies. What does not fit the struct is taken out and noted with its pointer, so that the rules can judge the rest too.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web::Bytes,
};
use futures_util::future::LocalBoxFuture;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Value, value::RawValue};
use serde_path_to_error::{Path, Segment};
use std::{collections::BTreeMap, fmt, marker::PhantomData};
use trigrun_core::domain::invalid::{FieldErrors, Invalid};

use crate::{problem::Problem, state::Answer};

/// The most that a body may have.
pub const LIMIT: usize = 1024 * 1024;
/// So many fields are reported at once.
const MOST_ERRORS: usize = 50;

/// The text of a JSON body, its media type checked.
pub struct JsonText(Bytes);

impl FromRequest for JsonText {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Answer<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = media_type(request);
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            media_type?;
            let bytes = bytes.await.map_err(|error| match error.as_response_error().status_code() {
                StatusCode::PAYLOAD_TOO_LARGE => too_large(),
                _ => Problem::new(
                    StatusCode::BAD_REQUEST,
                    "body_incomplete",
                    "The body could not be read to its end.",
                ),
            })?;
            Ok(Self(bytes))
        })
    }
}

pub fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("The body is larger than {LIMIT} bytes."),
    )
}

fn media_type(request: &HttpRequest) -> Answer<()> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_patch = request.method() == actix_web::http::Method::PATCH;
    if essence == "application/json" || is_patch && essence == "application/merge-patch+json" {
        return Ok(());
    }
    let detail = "Send the body as JSON, with `Content-Type: application/json`.";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail))
}

impl JsonText {
    /// The text, if it is a JSON object.
    pub fn object(&self) -> Answer<&str> {
        let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "json_invalid", detail);
        let text = std::str::from_utf8(&self.0).map_err(|_| bad("The body is not UTF-8.".into()))?;
        // Not read into values: what is valid JSON may still be no value of Rust's, like 1e999 in a body.
        let value: &RawValue = serde_json::from_str(text).map_err(|error| {
            bad(format!("The body is not JSON: line {}, column {}.", error.line(), error.column()))
        })?;
        if !value.get().starts_with('{') {
            return Err(Problem::of_field("", Invalid::new("wrong_type", "must be a JSON object")));
        }
        Ok(text)
    }
}

/// Notes what is missing.
pub fn required<T>(errors: &mut FieldErrors, pointer: &str, value: Option<T>) -> Option<T> {
    if value.is_none() {
        errors.push(pointer, Invalid::new("required", "is required"));
    }
    value
}

/// A struct that is written as an object, or null: by itself serde would take its fields in a list, too.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_any(Object(PhantomData))
}

/// Names and values, each name once: by itself serde would keep the last value and say nothing.
pub fn each_once<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    struct EachOnce;

    impl<'de> Visitor<'de> for EachOnce {
        type Value = Option<BTreeMap<String, String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                if entries.contains_key(&name) {
                    return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                }
                entries.insert(name, value);
            }
            Ok(Some(entries))
        }
    }
    deserializer.deserialize_any(EachOnce)
}

/// Reads a `T`; what does not fit is noted and left out.
pub fn read<T: DeserializeOwned + Default>(text: &str, errors: &mut FieldErrors) -> T {
    let mut text = text.to_owned();
    for _ in 0..MOST_ERRORS {
        let error = match serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text)) {
            Ok(value) => return value,
            Err(error) => error,
        };
        let (segments, invalid) = explain(&error);
        errors.push(pointer(&segments), invalid);
        let Some(pruned) = prune(&text, &segments) else { break };
        text = pruned;
    }
    T::default()
}

/// Where and what, in words that do not depend on the deserializer.
fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> (Vec<String>, Invalid) {
    let mut segments = segments(error.path());
    let message = error.inner().to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let name = quoted(rest);
        let known: Vec<&str> = rest.split('`').skip(3).step_by(2).collect();
        if segments.last() != Some(&name) {
            segments.push(name.clone());
        }
        return (segments, unknown(&name, &known));
    }
    if let Some(rest) = message.strip_prefix("duplicate field ") {
        let name = quoted(rest);
        if segments.last() != Some(&name) {
            segments.push(name);
        }
        return (segments, Invalid::new("field_twice", "is given twice"));
    }
    let expected = message.rsplit_once("expected ").map_or("another type", |(_, expected)| expected);
    (segments, Invalid::new("wrong_type", format!("must be {}", in_json_words(expected))))
}

fn unknown(name: &str, known: &[&str]) -> Invalid {
    let nearest =
        known.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let invalid = Invalid::new("unknown_field", "there is no such field");
    match nearest.filter(|near| strsim::jaro_winkler(name, near) > 0.8) {
        Some(near) => invalid.hint(format!("did you mean {near}?")),
        None => invalid,
    }
}

fn in_json_words(expected: &str) -> String {
    match expected {
        "a string" | "a borrowed string" | "string" => "a string".into(),
        "i64" | "u32" | "u64" | "i32" => "a whole number".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        struct_name if struct_name.starts_with("struct ") => "an object".into(),
        other => other.to_owned(),
    }
}

fn segments(path: &Path) -> Vec<String> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.clone()),
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// RFC 6901.
fn pointer(segments: &[String]) -> String {
    segments.iter().map(|segment| format!("/{}", escape(segment))).collect()
}

pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// The text without the value at the path; an element of a list takes its list along.
fn prune(text: &str, segments: &[String]) -> Option<String> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let mut at = &mut value;
    let (last, parents) = segments.split_last()?;
    let mut depth = 0;
    for segment in parents {
        if !at.get(segment.as_str()).is_some_and(Value::is_object) {
            break;
        }
        at = at.get_mut(segment.as_str())?;
        depth += 1;
    }
    let key = if depth == parents.len() { last } else { &segments[depth] };
    at.as_object_mut()?.remove(key)?;
    Some(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        name: Option<String>,
        count: Option<i64>,
        list: Option<Vec<i64>>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        flag: Option<bool>,
    }

    fn wrong(text: &str) -> (Outer, Vec<(String, &'static str)>) {
        let mut errors = FieldErrors::default();
        let read = read(text, &mut errors);
        (read, errors.into_vec().into_iter().map(|error| (error.pointer, error.invalid.code)).collect())
    }

    #[test]
    fn everything_that_does_not_fit_is_noted_and_the_rest_is_read() {
        let (read, errors) = wrong(
            r#"{"name": 5, "count": 1.5, "list": [1, "x"], "inner": {"flag": "yes", "flog": 1}, "nmae": 1, "x/y~": 0}"#,
        );
        assert_eq!(read, Outer { inner: Some(Inner { flag: None }), ..Outer::default() });
        let mut errors = errors;
        errors.sort();
        assert_eq!(
            errors,
            [
                ("/count".to_owned(), "wrong_type"),
                ("/inner/flag".to_owned(), "wrong_type"),
                ("/inner/flog".to_owned(), "unknown_field"),
                ("/list/1".to_owned(), "wrong_type"),
                ("/name".to_owned(), "wrong_type"),
                ("/nmae".to_owned(), "unknown_field"),
                ("/x~1y~0".to_owned(), "unknown_field"),
            ]
        );
    }

    #[test]
    fn what_fits_is_read_as_it_is() {
        let (read, errors) = wrong(r#"{"name": "a", "inner": {"flag": true}}"#);
        assert_eq!(
            (read.name.as_deref(), read.inner, errors.len()),
            (Some("a"), Some(Inner { flag: Some(true) }), 0)
        );
        assert_eq!(wrong(r#"{"name": "a", "name": "b"}"#).1, [("/name".to_owned(), "field_twice")]);
    }
}
