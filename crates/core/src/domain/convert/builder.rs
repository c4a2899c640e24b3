//! A job while it is being made from its source: the rules that all formats share.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};

use super::{
    draft::{Draft, MAX_TIMEOUT_SECONDS, When},
    finding::{LeftOut, Level, Part, Place, cut},
};
use crate::domain::{invalid::Invalid, schedule::Cron, variables};

/// More cannot be in one job, and each is compared with the others.
const MAX_HEADERS: usize = 64;
const MAX_ATTEMPTS: u32 = 10;
const MAX_NAME_CHARS: usize = 200;
/// A job has at most as many notes: the rest of its source is hardly a request.
const MAX_NOTES: usize = 500;

/// What is known of a job so far, and what there is to say about it.
pub(super) struct Builder {
    pub(super) draft: Draft,
    pub(super) place: Place,
    pub(super) notes: Vec<(Level, Place, Invalid)>,
    pub(super) left_out: Vec<LeftOut>,
}

impl Builder {
    pub(super) fn new(place: Place) -> Self {
        Self { draft: Draft::default(), place, notes: Vec::new(), left_out: Vec::new() }
    }

    pub(super) fn changed(&mut self, part: impl Into<Part>, why: Invalid) {
        let place = self.place_of(part.into());
        self.notes.push((Level::Changed, place, why));
    }

    pub(super) fn secret(&mut self, part: impl Into<Part>, why: Invalid) {
        let place = self.place_of(part.into());
        self.notes.push((Level::Secret, place, why));
    }

    /// Whether there is so much to say that there will be no job.
    fn is_full(&self) -> bool {
        self.notes.len() + self.left_out.len() > MAX_NOTES
    }

    /// Something that the job should have and does not have.
    pub(super) fn lost(&mut self, part: impl Into<Part>, why: Invalid) {
        if self.is_full() {
            return;
        }
        let part = part.into();
        let (text, place) = (part.text.clone(), self.place_of(part));
        self.left_out.push(LeftOut { place: place.clone(), text, why: why.detail.clone() });
        self.notes.push((Level::Lost, place, why));
    }

    /// Something that says nothing about a job here.
    pub(super) fn no_meaning(&mut self, part: impl Into<Part>, why: &str) {
        if self.is_full() {
            return;
        }
        let part = part.into();
        let (text, place) = (part.text.clone(), self.place_of(part));
        self.left_out.push(LeftOut { place, text, why: why.to_owned() });
    }

    fn place_of(&self, part: Part) -> Place {
        part.place.unwrap_or_else(|| self.place.clone())
    }

    /// A name from the source, as far as a job can have it.
    pub(super) fn name(&mut self, name: &str) {
        let plain: String = name.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        self.draft.name = plain.trim().chars().take(MAX_NAME_CHARS).collect();
        if plain.trim().chars().count() > MAX_NAME_CHARS {
            let detail = format!("The name has more than {MAX_NAME_CHARS} characters; it was shortened.");
            self.changed("name", Invalid::new("name_shortened", detail));
        }
    }

