//! Calls and their answers.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};
use url::Url;
use uuid::Uuid;

use crate::{
    connect::Connections,
    problem::{Error, Problem},
    retry,
    stream::Events,
};

const MAX_PAGE: u16 = 250;
/// More than any response of TrigRun has. What answers at a wrong URL may never end.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// What happened during a call, for a person who waits.
pub enum Event<'a> {
    Answered {
        method: &'a Method,
        path: &'a str,
        status: u16,
        request_id: Option<&'a str>,
        duration: Duration,
    },
    Retrying {
        error: &'a Error,
        pause: Duration,
    },
}

pub type Observer = Box<dyn Fn(&Event<'_>)>;

/// How to reach a server.
pub struct Settings {
    pub url: Url,
    pub token: Option<String>,
    /// Sent as `TrigRun-Workspace`, for sessions of users with several workspaces.
    pub workspace: Option<String>,
    pub timeout: Duration,
    pub retry: bool,
    pub user_agent: String,
    pub observer: Observer,
}

/// A client of one server. It is used by one thread.
pub struct Client {
    settings: Settings,
    connections: Connections,
    server_time: Cell<Option<(Timestamp, Instant)>>,
}

/// A request to make.
pub struct Call {
    method: Method,
    /// With the query.
    path: String,
    body: Option<Bytes>,
    headers: Vec<(&'static str, String)>,
    is_repeatable: bool,
    timeout: Duration,
}

impl Call {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let is_repeatable = method != Method::POST;
        Self {
            method,
            path: path.into(),
            body: None,
            headers: Vec::new(),
            is_repeatable,
            timeout: Duration::ZERO,
        }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let pair = url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(&pair);
        self
    }

    /// Sets the body, which is JSON.
    #[must_use]
    pub fn body(mut self, json: impl Into<String>) -> Self {
        self.body = Some(Bytes::from(json.into()));
        self
    }

    /// Sets the `Idempotency-Key`, so that the call can be repeated without a second effect. `None` makes one.
    #[must_use]
    pub fn key(mut self, key: Option<&str>) -> Self {
        let key = key.map_or_else(new_key, str::to_owned);
        self.is_repeatable = true;
        self.header("idempotency-key", key)
    }

    /// Only this version of the job is changed. A second try would then fail because of the first.
    #[must_use]
    pub fn if_version(mut self, version: i64) -> Self {
        self.is_repeatable = false;
        self.header("if-match", format!("\"{version}\""))
    }

    /// Says that a second effect of the call would not differ from the first.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The server takes up to this long on purpose.
    #[must_use]
    pub const fn waits(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// A new `Idempotency-Key`, for several calls that belong together.
pub fn new_key() -> String {
    Uuid::now_v7().to_string()
}

/// A response with a status of success.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Empty if the response has none.
    pub text: String,
}

impl Answer {
    /// Reads the fields that the caller needs.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_str(&self.text)?)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[derive(serde::Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Client {
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let connections = Connections::new(&settings.url)?;
        Ok(Self { settings, connections, server_time: Cell::new(None) })
    }

    pub const fn url(&self) -> &Url {
        &self.settings.url
    }

    /// The URL of a path of the server.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.settings.url.as_str().trim_end_matches('/'))
    }

    /// The time of the server, by the last response. Without one, asks for one: the clock of this machine may be wrong.
    pub async fn now(&self) -> Result<Timestamp, Error> {
        if self.server_time.get().is_none() {
            self.call(Call::get("/version")).await?;
        }
        Ok(self.server_now().unwrap_or_else(Timestamp::now))
    }

    /// The time of the server, if it has responded.
    pub fn server_now(&self) -> Option<Timestamp> {
        let (at, since) = self.server_time.get()?;
        at.checked_add(since.elapsed()).ok()
    }

    /// Makes the request, again if that is safe and may help.
    pub async fn call(&self, call: Call) -> Result<Answer, Error> {
        let start = Instant::now();
        let mut retries = 0;
        loop {
            let error = match self.once(&call).await {
                Ok(answer) => return Ok(answer),
                // An earlier attempt has deleted it.
                Err(Error::Problem(problem))
                    if retries > 0 && call.method == Method::DELETE && problem.status == 404 =>
                {
                    return Ok(Answer { status: 204, headers: HeaderMap::new(), text: String::new() });
                }
                Err(error) => error,
            };
            let pause = retry::pause(&error, retries);
            let is_over = retries == retry::MAX_RETRIES || start.elapsed() + pause > retry::RETRY_TIMEOUT;
            if !self.settings.retry || is_over || !retry::is_retryable(&error, call.is_repeatable) {
                return Err(error);
            }
            (self.settings.observer)(&Event::Retrying { error: &error, pause });
            tokio::time::sleep(pause).await;
            retries += 1;
        }
    }

    /// The items of a list, over all pages, at most `limit` of them.
    pub async fn list(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<Box<RawValue>>, Error> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let left = limit - items.len();
            let size = u16::try_from(left).unwrap_or(MAX_PAGE).min(MAX_PAGE).to_string();
            let mut call = query.iter().fold(Call::get(path), |call, (name, value)| call.query(name, value));
            call = call.query("limit", &size);
            if let Some(cursor) = &cursor {
                call = call.query("cursor", cursor);
            }
            let answer = self.call(call).await?;
            let page: Page<'_> = serde_json::from_str(&answer.text)?;
            items.extend(page.data.into_iter().take(left).map(ToOwned::to_owned));
            cursor = page.next_cursor;
            if cursor.is_none() || items.len() == limit {
                return Ok(items);
            }
        }
    }

    /// Opens a stream of events.
    pub async fn stream(&self, call: Call) -> Result<Events, Error> {
        let timeout = self.settings.timeout;
        let response = tokio::time::timeout(timeout, self.send(&call)).await;
        let response =
            response.map_err(|_| Error::Timeout { url: self.settings.url.to_string(), timeout })??;
        if response.status() != StatusCode::OK {
            return Err(self
                .read(&call, response, Instant::now())
                .await
                .err()
                .unwrap_or_else(|| self.not_trigrun(200, String::new())));
        }
        Ok(Events::new(response.into_body(), self.settings.url.to_string()))
    }

    async fn once(&self, call: &Call) -> Result<Answer, Error> {
        let start = Instant::now();
        let timeout = self.settings.timeout + call.timeout;
        let answered = async {
            let response = self.send(call).await?;
            self.read(call, response, start).await
        };
        tokio::time::timeout(timeout, answered)
            .await
            .unwrap_or_else(|_| Err(Error::Timeout { url: self.settings.url.to_string(), timeout }))
    }

    async fn send(&self, call: &Call) -> Result<http::Response<hyper::body::Incoming>, Error> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(self.url_of(&call.path))
            .header(header::USER_AGENT, &self.settings.user_agent)
            .header(header::ACCEPT, "application/json, application/problem+json, text/event-stream, text/*");
        if let Some(token) = &self.settings.token {
            let mut value =
                http::HeaderValue::try_from(format!("Bearer {token}")).map_err(http::Error::from)?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(workspace) = &self.settings.workspace {
            request = request.header("trigrun-workspace", workspace);
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(call.body.clone().unwrap_or_default()))?;
        self.connections.send(request).await.map_err(|error| {
            let (url, cause) = (self.settings.url.to_string(), innermost(&error));
            match error.is_connect() {
                true => Error::NotConnected { url, cause },
                false => Error::Broken { url, cause },
            }
        })
    }

    async fn read(
        &self,
        call: &Call,
        response: http::Response<hyper::body::Incoming>,
        start: Instant,
    ) -> Result<Answer, Error> {
        let url = || self.settings.url.to_string();
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_RESPONSE_BYTES).collect().await;
        let body = body.map_err(|error| Error::Broken { url: url(), cause: innermost(&*error) })?.to_bytes();
        let status = parts.status.as_u16();
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(date) = text("date").and_then(|date| httpdate::parse_http_date(date).ok()) {
            self.server_time.set(Timestamp::try_from(date).ok().map(|date| (date, Instant::now())));
        }
        (self.settings.observer)(&Event::Answered {
            method: &call.method,
            path: &call.path,
            status,
            request_id: text("x-request-id"),
            duration: start.elapsed(),
        });
        let content = String::from_utf8(body.into()).map_err(|_| self.not_trigrun(status, String::new()))?;
        if parts.status.is_success() {
            return Ok(Answer { status, headers: parts.headers, text: content });
        }
        let is_problem =
            text("content-type").is_some_and(|kind| kind.starts_with("application/problem+json"));
        match serde_json::from_str::<Problem>(&content) {
            Ok(mut problem) if is_problem => {
                problem.status = status;
                problem.retry_after = text("retry-after").and_then(|seconds| seconds.parse().ok());
                problem.text = content;
                Err(Error::Problem(Box::new(problem)))
            }
            _ => Err(self.not_trigrun(status, content)),
        }
    }

    fn not_trigrun(&self, status: u16, text: String) -> Error {
        Error::NotTrigrun { url: self.settings.url.to_string(), status, text }
    }
}

/// The cause that says most: libraries wrap it several times.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
