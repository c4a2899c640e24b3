//! curl: the request that its options make.

mod table;

use super::options::Argument;
use crate::domain::{
    convert::{
        builder::Builder,
        draft::Status::{Code, Range},
        finding::cut,
    },
    invalid::Invalid,
};

use table::TABLE;

/// The parts of the request that several options make together.
#[derive(Default)]
struct Request<'a> {
    stdin: Option<&'a str>,
    urls: Vec<String>,
    method: Option<String>,
    headers: Vec<String>,
    data: Option<String>,
    query: Vec<String>,
    is_json: bool,
    is_get: bool,
    is_globoff: bool,
    fails: bool,
    retries: Option<u64>,
    retries_all: bool,
    user: Option<String>,
    bearer: Option<String>,
    agent: Option<String>,
    referer: Option<String>,
    cookies: Vec<String>,
    range: Option<String>,
}

pub(super) fn read(words: Vec<String>, stdin: Option<&str>, job: &mut Builder) -> Result<(), Invalid> {
    let mut request = Request { stdin, ..Request::default() };
    for argument in TABLE.read(words, job)? {
        match argument {
            Argument::Operand(url) => request.urls.push(url),
            Argument::Option(name, value) => request.option(name, value, job)?,
        }
    }
    request.build(job)
}

impl Request<'_> {
    fn option(&mut self, name: &str, value: String, job: &mut Builder) -> Result<(), Invalid> {
        match name {
            "request" => self.method = Some(value),
            "header" => self.headers.push(value),
            "data" | "data-ascii" | "data-binary" => {
                let text = self.text(value, name == "data-binary")?;
                self.add_data(&text, "&");
            }
            "data-raw" => self.add_data(&value, "&"),
            "data-urlencode" => {
                let text = encoded(&value)?;
                self.add_data(&text, "&");
            }
            "json" => {
                let text = self.text(value, true)?;
                self.add_data(&text, "");
                self.is_json = true;
            }
            "url-query" => self.query.push(encoded(&value)?),
            "get" => self.is_get = true,
            "url" => self.urls.push(value),
            "user" => self.user = Some(value),
            "oauth2-bearer" => self.bearer = Some(value),
            "user-agent" => self.agent = Some(value),
            "referer" => self.referer = Some(value),
            "cookie" => self.cookies.push(value),
            "range" => self.range = Some(format!("bytes={value}")),
            "max-time" => {
                let seconds = number(name, &value)?;
                // 0 is no limit.
                if seconds > 0.0 {
                    job.timeout("--max-time", seconds);
                }
            }
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a positive whole number"
            )]
            "retry" => self.retries = Some(number(name, &value)? as u64),
            "retry-all-errors" => self.retries_all = true,
            "globoff" => self.is_globoff = true,
            _ => {
                self.fails = true;
                job.no_meaning(format!("--{name}").as_str(), "A status that is not 2xx is a failure here.");
            }
        }
        Ok(())
    }

    /// `@file`: only the text that cron gives to the command is here.
    fn text(&mut self, value: String, is_binary: bool) -> Result<String, Invalid> {
        let Some(file) = value.strip_prefix('@') else { return Ok(value) };
        match self.stdin.take().filter(|_| file == "-") {
            Some(text) if is_binary => Ok(text.to_owned()),
            Some(text) => Ok(text.replace(['\r', '\n'], "")),
            None => Err(Invalid::new("command_file", "The command sends a file, which is not here.")
                .hint("Write the text of the file into the command, in single quotes.")),
        }
    }

    fn add_data(&mut self, text: &str, separator: &str) {
        match &mut self.data {
            Some(data) if !data.is_empty() => {
                data.push_str(separator);
                data.push_str(text);
            }
            data => *data = Some(text.to_owned()),
        }
    }

    fn build(mut self, job: &mut Builder) -> Result<(), Invalid> {
        self.url(job)?;
        let data = self.data.take().filter(|_| !self.is_get);
        let by_default = if data.is_some() { "POST" } else { "GET" };
        job.draft.request.method = method(self.method.as_deref().unwrap_or(by_default))?;
        self.headers(data.is_some(), job)?;
        job.draft.request.body = data;
        if let Some(retries) = self.retries {
            job.attempts("--retry", retries.saturating_add(1));
            // What curl calls transient.
            let transient = [408, 429, 500, 502, 503, 504].map(Code).to_vec();
            let all = vec![Range("4xx"), Range("5xx")];
            let statuses = if self.retries_all && self.fails { all } else { transient };
            job.draft.retry_policy.retry_on_statuses = Some(statuses);
        }
        super::unsent(self.stdin, job);
        Ok(())
    }

    fn url(&mut self, job: &mut Builder) -> Result<(), Invalid> {
        let [url] = self.urls.as_slice() else {
            let detail = format!("The command has {} URLs. A job calls one.", self.urls.len());
            return Err(Invalid::new("command_url", detail).hint("Write a command for each URL."));
        };
        if !self.is_globoff && url.contains(['{', '}', '[', ']']) && !url.contains("://[") {
            let detail = "The URL has { } or [ ], of which curl makes several requests.";
            return Err(
                Invalid::new("command_url", detail).hint("Write one URL, or add -g if they belong to it.")
            );
        }
        let mut url = with_scheme(url, job);
        let data = if self.is_get { self.data.clone() } else { None };
        for part in data.into_iter().chain(self.query.drain(..)).filter(|part| !part.is_empty()) {
            let (before, fragment) =
                url.split_once('#').map_or((url.as_str(), ""), |(url, rest)| (url, rest));
            let separator = if before.contains('?') { '&' } else { '?' };
            let hash = if fragment.is_empty() { "" } else { "#" };
            url = format!("{before}{separator}{part}{hash}{fragment}");
        }
        if let Some(user) = self.user.take() {
            with_password(&user)?;
            job.url(&url)?;
            return job.basic(&user);
        }
        job.url(&url)
    }

    /// A header of `-H` replaces the one that curl would send.
    fn headers(&mut self, has_data: bool, job: &mut Builder) -> Result<(), Invalid> {
        let mut removed = Vec::new();
        for header in std::mem::take(&mut self.headers) {
            if header.starts_with('@') {
                return Err(Invalid::new("command_file", "The command reads headers from a file.")
                    .hint("Write each header into the command."));
            }
            match (header.split_once(':'), header.strip_suffix(';')) {
                (Some((name, value)), _) if value.trim().is_empty() => removed.push(name.trim().to_owned()),
                (Some((name, value)), _) => job.header(name.trim(), value.trim())?,
                (None, Some(name)) => job.header(name.trim(), "")?,
                (None, None) => job.no_meaning(header.as_str(), "curl sends no header without a colon."),
            }
        }
        let mut add =
            |name: &str, value: &str| match removed.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                true => Ok(()),
                false => job.default_header(name, value),
            };
        let cookies: Vec<&str> = self.cookies.iter().map(String::as_str).collect();
        if cookies.iter().any(|cookie| !cookie.contains('=')) {
            return Err(Invalid::new("command_file", "The command reads cookies from a file.")
                .hint("Write the cookies into the command: -b 'name=value'."));
        }
        let cookies = (!cookies.is_empty()).then(|| cookies.join("; "));
        let bearer = self.bearer.take().map(|token| format!("Bearer {token}"));
        let referer = self.referer.take().map(|referer| referer.trim_end_matches(";auto").to_owned());
        let texts = [
            ("Authorization", bearer),
            ("User-Agent", self.agent.take()),
            ("Referer", referer),
            ("Cookie", cookies),
            ("Range", self.range.take()),
        ];
        for (name, value) in texts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            if !value.is_empty() {
                add(name, &value)?;
            }
        }
        if self.is_json {
            add("Content-Type", "application/json")?;
            add("Accept", "application/json")?;
        } else if has_data {
            add("Content-Type", "application/x-www-form-urlencoded")?;
        }
        for name in removed {
            let detail = format!("The command removes the header {name}; TrigRun may send it.");
            job.lost(format!("{name}:").as_str(), Invalid::new("header_removed", detail));
        }
        Ok(())
    }
}

