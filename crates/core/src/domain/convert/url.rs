//! Plain URLs, one on each line.

use super::{draft::When, finding::Place, output::Output};
use crate::domain::invalid::Invalid;

pub(super) fn read(text: &str, output: &mut Output<'_>) {
    for (index, line) in text.lines().enumerate() {
        let (place, text) = (Place::Line(index + 1), line.trim());
        if text.starts_with('#') {
            output.no_meaning(place, text, "It is a comment.");
        } else if !text.is_empty() {
            output.job(place, text, |job| {
                (job.draft.when, job.draft.state) = (When::OneTime, Some("draft"));
                if text.contains(char::is_whitespace) || !text.contains("://") {
                    let detail = "The line is not a URL.";
                    return Err(Invalid::new("url_invalid", detail).hint("Write one URL on each line."));
                }
                job.url(text)
            });
        }
    }
}
