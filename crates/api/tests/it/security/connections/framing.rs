//! Where a request ends and the next one begins (RFC 9112 §6): ambiguous framing is refused, and a request hidden in a body is not
//! executed.

use anyhow::ensure;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use trigrun_testkit::raw_http::{Exchange, Wait, exchange_waiting};

use crate::security::{case::Case, system::System};

/// What the API has to do. It must never execute a hidden request.
#[derive(Clone, Copy)]
pub enum Expected {
    /// It refuses, with or without a response, and closes the connection.
    Refused,
    /// It sends one response, of any status.
    OneResponse,
    /// It waits for the rest, and refuses when there is none.
    Waits,
}

use Expected::{OneResponse, Refused, Waits};

/// A name, what is expected, and the text. START stands for a request's head without its end, HIDDEN for a whole request that creates a
/// secret, and LENGTH for the length of the body.
pub type Row = (&'static str, Expected, &'static str);

const QUIET_PERIOD: Duration = Duration::from_millis(700);
/// For an API on a busy machine; shorter than the time that it waits for a head.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

impl Expected {
    const fn wait(self) -> Wait {
        match self {
            Refused => Wait { first: RESPONSE_TIMEOUT, next: RESPONSE_TIMEOUT },
            OneResponse => Wait { first: RESPONSE_TIMEOUT, next: QUIET_PERIOD },
            Waits => Wait { first: QUIET_PERIOD, next: QUIET_PERIOD },
        }
    }
}

const LENGTHS: &[&str] = &[
    "+5",
    "-1",
    "0x5",
    "5, 5",
    "5, 6",
    "5 5",
    "5;",
    "5.0",
    "5e0",
    "",
    "99999999999999999999",
    "\u{0b}5",
    "five",
    "5\u{0}",
];

/// A reader that does not take these for chunks takes the body for a request.
const ENCODINGS: &[&str] = &[
    "xchunked",
    "chunkedx",
    "chunked, identity",
    "identity, chunked",
    "identity",
    "chunked, chunked",
    "gzip, chunked",
    "chunked, gzip",
    "gzip",
    "\"chunked\"",
    "chunked;q=1",
    "chunk ed",
    "chunked,",
    ",chunked",
    "\u{0b}chunked",
    "\u{a0}chunked",
    "chunked\u{0}",
    "chunked\r\ntransfer-encoding: chunked",
    "chunked\r\ntransfer-encoding: identity",
    "identity\r\ntransfer-encoding: chunked",
    "x\r\ntransfer-encoding: chunked",
    "\r\n chunked",
    "",
];