/// curl takes a URL without a scheme for http.
fn with_scheme(url: &str, job: &mut Builder) -> String {
    if url.contains("://") {
        return url.to_owned();
    }
    let detail = "The URL has no scheme; like curl, the job calls it by http.";
    job.changed(url, Invalid::new("scheme_assumed", detail).hint("Write https:// if the target has it."));
    format!("http://{url}")
}

fn with_password(user: &str) -> Result<(), Invalid> {
    if user.contains(':') {
        return Ok(());
    }
    let detail = "The command has a user without a password, for which curl asks.";
    Err(Invalid::new("command_auth", detail).hint("Write it as -u user:password."))
}

/// A method that a job can have.
pub(in crate::domain::convert) fn method(text: &str) -> Result<String, Invalid> {
    let upper = text.to_ascii_uppercase();
    if ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&upper.as_str()) {
        return Ok(upper);
    }
    let detail = format!("The method is {}. A job sends GET, POST, PUT, PATCH or DELETE.", cut(text, 20));
    Err(Invalid::new("command_method", detail))
}

fn number(name: &str, value: &str) -> Result<f64, Invalid> {
    let number: Option<f64> = value.trim().parse().ok();
    number.filter(|number| number.is_finite() && *number >= 0.0).ok_or_else(|| {
        Invalid::new("command_option", format!("The value of --{name} is not a number from 0."))
    })
}

/// `content`, `=content` or `name=content`; only the content is encoded.
fn encoded(value: &str) -> Result<String, Invalid> {
    let split = value.find(['=', '@']).map(|at| (&value[..at], &value[at..=at], &value[at + 1..]));
    match split {
        Some((_, "@", _)) => {
            Err(Invalid::new("command_file", "The command sends a file, which is not here."))
        }
        Some(("", _, content)) => Ok(percent_encoded(content)),
        Some((name, _, content)) => Ok(format!("{name}={}", percent_encoded(content))),
        None => Ok(percent_encoded(value)),
    }
}

/// As curl does: everything but unreserved characters (RFC 3986 §2.3).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
