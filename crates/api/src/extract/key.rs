//! The header `Idempotency-Key`: requests with the same key have their effect once.

use actix_web::HttpRequest;
use trigrun_core::domain::invalid::{FieldErrors, Invalid};

/// Marks a response to a key that was used before.
pub const REPLAYED: (&str, &str) = ("Idempotent-Replayed", "true");

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
