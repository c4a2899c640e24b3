//! Converts what other schedulers and tools store into jobs: crontabs, curl commands, exports of other services.
//!
//! The result is the bodies of jobs, and findings: whatever the jobs cannot have is reported with its place. A conversion writes
//! nothing, runs nothing and reads nothing but its source. It is faithful and does not improve: what the source does not repeat is not
//! repeated, what it pauses stays paused.

mod builder;
mod command;
mod credentials;
mod cron_job_org;
mod crontab;
mod curl;
mod draft;
mod eventbridge;
mod fields;
mod finding;
mod format;
mod gcp;
mod http;
mod keys;
mod kubernetes;
mod output;
mod qstash;
mod url;
mod vercel;
mod words;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::invalid::{FieldError, Invalid};
use fields::Document;
use output::Output;

pub use credentials::{Credential, Secret};
pub use draft::{Draft, DraftRequest, DraftRetry, Status, When};
pub use finding::{Finding, LeftOut, Level, Place};
pub use format::{AUTO, Format};

/// What the source does not say.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The zone of crontab lines before the first `CRON_TZ=`. The caller has checked it.
    pub timezone: &'a str,
    /// The beginning of URLs of which the source has the path only.
    pub base_url: Option<&'a str>,
    /// The beginning of all keys.
    pub prefix: &'a str,
    /// The URLs to call instead of targets that are no URLs.
    pub map: &'a BTreeMap<String, String>,
    pub now: DateTime<Utc>,
}

/// The jobs of a source, in its order, and what there is to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    pub format: Format,
    pub jobs: Vec<Converted>,
    /// In the order of the source, as far as its parts are read in that order.
    pub findings: Vec<Finding>,
    /// Parts of the source without a meaning here that belong to no job.
    pub left_out: Vec<LeftOut>,
    /// The secrets to create, with the values of the source.
    pub secrets: Vec<Secret>,
    /// How many parts of the source have no meaning here.
    pub meaningless: usize,
}

/// A job, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// Unique in the conversion: 1 to 100 characters of `a-z 0-9 . _ -`; the first is a letter or digit.
    pub key: String,
    pub place: Place,
    /// The line, or the name of the job in its document; long ones are cut.
    pub text: String,
    pub draft: Draft,
    pub credentials: Vec<Credential>,
    /// The parts of the source that this job does not have, with the reasons.
    pub left_out: Vec<LeftOut>,
}

/// What is converted.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    Text(&'a str),
    /// A JSON document.
    Json(&'a str),
}

/// Of a text. Most take less than a hundred bytes, so that the lines of a text could need more memory than the text.
const MAX_LINES: usize = 50_000;

/// Converts a source; `format` is `None` if its content shall tell.
///
/// This takes long for large sources, and for unknown zones: do not call it on an async worker thread.
///
/// # Errors
/// `format_unknown`, `source_invalid`, `source_too_large`, `too_many_jobs`, `too_many_findings`, `required`: about the whole source or
/// the options, with their pointers in the body of the request. Anything about a part of the source is a [`Finding`].
pub fn convert(
    format: Option<Format>,
    source: Source<'_>,
    options: &Options<'_>,
) -> Result<Conversion, FieldError> {
    let at_source = |invalid| FieldError::new("/source", invalid);
    let text = match source {
        Source::Text(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Source::Json(text) => text,
    };
    if matches!(source, Source::Text(_)) && text.lines().nth(MAX_LINES).is_some() {
        let invalid =
            Invalid::new("source_too_large", format!("The source has more than {MAX_LINES} lines."));
        return Err(at_source(invalid.hint("Convert it in parts.")));
    }
    let mut document = match source {
        Source::Json(_) => Some(Document::parse(text).map_err(at_source)?),
        Source::Text(_)
            if format.map_or_else(|| text.trim_start().starts_with(['{', '[']), Format::is_json) =>
        {
            Some(Document::parse(text).map_err(at_source)?)
        }
        Source::Text(_) => None,
    };
    let format = match (format, &document) {
        (Some(format), _) => Some(format),
        (None, Some(document)) => Format::of_document(document.root()),
        (None, None) => Format::of_text(text),
    };
    let format = format.ok_or_else(unknown)?;
    let mut output = Output::new(options);
    match &mut document {
        Some(document) if format.is_json() => read_document(format, document, &mut output)?,
        Some(_) => return Err(at_source(not_text(format))),
        None => read_text(format, text, &mut output),
    }
    if let Some(document) = document {
        output.leftovers(document.remaining());
    }
    output.finish(format).map_err(at_source)
}

fn read_text(format: Format, text: &str, output: &mut Output<'_>) {
    match format {
        Format::Crontab => crontab::read(text, output),
        Format::Url => url::read(text, output),
        Format::Http => http::read(text, output),
        _ => curl::read(text, output),
    }
}

fn read_document(format: Format, document: &mut Document, output: &mut Output<'_>) -> Result<(), FieldError> {
    let root = document.node();
    match format {
        Format::CronJobOrg => cron_job_org::read(root, output),
        Format::Gcp => gcp::read(root, output),
        Format::Eventbridge => eventbridge::read(root, output),
        Format::Qstash => qstash::read(root, output),
        Format::Vercel => return vercel::read(root, output),
        _ => kubernetes::read(root, output),
    }
    Ok(())
}

fn unknown() -> FieldError {
    let invalid = Invalid::new("format_unknown", "The format of the source is not recognised.");
    FieldError::new("/format", invalid.hint(format!("Name it: {}.", Format::names())))
}

fn not_text(format: Format) -> Invalid {
    let detail = format!("The source is JSON, and {} is a text.", format.as_str());
    Invalid::new("source_invalid", detail).hint("Send the text as a string.")
}

#[cfg(test)]
mod tests;
