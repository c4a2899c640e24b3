//! The request of an attempt, as it was sent: computed again from the version of the job and the execution, because nothing of it is stored.
//!
//! Values of secrets are not known here: the references to them stay. What differs from attempt to attempt and is not recorded is left out.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    address::EgressPolicy,
    chain::{self, Depth},
    id::{ExecutionId, JobId},
    request::{Body, Method, Request},
    secret,
    target::TargetUrl,
    variables::Variables,
    wording::beginning,
};

/// The user agent of all requests.
pub const AGENT: &str = concat!("TrigRun/", env!("CARGO_PKG_VERSION"));
/// Headers of every request that are not computed again: they depend on the time of the attempt, on the signing secret, or on the trace.
pub const LEFT_OUT: [&str; 3] = ["traceparent", "webhook-signature", "webhook-timestamp"];
/// How much of a body is shown. It is also as much as any shell accepts in an argument.
pub const MAX_SHOWN_BODY_BYTES: usize = 64 * 1024;

/// An attempt of an execution, and the request that its version of the job defines.
#[derive(Clone, Debug)]
pub struct SentAttempt {
    pub execution: ExecutionId,
    pub job: JobId,
    pub scheduled_for: DateTime<Utc>,
    pub depth: Depth,
    pub number: u16,
    /// Of the connection; `None` if none was made, or while the attempt runs.
    pub http_version: Option<String>,
    pub request: Request,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SentRequest {
    pub method: Method,
    pub url: String,
    pub headers: Vec<SentHeader>,
    /// At most [`MAX_SHOWN_BODY_BYTES`] of it.
    pub body: Option<String>,
    pub body_truncated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SentHeader {
    pub name: String,
    /// With `secret://name` in the place of the value of a secret.
    pub value: String,
    /// The names of these secrets.
    pub secrets: Vec<String>,
}

/// The headers that a request has unless its job sets them: the executor sends the same.
pub fn default_headers(request: &Request) -> impl Iterator<Item = (&'static str, &'static str)> {
    let content_type = request.body.as_ref().map(Body::content_type);
    let defaults = [("User-Agent", Some(AGENT)), ("Accept", Some("*/*")), ("Content-Type", content_type)];
    let missing = defaults.map(|(name, value)| Some((name, value.filter(|_| !request.headers.has(name))?)));
    missing.into_iter().flatten()
}

impl SentAttempt {
    pub fn request(&self, policy: &EgressPolicy) -> SentRequest {
        let Self { execution, job, scheduled_for, request, .. } = self;
        let variables = Variables { execution: *execution, job: *job, scheduled_for: *scheduled_for };
        let url = variables.render(&request.url);
        let mut headers: Vec<SentHeader> =
            default_headers(request).map(|(name, value)| SentHeader::new(name, value.to_owned())).collect();
        headers.extend(request.headers.iter().map(|(name, value)| {
            // References to secrets were checked when the job was saved.
            let names = secret::references(value).unwrap_or_default();
            let reference = |name: &str| Some(secret::reference(name));
            let filled = secret::fill(value, |text| variables.render(text), reference);
            let secrets = names.into_iter().map(str::to_owned).collect();
            SentHeader { secrets, ..SentHeader::new(name, filled.unwrap_or_default()) }
        }));
        headers.extend(self.own_headers());
        let (body, body_truncated) = match &request.body {
            Some(body) => {
                let rendered = variables.render(body.as_str());
                let shown = beginning(&rendered, MAX_SHOWN_BODY_BYTES);
                (Some(shown.to_owned()), shown.len() < rendered.len())
            }
            None => (None, false),
        };
        // As it was sent: the values of variables are normalised with the rest. A URL that is refused was not sent.
        let url = TargetUrl::parse(&url, policy).map_or_else(|_| url.into_owned(), |url| url.to_string());
        SentRequest { method: request.method, url, headers, body, body_truncated }
    }

    fn own_headers(&self) -> [SentHeader; 6] {
        [
            ("TrigRun-Job-Id", self.job.to_string()),
            ("TrigRun-Execution-Id", self.execution.to_string()),
            ("TrigRun-Attempt", self.number.to_string()),
            (chain::DEPTH_HEADER, chain::next(self.depth).to_string()),
            ("TrigRun-Scheduled-For", self.scheduled_for.to_rfc3339_opts(SecondsFormat::Millis, true)),
            ("webhook-id", self.execution.to_string()),
        ]
        .map(|(name, value)| SentHeader::new(name, value))
    }
}

impl SentHeader {
    fn new(name: &str, value: String) -> Self {
        Self { name: name.to_owned(), value, secrets: Vec::new() }
    }
}

impl SentRequest {
    /// A command for a shell that sends the request, without what was left out; `None` if the body is truncated.
    pub fn curl(&self) -> Option<String> {
        if self.body_truncated {
            return None;
        }
        // Without globbing, curl sends brackets and braces as they are.
        let mut lines = vec![format!("curl --globoff -X {} {}", self.method.as_str(), quoted(&self.url))];
        lines.extend(self.headers.iter().map(|SentHeader { name, value, .. }| {
            // curl removes a header without a value, unless a semicolon follows its name.
            let line = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            format!("-H {}", quoted(&line))
        }));
        lines.extend(self.body.as_deref().map(|body| format!("--data-raw {}", quoted(body))));
        Some(lines.join(" \\\n  "))
    }
}

/// One argument for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
