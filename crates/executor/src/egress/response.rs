//! The head of a response: what is kept of it, what it means, and how it is stored.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use http::{StatusCode, Version, response};
use trigrun_core::domain::{
    attempt::{AttemptStatus, Outcome},
    statuses::Statuses,
};

/// Of response headers, names and values together: as they are received, and again as they are stored.
pub(super) const MAX_KEPT_BYTES: usize = 16 * 1024;
/// What a header takes besides its name and value, roughly, as in RFC 9113 §10.5.1: many short ones would take much more than their bytes.
const HEADER_OVERHEAD_BYTES: usize = 32;
/// Headers with a meaning here. They are kept also after [`MAX_KEPT_BYTES`] of others, once each.
const NEEDED: [&str; 4] = ["content-encoding", "content-type", "date", "retry-after"];
const MAX_NEEDED_BYTES: usize = 256;
/// Says that there were more.
const TRUNCATED: &str = "trigrun-truncated";
/// Says that there were lines that are no headers.
const INVALID: &str = "trigrun-invalid";

#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) version: &'static str,
    /// Names in lower case, in the order received.
    headers: Vec<(String, Vec<u8>)>,
    kept_bytes: usize,
    /// Headers that were too large, or too many.
    pub(super) left_out: usize,
    /// Lines that are no headers.
    pub(super) invalid: usize,
}

impl Head {
    pub(super) fn new(status: u16, version: &'static str) -> Self {
        Self { status, version, headers: Vec::new(), kept_bytes: 0, left_out: 0, invalid: 0 }
    }

    pub(super) fn of_http2(parts: &response::Parts) -> Self {
        let version = if parts.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" };
        let mut head = Self::new(parts.status.as_u16(), version);
        for (name, value) in &parts.headers {
            head.keep(name.to_string(), value.as_bytes().to_vec());
        }
        head
    }

    /// Keeps a header, if there is room for it.
    pub(super) fn keep(&mut self, name: String, value: Vec<u8>) {
        let bytes = self.kept_bytes + name.len() + value.len() + HEADER_OVERHEAD_BYTES;
        let is_needed = || {
            NEEDED.contains(&name.as_str()) && value.len() <= MAX_NEEDED_BYTES && self.get(&name).is_none()
        };
        if bytes <= MAX_KEPT_BYTES {
            self.kept_bytes = bytes;
        } else if !is_needed() {
            self.left_out += 1;
            return;
        }
        self.headers.push((name, value));
    }

    /// The first value of a header.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok().map(str::trim)
    }

    /// As text, up to the maximum in total, with marks for what is missing.
    pub(super) fn into_stored_headers(self) -> Vec<(String, String)> {
        let mut stored: Vec<_> =
            self.headers.into_iter().map(|(name, value)| (name, readable(value))).collect();
        if self.left_out > 0 {
            stored.push(truncated(self.left_out));
        }
        fit_headers(&mut stored);
        if self.invalid > 0 {
            stored.push((INVALID.to_owned(), format!("lines that are not valid headers: {}", self.invalid)));
        }
        stored
    }

    /// `Retry-After` (RFC 9110 §10.2.3). A date counts from the response's own `Date`, so that the local clock does not matter, and without
    /// one from `now`.
    pub(super) fn retry_after(&self, now: DateTime<Utc>) -> Option<Duration> {
        let wanted = self.text("retry-after")?;
        if let Ok(seconds) = wanted.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let since = self.text("date").and_then(date).unwrap_or_else(|| now.into());
        date(wanted)?.duration_since(since).ok()
    }
}

/// Leaves out the headers that exceed the maximum, and counts them in the mark that says so.
pub fn fit_headers(headers: &mut Vec<(String, String)>) {
    let (mut bytes, mut left_out) = (0, 0);
    headers.retain(|(name, value)| {
        let fits = bytes + name.len() + value.len() <= MAX_KEPT_BYTES
            || [TRUNCATED, INVALID].contains(&name.as_str());
        if fits {
            bytes += name.len() + value.len()
        } else {
            left_out += 1
        }
        fits
    });
    if left_out > 0 {
        let mark = headers.iter().position(|(name, _)| name == TRUNCATED);
        let before =
            mark.map(|at| headers.remove(at)).and_then(|(_, text)| text.rsplit(' ').next()?.parse().ok());
        headers.push(truncated(left_out + before.unwrap_or(0)));
    }
}

fn truncated(left_out: usize) -> (String, String) {
    (TRUNCATED.to_owned(), format!("headers not stored because of their size: {left_out}"))
}

/// One of the three forms of RFC 9110 §5.6.7; and with an offset, as in e-mails, since some servers send it.
fn date(text: &str) -> Option<SystemTime> {
    let of_mail = || DateTime::parse_from_rfc2822(text).ok().map(Into::into);
    httpdate::parse_http_date(text).ok().or_else(of_mail)
}

/// Values are UTF-8 or, as HTTP once said, ISO 8859-1 (RFC 9110 §5.5).
fn readable(value: Vec<u8>) -> String {
    String::from_utf8(value)
        .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect())
}

