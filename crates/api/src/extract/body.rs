//! JSON bodies. A field that does not fit the struct is recorded with its pointer and left out, so that the rules can check the other fields.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web::{self, Bytes},
};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use serde_path_to_error::{Path, Segment};
use std::{cell::LazyCell, time::Duration};
use trigrun_core::{
    crypto,
    domain::invalid::{Checked, FieldErrors, Invalid, Violations},
};

use crate::{
    capacity::{CallerShare, Capacity, SMALL_BODY_BYTES},
    extract::field_hints::{self, Shape},
    problem::Problem,
    result::ApiResult,
    state::State,
};

pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// For operations without authentication: signing up and logging in.
pub const MAX_UNAUTHENTICATED_BODY_BYTES: usize = 16 * 1024;
/// From the head to the last byte of the body. It is shorter than the timeout of a request, so that time remains to handle the request.
const BODY_TIMEOUT: Duration = Duration::from_secs(8);
/// The maximum number of fields that one response reports.
pub const MAX_ERRORS: usize = 50;
/// A body is parsed again for each field that does not fit, which occupies the worker. The limit is this many bytes in total, but at least
/// `MIN_ROUNDS` passes.
const MAX_REREAD_BYTES: usize = 2 * 1024 * 1024;
const MIN_ROUNDS: usize = 3;

/// The text of a JSON body of at most `MAX` bytes, its media type checked. Never holds more than that.
pub struct JsonText<const MAX: usize = MAX_BODY_BYTES> {
    bytes: Bytes,
    /// Of a body that is not small.
    large: Option<Large>,
}

struct Large {
    request: HttpRequest,
    capacity: Capacity,
    /// Until the request is handled.
    _share: CallerShare,
}

impl<const MAX: usize> FromRequest for JsonText<MAX> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = media_type(request);
        let length = content_length(request).unwrap_or(MAX);
        let large = large(request, length.min(MAX));
        let payload = web::Payload::from_request(request, payload).into_inner();
        Box::pin(async move {
            media_type?;
            if length > MAX {
                return Err(larger_than(MAX));
            }
            let (payload, large) = (payload.map_err(|_| incomplete())?, large?);
            let bytes = tokio::time::timeout(BODY_TIMEOUT, payload.to_bytes_limited(MAX)).await;
            let bytes = bytes.map_err(|_| too_slow())?.map_err(|_| larger_than(MAX))?;
            Ok(Self { bytes: bytes.map_err(|_| incomplete())?, large })
        })
    }
}

fn content_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Room for a body before it is read.
fn large(request: &HttpRequest, bytes: usize) -> ApiResult<Option<Large>> {
    let state = request.app_data::<web::Data<State>>().filter(|_| bytes > SMALL_BODY_BYTES);
    let Some(state) = state else { return Ok(None) };
    let (capacity, share) = (state.capacity.clone(), state.capacity.bytes(request.headers(), bytes)?);
    Ok(Some(Large { request: request.clone(), capacity, _share: share }))
}

fn incomplete() -> Problem {
    let detail = "The body could not be read to its end.";
    Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", detail)
}

/// RFC 9110 §15.5.9.
fn too_slow() -> Problem {
    let detail = format!("The body did not arrive within {} s.", BODY_TIMEOUT.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
}

fn larger_than(limit: usize) -> Problem {
    let detail = format!("The body is larger than {limit} bytes.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// One `Content-Type`, JSON in UTF-8 (RFC 8259 §8.1), without a content coding (RFC 9110 §8.4).
fn media_type(request: &HttpRequest) -> ApiResult<()> {
    let refused = |detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail));
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return refused("Send the body as it is, without a Content-Encoding.");
    }
    let mut given = request.headers().get_all(header::CONTENT_TYPE);
    let (Some(value), None) = (given.next(), given.next()) else {
        return refused("Send the body as JSON, with one header `Content-Type: application/json`.");
    };
    let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let (essence, parameters) = value.split_once(';').unwrap_or((&value, ""));
    let is_patch = request.method() == actix_web::http::Method::PATCH;
    if essence.trim() != "application/json" && !(is_patch && essence.trim() == "application/merge-patch+json")
    {
        return refused("Send the body as JSON, with `Content-Type: application/json`.");
    }
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    match charset.map(|charset| charset.trim_matches('"')) {
        None | Some("utf-8" | "utf8") => Ok(()),
        Some(_) => refused("Send the body in UTF-8."),
    }
}

/// No body, null or an empty object: an operation that takes nothing says so, instead of ignoring what it does not understand.
pub struct EmptyBody;

impl FromRequest for EmptyBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Nothing {}

        let is_empty = content_length(request).is_none_or(|length| length == 0)
            && !request.headers().contains_key(header::TRANSFER_ENCODING);
        if is_empty {
            return Box::pin(async { Ok(Self) });
        }
        let text = JsonText::<MAX_UNAUTHENTICATED_BODY_BYTES>::from_request(request, payload);
        Box::pin(async move {
            let (text, mut errors) = (text.await?, FieldErrors::default());
            if text.bytes.trim_ascii() != b"null" {
                text.read::<Nothing>(&mut errors).await?;
            }
            errors.finish(Ok(()))?;
            Ok(Self)
        })
    }
}

impl<const MAX: usize> JsonText<MAX> {
    /// Of its value: spaces and the order of names do not count, as far as the value has a representation.
    pub fn digest(&self) -> Vec<u8> {
        digest(&self.bytes)
    }

    /// Reads a `T` from a JSON object, as [`read`] does.
    pub async fn read<T: DeserializeOwned + Send + 'static>(&self, errors: &mut FieldErrors) -> ApiResult<T> {
        let mut taken = std::mem::take(errors);
        let (value, taken) = self.read_with(move |text| Ok((read(text, &mut taken), taken))).await?;
        *errors = taken;
        Ok(value?)
    }

    /// Reads the text of a JSON object: if it is large, on a blocking thread.
    pub async fn read_with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&str) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<T> {
        let Some(Large { request, capacity, .. }) = &self.large else {
            return work(object_text(&self.bytes)?);
        };
        let bytes = self.bytes.clone();
        capacity.compute(request.headers(), move || work(object_text(&bytes)?)).await?
    }
}

/// See [`JsonText::digest`].
pub fn digest(text: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<Value>(text) {
        Ok(value) => crypto::digest(value.to_string().as_bytes()),
        Err(_) => crypto::digest(text),
    }
}

fn object_text(bytes: &[u8]) -> ApiResult<&str> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "json_invalid", detail);
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

/// The value of a field that must be given.
pub fn required<T>(errors: &mut FieldErrors, pointer: &str, value: Option<T>) -> Checked<T> {
    value.ok_or_else(|| errors.push(pointer, Invalid::new("required", "is required")))
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
