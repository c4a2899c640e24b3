//! The header `Idempotency-Key`: what it names is done once, however often it is sent.

use actix_web::HttpRequest;
use trigrun_core::domain::invalid::{FieldErrors, Invalid};

/// Says that the key had been used before.
pub const REPLAYED: (&str, &str) = ("Idempotent-Replayed", "true");

/// The request's key, if it has one.
pub fn idempotency_key(request: &HttpRequest, errors: &mut FieldErrors) -> Option<String> {
    let given = request.headers().get("idempotency-key")?;
    let printable = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let usable = given.to_str().ok().filter(|key| (1..=255).contains(&key.len())).filter(printable);
    let invalid = || Invalid::new("idempotency_key_invalid", "must have 1 to 255 printable ASCII characters");
    errors.take("Idempotency-Key", usable.map(str::to_owned).ok_or_else(invalid))
}