/// Completes the outcome of a response: the job defines which statuses are a success.
pub(super) fn classify(outcome: &mut Outcome, status: u16, successes: &Statuses) {
    if successes.contains(status) {
        outcome.status = AttemptStatus::Success;
        return;
    }
    outcome.status = AttemptStatus::HttpError;
    outcome.error_class = Some(match status {
        100..=199 => "http_1xx",
        200..=299 => "http_2xx",
        300..=399 => "http_3xx",
        400..=499 => "http_4xx",
        500..=599 => "http_5xx",
        _ => "http_other",
    });
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let name = name.map_or_else(String::new, |name| format!(" {name}"));
    let meaning = match status {
        300..=399 => "redirects are not followed: call the final URL",
        401 | 403 => "the credentials may be missing, wrong or expired",
        404 | 410 => "check the path of the URL",
        408 | 425 | 507 | 520..=530 => "often temporary, and retried if the retry policy lists it",
        429 => "too many requests",
        500..=599 => "the failure is on the server's side",
        _ => "it does not count as a success",
    };
    outcome.error = Some(format!("The server responded with {status}{name}: {meaning}."));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(list: &[(&str, &str)]) -> Head {
        let mut head = Head::new(503, "HTTP/1.1");
        list.iter().for_each(|(name, value)| head.keep((*name).to_owned(), value.as_bytes().to_vec()));
        head
    }

    #[test]
    fn statuses_that_often_pass_say_when_they_are_retried() {
        let sentence = |status| {
            let mut outcome = Outcome::of(AttemptStatus::Success);
            classify(&mut outcome, status, &Statuses::from([200]));
            outcome.error.unwrap()
        };
        for status in [408, 425, 507, 520, 525, 530] {
            assert!(
                sentence(status).contains("retried if the retry policy lists it"),
                "{}",
                sentence(status)
            );
        }
        assert!(!sentence(418).contains("retried") && !sentence(519).contains("retried"));
    }

    #[test]
    fn retry_after_in_seconds_or_as_a_date() {
        let now = DateTime::from_timestamp(784_111_777, 0).unwrap();
        let seconds = |list: &[_]| head(list).retry_after(now).map(|wait| wait.as_secs());
        assert_eq!(seconds(&[("retry-after", " 120")]), Some(120));
        let dates = [
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sunday, 06-Nov-94 08:50:37 GMT",
            "Sun Nov  6 08:50:37 1994",
            "Sun, 06 Nov 1994 09:50:37 +0100",
        ];
        for wanted in dates {
            assert_eq!(seconds(&[("retry-after", wanted)]), Some(60), "by our clock: {wanted}");
            for date in ["Sun, 06 Nov 1994 08:50:07 GMT", "Sunday, 06-Nov-94 08:50:07 GMT"] {
                assert_eq!(seconds(&[("date", date), ("retry-after", wanted)]), Some(30), "{wanted} {date}");
            }
            assert_eq!(seconds(&[("date", "nonsense"), ("retry-after", wanted)]), Some(60), "{wanted}");
        }
        assert_eq!(seconds(&[("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")]), None, "it has passed");
        for nonsense in ["", "-1", "soon", "99999999999999999999999", "Sun, 99 Nov 1994"] {
            assert_eq!(seconds(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn headers_are_stored_up_to_a_maximum() {
        let mut many = Head::new(200, "HTTP/1.1");
        for _ in 0..3 {
            // Each of these bytes becomes two.
            many.keep("x-a".to_owned(), vec![0xff; 5000]);
        }
        many.keep("x-b".to_owned(), vec![b'b'; 5000]);
        many.keep("retry-after".to_owned(), b"9".to_vec());
        many.keep("x-c".to_owned(), b"c".to_vec());
        let stored = many.into_stored_headers();
        let names: Vec<&str> = stored.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-a", "retry-after", "x-c", TRUNCATED]);
        assert_eq!(stored[3].1, "headers not stored because of their size: 3");
        assert!(stored[0].1.chars().all(|character| character == 'ÿ'));
        let most = MAX_KEPT_BYTES - HEADER_OVERHEAD_BYTES - "x-a".len();
        let mut full = head(&[("x-a", &"a".repeat(most)), ("x-b", "b")]);
        full.keep("retry-after".to_owned(), b"9".to_vec());
        assert_eq!((full.left_out, full.get("x-b")), (1, None));
        assert!(full.retry_after(DateTime::UNIX_EPOCH).is_some(), "it has a meaning");
    }

    #[test]
    fn short_headers_are_bounded_too() {
        let mut many = Head::new(200, "HTTP/1.1");
        (0..40_000).for_each(|_| many.keep("x".to_owned(), Vec::new()));
        assert!(many.headers.len() < MAX_KEPT_BYTES / HEADER_OVERHEAD_BYTES, "{}", many.headers.len());
        assert_eq!(many.headers.len() + many.left_out, 40_000);
    }

    #[test]
    fn the_job_defines_success() {
        let classified = |status, successes: Statuses| {
            let mut outcome = Outcome::of(AttemptStatus::Success);
            classify(&mut outcome, status, &successes);
            (outcome.status, outcome.error_class)
        };
        assert_eq!(classified(200, [200].into()), (AttemptStatus::Success, None));
        assert_eq!(classified(404, [200, 404].into()), (AttemptStatus::Success, None));
        assert_eq!(classified(202, [200].into()), (AttemptStatus::HttpError, Some("http_2xx")));
        assert_eq!(classified(302, [200].into()), (AttemptStatus::HttpError, Some("http_3xx")));
        assert_eq!(classified(999, [200].into()), (AttemptStatus::HttpError, Some("http_other")));
    }
}
