//! Classifies the head of a response and makes it safe to store.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use http::{HeaderMap, HeaderName, StatusCode, header};
use trigrun_core::domain::attempt::{AttemptStatus, Outcome};

/// Of response headers, names and values together, as they are stored.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Says that there were more, in place of them.
const CUT: (&str, &str) = ("trigrun-truncated", "further response headers are not stored");

/// Completes the outcome of a response: the job defines which statuses are a success.
pub(super) fn classify(outcome: &mut Outcome, status: StatusCode, successes: &[u16]) {
    if successes.contains(&status.as_u16()) {
        outcome.status = AttemptStatus::Success;
        return;
    }
    outcome.status = AttemptStatus::HttpError;
    outcome.error_class = Some(match status.as_u16() {
        100..=199 => "http_1xx",
        200..=299 => "http_2xx",
        300..=399 => "http_3xx",
        400..=499 => "http_4xx",
        500..=599 => "http_5xx",
        _ => "http_other",
    });
    let name = status.canonical_reason().map_or_else(String::new, |name| format!(" {name}"));
    let meaning = match status.as_u16() {
        300..=399 => "redirects are not followed: call the final URL",
        401 | 403 => "the credentials may be missing, wrong or expired",
        404 | 410 => "check the path of the URL",
        429 => "too many requests",
        500..=599 => "the failure is on the server's side",
        _ => "it does not count as a success",
    };
    outcome.error = Some(format!("The server responded with {}{name}: {meaning}.", status.as_u16()));
}

/// As text, up to the maximum in total. The last one says so if there were more.
pub(super) fn lossy_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut remaining = MAX_HEADER_BYTES;
    let text = |(name, value): (&HeaderName, &header::HeaderValue)| {
        let pair = (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
        remaining = remaining.checked_sub(pair.0.len() + pair.1.len())?;
        Some(pair)
    };
    let mut kept: Vec<_> = headers.iter().map_while(text).collect();
    if kept.len() < headers.len() {
        kept.push((CUT.0.to_owned(), CUT.1.to_owned()));
    }
    kept
}

/// `Retry-After` (RFC 9110 §10.2.3); a date counts from the response's own `Date`, so that the local clock does not matter.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let wanted = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = date(wanted)? - date(text(header::DATE)?)?;
    wait.to_std().ok()
}

/// The preferred form of an HTTP date (RFC 9110 §5.6.7) is also a valid e-mail date.
fn date(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc2822(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn retry_after_in_seconds_or_as_a_date() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let seconds = |list: &[_]| retry_after(&headers(list)).map(|wait| wait.as_secs());
        assert_eq!(seconds(&[("retry-after", " 120")]), Some(120));
        assert_eq!(seconds(&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]), Some(60));
        assert_eq!(seconds(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]), None);
        assert_eq!(seconds(&[date, ("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")]), None);
        for nonsense in ["", "-1", "soon", "99999999999999999999999", "Sun, 99 Nov 1994"] {
            assert_eq!(seconds(&[date, ("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn headers_are_stored_up_to_a_maximum() {
        let mut many = HeaderMap::new();
        for _ in 0..3 {
            // Each of these bytes becomes three.
            many.append("x-a", HeaderValue::from_bytes(&[0xff; 2500]).unwrap());
        }
        let kept = lossy_headers(&many);
        assert_eq!(kept.len(), 3);
        assert_eq!((kept[2].0.as_str(), kept[2].1.as_str()), CUT);
        assert!(kept[0].1.chars().all(|character| character == '\u{fffd}'));
    }

    #[test]
    fn the_job_defines_success() {
        let classified = |status, successes: &[u16]| {
            let mut outcome = Outcome::of(AttemptStatus::Success);
            classify(&mut outcome, StatusCode::from_u16(status).unwrap(), successes);
            (outcome.status, outcome.error_class)
        };
        assert_eq!(classified(200, &[200]), (AttemptStatus::Success, None));
        assert_eq!(classified(404, &[200, 404]), (AttemptStatus::Success, None));
        assert_eq!(classified(202, &[200]), (AttemptStatus::HttpError, Some("http_2xx")));
        assert_eq!(classified(302, &[200]), (AttemptStatus::HttpError, Some("http_3xx")));
        assert_eq!(classified(999, &[200]), (AttemptStatus::HttpError, Some("http_other")));
    }
}