    pub(super) fn cron(
        &mut self,
        expression: &str,
        timezone: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Invalid> {
        let cron = Cron::parse(expression, timezone).map_err(|errors| errors.into_first().invalid)?;
        cron.check_fires(now).map_err(|never| never.invalid)?;
        self.draft.when = When::Cron { cron: expression.to_owned(), timezone: cron.timezone().to_owned() };
        Ok(())
    }

    /// A header that the source sends.
    pub(super) fn header(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "host" => self.host(value)?,
            "content-length" | "connection" | "keep-alive" | "transfer-encoding" | "te" | "trailer"
            | "upgrade" | "expect" | "via" | "http2-settings" => {
                self.no_meaning(name, "TrigRun sets this header for each request.");
            }
            _ if is_of_trigrun(&lower) => {
                let detail = format!("The header {name} is one of TrigRun's own, and cannot be given.");
                self.lost(name, Invalid::new("header_reserved", detail));
            }
            _ if self.has_header(&lower) => {
                let detail = format!("The header {name} has several values. The first is kept.");
                self.lost(name, Invalid::new("header_twice", detail).hint("Join the values in one header."));
            }
            _ if self.draft.request.headers.len() == MAX_HEADERS => {
                let detail = format!("The request has more than {MAX_HEADERS} headers.");
                return Err(Invalid::new("too_many_headers", detail));
            }
            _ => self.draft.request.headers.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    pub(super) fn has_header(&self, name: &str) -> bool {
        self.draft.request.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// A header that the source's program adds, unless the source has it.
    pub(super) fn default_header(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        if self.has_header(name) { Ok(()) } else { self.header(name, value) }
    }

    fn host(&mut self, value: &str) -> Result<(), Invalid> {
        if host_of(&self.draft.request.url).is_some_and(|host| host.eq_ignore_ascii_case(value.trim())) {
            self.no_meaning("Host", "It is the host of the URL.");
            return Ok(());
        }
        Err(Invalid::new("header_host", "The header Host names another host than the URL.")
            .hint("Write the host that is to be called into the URL."))
    }

    /// RFC 7617. The value becomes a secret like that of any other such header.
    pub(super) fn basic(&mut self, user_and_password: &str) -> Result<(), Invalid> {
        self.header("Authorization", &format!("Basic {}", BASE64_STANDARD.encode(user_and_password)))
    }

    /// Takes user information and fragment out of a URL: the one becomes a header, the other is never sent.
    pub(super) fn url(&mut self, url: &str) -> Result<(), Invalid> {
        let (url, fragment) = url.split_once('#').map_or((url, None), |(url, rest)| (url, Some(rest)));
        if fragment.is_some() {
            self.no_meaning("# in the URL", "The part of a URL after # is never sent.");
        }
        let start = url.find("://").map_or(0, |at| at + 3);
        let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
        let Some(at) = url[start..end].rfind('@') else {
            self.draft.request.url = url.to_owned();
            return Ok(());
        };
        let user = percent_decoded(&url[start..start + at]).ok_or_else(|| {
            Invalid::new("url_userinfo", "The user name or password in the URL is not valid UTF-8.")
        })?;
        self.draft.request.url = format!("{}{}", &url[..start], &url[start + at + 1..]);
        self.basic(&if user.contains(':') { user } else { format!("{user}:") })
    }

    /// The time limit of an attempt, in seconds.
    pub(super) fn timeout(&mut self, part: impl Into<Part>, seconds: f64) {
        let max = f64::from(MAX_TIMEOUT_SECONDS);
        if seconds > max {
            let detail = format!("The time limit is over {MAX_TIMEOUT_SECONDS} s; it was lowered to that.");
            let why = Invalid::new("timeout_lowered", detail);
            self.changed(part, why.hint("Let the target answer at once, and work afterwards."));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 300")]
        let wanted = seconds.ceil().clamp(1.0, max) as u16;
        // Two limits: the shorter one decides.
        self.draft.request.timeout_seconds = wanted.min(self.draft.request.timeout_seconds);
    }

    pub(super) fn attempts(&mut self, part: impl Into<Part>, attempts: u64) {
        let wanted = u32::try_from(attempts).unwrap_or(u32::MAX).max(1);
        if wanted > MAX_ATTEMPTS {
            let detail = format!("More than {MAX_ATTEMPTS} attempts; lowered to {MAX_ATTEMPTS}.");
            self.changed(part, Invalid::new("attempts_lowered", detail));
        }
        self.draft.retry_policy.max_attempts = wanted.min(MAX_ATTEMPTS);
    }

    pub(super) fn tag(&mut self, part: impl Into<Part>, tag: &str) {
        let is_tag =
            !tag.trim().is_empty() && tag.chars().count() <= 64 && !tag.chars().any(char::is_control);
        if is_tag && self.draft.tags.len() < 20 {
            self.draft.tags.push(tag.to_owned());
        } else {
            let why = Invalid::new("tag", "A job has at most 20 tags, each of at most 64 characters.");
            self.lost(part, why);
        }
    }

    /// Text of the source that is written like a variable, which the source sends as it is and TrigRun replaces.
    pub(super) fn warn_of_variables(&mut self) {
        let request = &self.draft.request;
        let texts = [request.url.as_str(), request.body.as_deref().unwrap_or_default()];
        let headers = request.headers.iter().map(|(_, value)| value.as_str());
        if texts.into_iter().chain(headers).any(has_variable) {
            let detail = "The request has a text in double braces that TrigRun replaces at each run.";
            self.changed("{{ }}", Invalid::new("variable", detail));
        }
    }

    /// Checks what all formats share, once the source is read.
    pub(super) fn finish(&mut self) -> Result<(), Invalid> {
        if self.is_full() {
            return Err(Invalid::new(
                "too_many_findings",
                "Too much of this is unknown to make a job of it.",
            ));
        }
        if self.draft.name.is_empty() {
            self.draft.name = name_of(&self.draft.request.method, &self.draft.request.url);
        }
        Ok(())
    }
}

/// Method, host and path. Names are sent to channels, and the rest of a URL often holds a token.
fn name_of(method: &str, url: &str) -> String {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let path = place.split([';', '?', '#']).next().unwrap_or_default().trim_end_matches('/');
    cut(&format!("{method} {path}"), MAX_NAME_CHARS - 1)
}

pub(super) fn host_of(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split(['/', '?', '#']).next()
}

fn has_variable(text: &str) -> bool {
    text.split("{{").skip(1).any(|after| {
        let name = after.split("}}").next().unwrap_or_default().trim();
        variables::NAMES.iter().any(|(known, _)| *known == name)
    })
}

fn is_of_trigrun(lower: &str) -> bool {
    const OWN: [&str; 5] =
        ["traceparent", "tracestate", "webhook-id", "webhook-timestamp", "webhook-signature"];
    OWN.contains(&lower) || lower.starts_with("trigrun-") || lower.starts_with("proxy-")
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}
