//! The header `Idempotency-Key`: requests with the same key have their effect once.

use actix_web::{HttpRequest, HttpResponseBuilder};
use trigrun_core::domain::invalid::{FieldErrors, Invalid};

/// Marks a response to a key that was used before.
const REPLAYED: (&str, &str) = ("Idempotent-Replayed", "true");
/// Marks a response to a key that was used for another request.
const DIFFERS: (&str, &str) = ("Idempotent-Request-Differs", "true");

/// The key of a request was used before: the response is what the first request created.
#[derive(Clone, Copy, Debug)]
pub struct Earlier {
    /// The first request was another one.
    pub differs: bool,
}

impl Earlier {
    /// Marks the response. Returns a warning if the first request was another one.
    pub fn describe(self, response: &mut HttpResponseBuilder) -> Option<String> {
        response.insert_header(REPLAYED);
        if !self.differs {
            return None;
        }
        response.insert_header(DIFFERS);
        Some("The Idempotency-Key was used before, by a different request. This is what that request created; this one has changed nothing.".to_owned())
    }
}

const MAX_KEY_BYTES: usize = 255;

/// The request's key, if it has one.
pub fn idempotency_key(request: &HttpRequest, errors: &mut FieldErrors) -> Option<String> {
    let given = request.headers().get("idempotency-key")?;
    let printable = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let usable = given.to_str().ok().filter(|key| (1..=MAX_KEY_BYTES).contains(&key.len())).filter(printable);
    let detail = format!("must have 1 to {MAX_KEY_BYTES} printable ASCII characters");
    let invalid = || Invalid::new("idempotency_key_invalid", detail);
    errors.take("Idempotency-Key", usable.map(str::to_owned).ok_or_else(invalid)).ok()
}
