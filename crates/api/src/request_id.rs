//! The id of a request: the client's, if it sent a usable one, or a new one. Every response and every log line has it.

use actix_web::http::header::{HeaderMap, HeaderName};
use uuid::Uuid;

pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_ID_BYTES: usize = 128;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task serves.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

pub async fn scope<T>(id: String, work: impl Future<Output = T>) -> T {
    CURRENT.scope(id, work).await
}

/// Only letters, digits and `-_.` are usable: the id goes into headers and logs.
pub fn of(headers: &HeaderMap) -> String {
    let usable = |id: &&str| {
        !id.is_empty()
            && id.len() <= MAX_ID_BYTES
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = headers.get(&HEADER).and_then(|id| id.to_str().ok()).filter(usable);
    given.map_or_else(|| format!("req_{}", Uuid::new_v4().simple()), str::to_owned)
}