const FRAMES: &[Row] = &[
    (
        "an upgrade to a WebSocket, and a body",
        OneResponse,
        "START\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a length and chunks",
        Refused,
        "START\r\ncontent-length: LENGTH\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    ),
    (
        "chunks and a length",
        Refused,
        "START\r\ntransfer-encoding: chunked\r\ncontent-length: LENGTH\r\n\r\n0\r\n\r\nHIDDEN",
    ),
    (
        "chunks and a length of 0",
        Refused,
        "START\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\nHIDDEN",
    ),
    ("two lengths", Refused, "START\r\ncontent-length: 2\r\ncontent-length: LENGTH\r\n\r\n{}HIDDEN"),
    (
        "two lengths, the longer first",
        Refused,
        "START\r\ncontent-length: LENGTH\r\ncontent-length: 2\r\n\r\n{}HIDDEN",
    ),
    (
        "a length of 0, and another",
        Refused,
        "START\r\ncontent-length: 0\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "one length twice",
        OneResponse,
        "START\r\ncontent-length: LENGTH\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    ("a length with zeros before it", OneResponse, "START\r\ncontent-length: 000LENGTH\r\n\r\nHIDDEN"),
    ("a body on GET", OneResponse, "GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: LENGTH\r\n\r\nHIDDEN"),
    (
        "a body on DELETE",
        OneResponse,
        "DELETE /livez HTTP/1.1\r\nhost: x\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a body to an unknown path",
        OneResponse,
        "POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a body without a token",
        OneResponse,
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a body of another media type",
        OneResponse,
        "POST /v1/schedules/preview HTTP/1.1\r\nhost: x\r\nauthorization: Bearer TOKEN\r\ncontent-type: text/plain\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a body with an unknown expectation",
        OneResponse,
        "START\r\ncontent-length: LENGTH\r\nexpect: 200-ok\r\n\r\nHIDDEN",
    ),
    (
        "chunks on GET",
        OneResponse,
        "GET /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nLENGTH\r\nHIDDEN\r\n0\r\n\r\n",
    ),
    (
        "chunks in HTTP/1.0",
        Refused,
        "POST /v1/schedules/preview HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    ),
    (
        "chunks and a length in HTTP/1.0",
        Refused,
        "POST /v1/schedules/preview HTTP/1.0\r\nhost: x\r\ncontent-length: LENGTH\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    ),
    (
        "a body without a length in HTTP/1.0",
        Refused,
        "POST /v1/schedules/preview HTTP/1.0\r\nhost: x\r\n\r\nHIDDEN",
    ),
    ("a space before the colon", Refused, "START\r\nTransfer-Encoding : chunked\r\n\r\nHIDDEN"),
    ("a space before the colon of the length", Refused, "START\r\ncontent-length : LENGTH\r\n\r\nHIDDEN"),
    ("a tab before the colon", Refused, "START\r\nTransfer-Encoding\t: chunked\r\n\r\nHIDDEN"),
    ("a space before the name", Refused, "START\r\n Transfer-Encoding: chunked\r\n\r\nHIDDEN"),
    ("a tab before the name", Refused, "START\r\n\tTransfer-Encoding: chunked\r\n\r\nHIDDEN"),
    ("a folded header", Refused, "START\r\nx-a: b\r\n content-length: LENGTH\r\n\r\nHIDDEN"),
    ("chunks behind a bare CR", Refused, "START\r\nx-a: b\rtransfer-encoding: chunked\r\n\r\nHIDDEN"),
    ("a length behind NUL", Refused, "START\r\nx-a: b\u{0}\r\ncontent-length: 0\r\n\r\nHIDDEN"),
    (
        "names with underscores",
        OneResponse,
        "START\r\ntransfer_encoding: chunked\r\ncontent_length: 0\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a tab after the colon",
        OneResponse,
        "START\r\ntransfer-encoding:\tchunked\t\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ),
    ("chunks in upper case", OneResponse, "START\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    ("CONNECT", OneResponse, "CONNECT example.com:80 HTTP/1.1\r\nhost: example.com:80\r\n\r\nHIDDEN"),
    (
        "an upgrade to a WebSocket",
        OneResponse,
        "GET /livez HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "an upgrade to HTTP/2",
        OneResponse,
        "GET /livez HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
];

pub fn cases() -> Vec<Case> {
    let case = |name: String, expected, text: String| {
        Case::new(name, move |system| check(system, expected, text.clone()))
    };
    let lengths = LENGTHS.iter().map(|length| {
        let text = format!("START\r\ncontent-length: {length}\r\n\r\n{{   }}HIDDEN");
        case(format!("a length of {length:?}"), Refused, text)
    });
    let encodings = ENCODINGS.iter().map(|encoding| {
        let text = format!("START\r\ntransfer-encoding: {encoding}\r\n\r\nHIDDEN");
        case(format!("a body encoded {encoding:?}"), Refused, text)
    });
    let frames =
        FRAMES.iter().map(|(name, expected, text)| case((*name).to_owned(), *expected, (*text).to_owned()));
    let control = Case::new("two requests on one connection are both executed", |system| async move {
        let name = format!("hidden-{}", system.number());
        let hidden = "START\r\ncontent-length: LENGTH\r\n\r\nHIDDEN";
        let exchange = send(&system, hidden, &name, OneResponse).await?;
        ensure!(exchange.statuses().len() == 1, "{:?}", exchange.statuses());
        let visible = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\nHIDDEN";
        let exchange = send(&system, visible, &name, OneResponse).await?;
        ensure!(exchange.statuses() == [200, 201], "{:?}", exchange.statuses());
        ensure!(exists(&system, &name).await?, "what cases look for cannot be found");
        Ok(())
    });
    lengths.chain(encodings).chain(frames).chain([control]).collect()
}

pub async fn check(system: Arc<System>, expected: Expected, text: String) -> anyhow::Result<()> {
    let name = format!("hidden-{}", system.number());
    let exchange = send(&system, &text, &name, expected).await?;
    let (statuses, received) = (exchange.statuses(), String::from_utf8_lossy(&exchange.bytes));
    ensure!(!exists(&system, &name).await?, "the hidden request was executed: {statuses:?}");
    ensure!(statuses.len() <= 1, "it got several responses: {statuses:?} {received}");
    let is_refused = statuses.iter().all(|status| [400, 413, 431, 501, 505].contains(status));
    let closed = exchange.closed_by_server;
    match expected {
        Refused => ensure!(is_refused && closed, "closed by the server: {closed}. {received}"),
        Waits => ensure!(is_refused && !closed, "closed by the server: {closed}. {received}"),
        OneResponse => {
            let responded = statuses.first().is_some_and(|status| *status < 500);
            ensure!(responded && exchange.responded_early, "it waited for more: {received}");
        }
    }
    Ok(())
}

async fn exists(system: &System, name: &str) -> anyhow::Result<bool> {
    let secret = system.call("GET", &format!("/v1/secrets/{name}"), &Value::Null).await?;
    ensure!([200, 404].contains(&secret.status), "{}", secret.text());
    Ok(secret.status == 200)
}

/// Sends the text with its placeholders replaced. Every character is the byte of its number.
async fn send(system: &System, text: &str, name: &str, expected: Expected) -> anyhow::Result<Exchange> {
    let token = &system.tenant().token;
    let body = json!({ "name": name, "value": "a" }).to_string();
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json"
        )
    };
    let hidden = format!(
        "{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        head("/v1/secrets"),
        body.len()
    );
    let text = text.replace("START", &head("/v1/schedules/preview"));
    let chunk = format!("{:x}\r\nHIDDEN", hidden.len());
    let text = text.replace("LENGTH\r\nHIDDEN", &chunk).replace("HIDDEN", &hidden);
    let length = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    let text = text.replace("LENGTH", &length.to_string()).replace("TOKEN", token);
    let bytes: Vec<u8> = text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
    exchange_waiting(system.api, &bytes, expected.wait()).await
}
