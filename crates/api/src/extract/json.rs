//! JSON texts: a field that does not fit the struct is recorded with its pointer and left out, so that the rules can check the other fields.

use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};
use serde_path_to_error::{Path, Segment};
use std::cell::LazyCell;
use trigrun_core::domain::invalid::{FieldErrors, Invalid, Violations};

use super::field_hints::{self, Shape};
use crate::{
    problem::{Problem, ProblemCode},
    result::ApiResult,
};

/// The maximum number of fields that one response reports.
pub const MAX_ERRORS: usize = 50;
/// A body is parsed again for each field that does not fit, which occupies the worker. The limit is this many bytes in total, but at least
/// `MIN_ROUNDS` passes.
const MAX_REREAD_BYTES: usize = 2 * 1024 * 1024;
const MIN_ROUNDS: usize = 3;

/// The text of a JSON object.
pub fn object_text(bytes: &[u8]) -> ApiResult<&str> {
    let bad = |detail: String| Problem::new(ProblemCode::JsonInvalid, detail);
    let text = std::str::from_utf8(bytes).map_err(|_| bad("The body is not UTF-8.".into()))?;
    if text.trim().is_empty() {
        return Err(bad("The body is empty. Send a JSON object.".into()));
    }
    // A RawValue, because valid JSON may have no value in Rust, such as 1e999 in a request's body.
    let value: &RawValue = serde_json::from_str(text).map_err(|error| {
        let (what, line, column) = (syntax_error(&error.to_string()), error.line(), error.column());
        bad(format!("The body is not JSON: {what} at line {line}, column {column}."))
    })?;
    if !value.get().starts_with('{') {
        return Err(Problem::of_field("", Invalid::new("wrong_type", "must be a JSON object")));
    }
    Ok(text)
}

/// The error of a JSON text, in words that do not depend on the parser.
fn syntax_error(message: &str) -> &'static str {
    const WORDS: [(&str, &str); 11] = [
        ("EOF", "the text ends too early"),
        ("trailing comma", "nothing follows a comma"),
        ("trailing characters", "there is text after the value"),
        ("key must be a string", "a name in double quotes is missing"),
        ("expected `:`", "a colon is missing"),
        ("expected `,` or `}`", "a comma or } is missing"),
        ("expected `,` or `]`", "a comma or ] is missing"),
        ("control character", "a string has a line break or another control character"),
        ("escape", "a string has an unknown escape"),
        ("invalid number", "a number cannot be read"),
        ("recursion limit", "the value is nested too deeply"),
    ];
    WORDS.iter().find(|(known, _)| message.contains(known)).map_or("a value is missing", |(_, words)| words)
}

/// Reads a `T`. A field that does not fit is recorded and left out. Fails when too many do not fit, or one cannot be left out: the response
/// then reports the errors recorded so far, and no rule is applied.
pub fn read<T: DeserializeOwned>(text: &str, errors: &mut FieldErrors) -> Result<T, Violations> {
    let mut text = text.to_owned();
    let shape = LazyCell::new(Shape::of::<T>);
    let mut rounds = (MAX_REREAD_BYTES / text.len().max(1)).clamp(MIN_ROUNDS, MAX_ERRORS);
    loop {
        let error = match serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text)) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let (segments, invalid) = explain(&error, &shape);
        let rejected = errors.push(pointer(&segments), invalid);
        rounds -= 1;
        match prune(&text, &segments) {
            Some(pruned) if rounds > 0 => text = pruned,
            _ => return std::mem::take(errors).finish(Err(rejected)),
        }
    }
}

/// The path and the error, in words that do not depend on the deserializer.
fn explain(error: &serde_path_to_error::Error<serde_json::Error>, shape: &Shape) -> (Vec<String>, Invalid) {
    let mut segments = segments(error.path());
    let message = error.inner().to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let name = quoted(rest);
        if segments.last() != Some(&name) {
            segments.push(name);
        }
        let invalid = Invalid::new("unknown_field", "is not a known field");
        let invalid = with_hint(invalid, shape.hint(&segments));
        return (segments, invalid);
    }
    if let Some(rest) = message.strip_prefix("duplicate field ") {
        let name = quoted(rest);
        if segments.last() != Some(&name) {
            segments.push(name);
        }
        return (segments, Invalid::new("field_twice", "is given twice"));
    }
    // Well-formed but not representable: the grammar of JSON allows numbers and strings that have no value.
    let unrepresentable = [
        ("surrogate", "holds half of a character that UTF-16 writes as two"),
        ("hex escape", "holds half of a character that UTF-16 writes as two"),
        ("number out of range", "is a number that is too large"),
        ("recursion limit", "is nested too deeply"),
    ];
    if let Some((_, detail)) = unrepresentable.iter().find(|(known, _)| message.contains(known)) {
        return (segments, Invalid::new("unreadable", *detail));
    }
    let expected = message.rsplit_once("expected ").map_or("another type", |(_, expected)| expected);
    let invalid = Invalid::new("wrong_type", format!("must be {}", in_json_words(expected)));
    let invalid = with_hint(invalid, field_hints::wrong_type(&segments, message));
    (segments, invalid)
}

fn with_hint(invalid: Invalid, hint: Option<String>) -> Invalid {
    match hint {
        Some(hint) => invalid.hint(hint),
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

/// The text without the value at the path. For an element of a list, the whole list is removed.
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
    use serde::Deserialize;

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

    #[test]
    fn unrepresentable_values_are_unreadable() {
        for (text, detail) in [
            (r#"{"count": 1e999}"#, "is a number that is too large"),
            (r#"{"name": "\ud800"}"#, "holds half of a character that UTF-16 writes as two"),
            (r#"{"name": "\udc00x"}"#, "holds half of a character that UTF-16 writes as two"),
        ] {
            let error =
                serde_path_to_error::deserialize::<_, Outer>(&mut serde_json::Deserializer::from_str(text));
            let (at, invalid) = explain(&error.unwrap_err(), &Shape::of::<Outer>());
            assert_eq!(
                (at.len(), invalid.code, invalid.detail.as_ref()),
                (1, "unreadable", detail),
                "{text}"
            );
            // The field cannot be left out, so no rule is applied.
            assert!(read::<Outer>(text, &mut FieldErrors::default()).is_err());
        }
    }

    fn read_with_errors(text: &str) -> (Outer, Vec<(String, &'static str)>) {
        let mut errors = FieldErrors::default();
        let read = read(text, &mut errors).unwrap();
        (read, errors.into_vec().into_iter().map(|error| (error.pointer, error.invalid.code)).collect())
    }

    #[test]
    fn every_field_that_does_not_fit_is_recorded_and_the_others_are_read() {
        let (read, errors) = read_with_errors(
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
    fn valid_fields_are_read_unchanged() {
        let (read, errors) = read_with_errors(r#"{"name": "a", "inner": {"flag": true}}"#);
        assert_eq!(
            (read.name.as_deref(), read.inner, errors.len()),
            (Some("a"), Some(Inner { flag: Some(true) }), 0)
        );
        assert_eq!(
            read_with_errors(r#"{"name": "a", "name": "b"}"#).1,
            [("/name".to_owned(), "field_twice")]
        );
    }
}
