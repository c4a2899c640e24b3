//! The ETag of a job, and the condition If-Match (RFC 9110 §13.1.1).
//!
//! The tag changes with everything that GET shows: the version, and what TrigRun adds, such as the next run. A client that is only
//! interested in its own changes may write the version alone as the tag.

use actix_web::{HttpRequest, http::header};
use trigrun_core::{
    crypto,
    domain::{invalid::Invalid, job::Job},
};

use super::view::JobView;
use crate::{problem::Problem, result::ApiResult};

/// Of the digest. Two representations of one version have the same tag once in 2⁶⁴ times.
const DIGEST_BYTES: usize = 8;

/// The strong tag of the job as GET shows it.
pub fn etag(job: &Job) -> String {
    // The version stands for the body of the request, which may be large.
    let view = serde_json::to_vec(&JobView::without_body(job)).unwrap_or_default();
    let digest = crypto::digest(&view);
    let hex: String = digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{}-{hex}\"", job.version)
}

/// The tags of an If-Match header.
#[derive(Clone)]
pub struct IfMatch(Vec<String>);

impl IfMatch {
    /// `None` if any job matches. Weak tags, and tags of other resources, never match.
    pub fn of(request: &HttpRequest) -> ApiResult<Option<Self>> {
        let Some(given) = request.headers().get(header::IF_MATCH) else { return Ok(None) };
        let given = given.to_str().unwrap_or_default();
        if given.trim() == "*" {
            return Ok(None);
        }
        let tags: Vec<String> = given.split(',').map(|tag| tag.trim().to_owned()).collect();
        let is_tag = |tag: &String| {
            let opaque = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"');
            opaque.and_then(|opaque| opaque.strip_suffix('"')).is_some()
        };
        if tags.iter().all(is_tag) {
            return Ok(Some(Self(tags)));
        }
        let detail = "must be the ETag of an earlier response, including its quotes";
        Err(Problem::of_field("If-Match", Invalid::new("etag_invalid", detail)))
    }

    pub fn allows(&self, job: &Job) -> bool {
        let (current, version) = (etag(job), format!("\"{}\"", job.version));
        self.0.iter().any(|tag| *tag == current || *tag == version)
    }
}
