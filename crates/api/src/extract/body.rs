//! JSON bodies: their media type, their size and the time that they may take.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header,
    web::{self, Bytes},
};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::time::Duration;
use trigrun_core::{
    crypto,
    domain::invalid::{Checked, FieldErrors, Invalid},
};

use crate::{
    capacity::{CallerShare, Capacity, SMALL_BODY_BYTES},
    extract::json::{object_text, read},
    problem::{Problem, ProblemCode},
    result::ApiResult,
    state::State,
};

pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// For operations without authentication: signing up and logging in.
pub const MAX_UNAUTHENTICATED_BODY_BYTES: usize = 16 * 1024;
/// From the head to the last byte of the body. It is shorter than the timeout of a request, so that time remains to handle the request.
const BODY_TIMEOUT: Duration = Duration::from_secs(8);

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
    Problem::new(ProblemCode::BodyIncomplete, detail)
}

/// RFC 9110 §15.5.9.
fn too_slow() -> Problem {
    let detail = format!("The body did not arrive within {} s.", BODY_TIMEOUT.as_secs());
    Problem::new(ProblemCode::BodyTooSlow, detail)
}

fn larger_than(limit: usize) -> Problem {
    let detail = format!("The body is larger than {limit} bytes.");
    Problem::new(ProblemCode::BodyTooLarge, detail)
}

/// One `Content-Type`, JSON in UTF-8 (RFC 8259 §8.1), without a content coding (RFC 9110 §8.4).
fn media_type(request: &HttpRequest) -> ApiResult<()> {
    let refused = |detail| Err(Problem::new(ProblemCode::MediaType, detail));
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

/// A body that may be left out: no body and null are the default of `T`. What is read may have errors, which the handler finishes.
pub struct OptionalBody<T>(pub T, pub FieldErrors);

impl<T: DeserializeOwned + Default + Send + 'static> FromRequest for OptionalBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_empty = content_length(request).is_none_or(|length| length == 0)
            && !request.headers().contains_key(header::TRANSFER_ENCODING);
        if is_empty {
            return Box::pin(async { Ok(Self(T::default(), FieldErrors::default())) });
        }
        let text = JsonText::<MAX_UNAUTHENTICATED_BODY_BYTES>::from_request(request, payload);
        Box::pin(async move {
            let (text, mut errors) = (text.await?, FieldErrors::default());
            let body = match text.bytes.trim_ascii() {
                b"null" => T::default(),
                _ => text.read::<T>(&mut errors).await?,
            };
            Ok(Self(body, errors))
        })
    }
}

/// No body, null or an empty object: an operation that takes nothing says so, instead of ignoring what it does not understand.
pub struct EmptyBody;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Nothing {}

impl FromRequest for EmptyBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = OptionalBody::<Nothing>::from_request(request, payload);
        Box::pin(async move {
            let OptionalBody(Nothing {}, errors) = read.await?;
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

    /// The text after `change`, if that is a change of its object. A text that is none stays as it is, and reading it says so.
    pub(super) fn without(mut self, change: impl FnOnce(&mut Map<String, Value>) -> bool) -> Self {
        // A larger one has other fields, too; it is read on another thread, and refused there.
        if self.large.is_none()
            && let Ok(mut object) = serde_json::from_slice::<Map<String, Value>>(&self.bytes)
            && change(&mut object)
        {
            self.bytes = Value::Object(object).to_string().into();
        }
        self
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

/// The value of a field that must be given.
pub fn required<T>(errors: &mut FieldErrors, pointer: &str, value: Option<T>) -> Checked<T> {
    value.ok_or_else(|| errors.push(pointer, Invalid::new("required", "is required")))
}
