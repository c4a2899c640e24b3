//! The request of a job: method, URL, headers, body, and which responses count as success.

use std::{fmt, str::FromStr};

use super::{
    invalid::{Invalid, Several},
    secret,
    statuses::{StatusItem, Statuses},
    target::host_of,
    variables,
    wording::all_of,
};

/// A job's request, checked. Every attempt sends exactly this.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// As `TargetUrl` serialises it; parsed and checked again before each attempt.
    pub url: String,
    pub method: Method,
    pub headers: Headers,
    pub body: Option<Body>,
    /// For the whole attempt, from connecting to the last byte of the response.
    pub timeout_seconds: u16,
    pub success_statuses: Statuses,
}

impl Request {
    /// The host of the URL, in lower case and without the port; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        host_of(&self.url)
    }

    /// The names of the secrets that the headers refer to, each once.
    pub fn secrets(&self) -> Vec<&str> {
        // Invalid references were refused when the headers were checked.
        let references = |(_, value)| secret::references(value).unwrap_or_default();
        let mut names: Vec<&str> = self.headers.iter().flat_map(references).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Request {
    /// What is allowed and may be unintended, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.method == Method::Get && self.body.is_some() {
            let warning = "The request is a GET with a body, which many servers ignore or refuse.";
            warnings.push(warning.to_owned());
        }
        // The stored form of a URL has the braces percent-encoded.
        let url = self.url.replace("%7B", "{").replace("%7D", "}");
        let body = self.body.as_ref().map_or("", Body::as_str);
        let texts = [url.as_str(), body].into_iter().chain(self.headers.iter().map(|(_, value)| value));
        let mut unknown: Vec<&str> = texts.flat_map(variables::unknown).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let known = all_of(variables::NAMES.map(|(name, _)| name));
        warnings.extend(unknown.into_iter().take(MAX_NAMED_VARIABLES).map(|name| {
            format!(
                "{{{{{name}}}}} is not a variable and is sent as it is written. The variables are {known}."
            )
        }));
        warnings
    }
}

const MAX_NAMED_VARIABLES: usize = 5;

pub const DEFAULT_TIMEOUT_SECONDS: u16 = 30;
pub const MAX_TIMEOUT_SECONDS: u16 = 300;
pub const DEFAULT_SUCCESS_STATUSES: [u16; 4] = [200, 201, 202, 204];
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Limited because every response is searched for each secret.
const MAX_SECRETS: usize = 32;
const MAX_BODY_BYTES: usize = 256 * 1024;

macro_rules! methods {
    ($($name:ident = $text:literal),*) => {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum Method { #[default] $($name),* }

        impl Method {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }

        impl FromStr for Method {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text.to_ascii_uppercase().as_str() {
                    $($text => Ok(Self::$name),)*
                    _ => Err(Invalid { code: "method_unknown", ..Invalid::not_one_of(text, &[$($text),*]) }),
                }
            }
        }
    };
}

// The first is the default.
#[allow(clippy::upper_case_acronyms)]
mod method {
    use super::*;
    methods!(Get = "GET", Post = "POST", Put = "PUT", Patch = "PATCH", Delete = "DELETE");
}
pub use method::Method;

/// A body. A JSON string is sent as its characters, any other JSON value exactly as the client wrote it.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    Text(String),
    Json(String),
}

impl Body {
    /// From the JSON text in the document. `None` for `null`.
    pub fn from_json_text(raw: &str) -> Result<Option<Self>, Invalid> {
        let body = match raw.as_bytes().first() {
            _ if raw == "null" => return Ok(None),
            Some(b'"') => Body::Text(
                serde_json::from_str(raw)
                    .map_err(|_| Invalid::new("body_invalid", "is not a string of Unicode characters"))?,
            ),
            _ => Body::Json(raw.to_owned()),
        };
        if body.as_str().len() > MAX_BODY_BYTES {
            return Err(Invalid::new(
                "body_too_large",
                format!("has {} bytes; at most {MAX_BODY_BYTES} are allowed", body.as_str().len()),
            ));
        }
        if body.as_str().contains('\0') {
            return Err(Invalid::new("body_has_nul", "must not contain the character U+0000"));
        }
        secret::check_absent(body.as_str())?;
        Ok(Some(body))
    }

    pub fn as_str(&self) -> &str {
        match self {
            Body::Text(text) | Body::Json(text) => text,
        }
    }

