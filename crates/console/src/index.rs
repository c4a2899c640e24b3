use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{BasePath, files};

/// What index.html has where the base path belongs.
const BASE_TAG: &str = "<base href=\"/\"";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>TrigRun</title>\
<h1>The console is not part of this build</h1>\
<p>Build it with <code>make console</code> (Node 20), then build the server again.</p>\
<p>The API works without it: see <a href=\"/docs\">its documentation</a>.</p></html>";

/// index.html for a base path.
pub struct Index {
    pub html: String,
    pub etag: String,
}

impl Index {
    pub fn new(base: &BasePath) -> Self {
        let html = match files::find(files::INDEX) {
            // The base path has no sign that would need escaping.
            Some(file) => String::from_utf8_lossy(file.identity).replacen(
                BASE_TAG,
                &format!("<base href=\"{base}\""),
                1,
            ),
            None => NOT_BUILT.to_owned(),
        };
        let mut hasher = DefaultHasher::new();
        html.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        Self { html, etag }
    }
}