    pub const fn content_type(&self) -> &'static str {
        match self {
            Body::Text(_) => "text/plain; charset=utf-8",
            Body::Json(_) => "application/json",
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.as_str().len())
    }
}

/// Request headers in the given order; names are unique, ignoring case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Checks every header; each violation comes with the name of its header.
    pub fn check(headers: Vec<(String, String)>) -> Result<Self, Several<(Option<String>, Invalid)>> {
        if headers.len() > MAX_HEADERS {
            let detail = format!("has {} headers; at most {MAX_HEADERS} are allowed", headers.len());
            return Err(Several::of((None, Invalid::new("too_many_headers", detail)), Vec::new()));
        }
        let mut errors: Vec<(Option<String>, Invalid)> = headers
            .iter()
            .enumerate()
            .filter_map(|(at, (name, value))| {
                let twice = headers[..at].iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name));
                let verdict = check_name(name, twice).and_then(|()| check_value(value));
                verdict.err().map(|invalid| (Some(name.clone()), invalid))
            })
            .collect();
        let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_HEADER_BYTES {
            errors.push((
                None,
                Invalid::new(
                    "headers_too_large",
                    format!("has {bytes} bytes of names and values; at most {MAX_HEADER_BYTES} are allowed"),
                ),
            ));
        }
        let mentions =
            |(_, value): &(String, String)| secret::references(value).map_or(0, |names| names.len());
        if headers.iter().map(mentions).sum::<usize>() > MAX_SECRETS {
            let detail = format!("must refer to at most {MAX_SECRETS} secrets in total");
            errors.push((None, Invalid::new("too_many_secrets", detail)));
        }
        Several::from_vec(errors).map_or(Ok(Self(headers)), Err)
    }

    /// Headers that were checked when they were stored.
    pub fn from_stored(headers: Vec<(String, String)>) -> Self {
        Self(headers)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

impl fmt::Debug for Headers {
    /// Shows names only: values may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Headers that frame the message, or control or describe the connection; the client that sends the request sets them (RFC 9110 §7.6, RFC
/// 9112 §6, RFC 7540 §3.2.1).
const FRAMING: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "http2-settings",
    "via",
    "te",
    "trailer",
    "expect",
];
const SET_PER_ATTEMPT: [&str; 5] =
    ["traceparent", "tracestate", "webhook-id", "webhook-timestamp", "webhook-signature"];

fn check_name(name: &str, twice: bool) -> Result<(), Invalid> {
    let lower = name.to_ascii_lowercase();
    let is_token_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token_char) {
        return Err(Invalid::new(
            "header_name_invalid",
            "is not the name of a header, which has only letters, digits and !#$%&'*+-.^_`|~",
        ));
    }
    if FRAMING.contains(&lower.as_str()) || lower.starts_with("proxy-") {
        return Err(Invalid::new("header_reserved", "is set by TrigRun and cannot be given"));
    }
    if SET_PER_ATTEMPT.contains(&lower.as_str()) || lower.starts_with("trigrun-") {
        return Err(Invalid::new("header_reserved", "is one of TrigRun's own headers and cannot be given"));
    }
    if twice {
        return Err(Invalid::new("header_twice", "is given twice: the names of headers ignore case"));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), Invalid> {
    let control = |character: char| character.is_control() && character != '\t';
    if value.chars().any(control) {
        return Err(Invalid::new(
            "header_value_invalid",
            "must not contain line breaks, NUL or other control characters",
        ));
    }
    secret::references(value).map(drop)
}

pub fn timeout_seconds(wanted: Option<i64>) -> Result<u16, Invalid> {
    let Some(wanted) = wanted else { return Ok(DEFAULT_TIMEOUT_SECONDS) };
    u16::try_from(wanted).ok().filter(|seconds| (1..=MAX_TIMEOUT_SECONDS).contains(seconds)).ok_or_else(
        || Invalid::new("out_of_range", format!("must be from 1 to {MAX_TIMEOUT_SECONDS} seconds")),
    )
}

pub fn success_statuses(wanted: Option<Vec<StatusItem<i64>>>) -> Result<Statuses, Invalid> {
    match wanted {
        None => Ok(DEFAULT_SUCCESS_STATUSES.into()),
        Some(list) if list.is_empty() => Err(Invalid::new("empty", "must name at least one status")),
        Some(list) => Statuses::check(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(name: &str, value: &str) -> Option<&'static str> {
        Headers::check(vec![(name.into(), value.into())]).err().map(|errors| errors.into_first().1.code)
    }

    #[test]
    fn header_rules() {
        assert_eq!(code_of("X-Api-Key", "abc äöü\t"), None);
        for name in ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Host-Name", "Via-A"] {
            assert_eq!(code_of(name, "x"), None, "{name}");
        }
        for name in ["", "a b", "a:b", "ä", "a\r\nb"] {
            assert_eq!(code_of(name, "x"), Some("header_name_invalid"), "{name:?}");
        }
        for name in [
            "Host",
            "CONTENT-LENGTH",
            "Proxy-Authorization",
            "TrigRun-Job-Id",
            "Traceparent",
            "TE",
            "Via",
            "HTTP2-Settings",
            "webhook-id",
        ] {
            assert_eq!(code_of(name, "x"), Some("header_reserved"), "{name:?}");
        }
        for value in ["a\r\nb", "a\nb", "a\0", "\u{7f}", "\u{85}"] {
            assert_eq!(code_of("X-A", value), Some("header_value_invalid"), "{value:?}");
        }
    }

    #[test]
    fn warnings_about_unintended_requests() {
        let request = |method, url: &str, body: &str| Request {
            url: url.into(),
            method,
            headers: Headers::check(vec![("X-A".into(), "{{ uuid }} {{who}}".into())]).unwrap(),
            body: Body::from_json_text(body).unwrap(),
            timeout_seconds: 1,
            success_statuses: [200].into(),
        };
        let plain = request(Method::Post, "https://example.com/{{job_id}}", "\"{{timestamp}}\"");
        let who = "{{who}} is not a variable and is sent as it is written. \
                   The variables are execution_id, job_id, scheduled_for, timestamp and uuid.";
        assert_eq!(plain.warnings(), [who]);
        let odd = request(Method::Get, "https://example.com/%7B%7Bjob_name%7D%7D", "{\"a\": \"{{now}}\"}");
        let starts = ["The request is a GET with a body", "{{job_name}} is", "{{now}} is", "{{who}} is"];
        assert!(odd.warnings().iter().zip(starts).all(|(warning, start)| warning.starts_with(start)));
        assert_eq!(odd.warnings().len(), starts.len());
    }

    #[test]
    fn a_body_holds_no_secret() {
        for body in [r#""secret://k9""#, r#"{"key": "secret://k9"}"#, r#""SECRET://K9""#] {
            assert_eq!(Body::from_json_text(body).unwrap_err().code, "secret_not_here", "{body}");
        }
    }

    #[test]
    fn header_limits() {
        let many = |count: usize, size: usize| {
            Headers::check((0..count).map(|n| (format!("x-{n}"), "v".repeat(size))).collect())
        };
        assert!(many(64, 1).is_ok());
        assert_eq!(many(65, 1).unwrap_err().into_first().1.code, "too_many_headers");
        assert_eq!(many(2, 9000).unwrap_err().into_first().1.code, "headers_too_large");
        let twice = Headers::check(vec![("X-A".into(), "1".into()), ("x-a".into(), "2".into())]);
        assert_eq!(twice.unwrap_err().into_first().1.code, "header_twice");
    }

    #[test]
    fn a_body_is_sent_as_written() {
        let json = r#"{ "b":1.0,  "a":1e2,"b":2 , "s":"\ud800"}"#;
        assert_eq!(Body::from_json_text(json), Ok(Some(Body::Json(json.into()))));
        assert_eq!(Body::from_json_text(r#""a\u0041\n""#), Ok(Some(Body::Text("aA\n".into()))));
        assert_eq!(Body::from_json_text("null"), Ok(None));
        assert_eq!(Body::from_json_text(r#""\u0000""#).unwrap_err().code, "body_has_nul");
        assert_eq!(
            Body::from_json_text(&format!("[{}]", " ".repeat(300_000))).unwrap_err().code,
            "body_too_large"
        );
    }

    #[test]
    fn statuses_and_timeouts() {
        assert_eq!(success_statuses(None), Ok(Statuses::from([200, 201, 202, 204])));
        assert_eq!(success_statuses(Some(vec![])).unwrap_err().code, "empty");
        assert!(success_statuses(Some(vec![StatusItem::Status(600)])).is_err());
        assert_eq!(timeout_seconds(Some(300)), Ok(300));
        for value in [0, 301, -1, 65_537] {
            assert!(timeout_seconds(Some(value)).is_err());
        }
    }
}
