//! Where one request ends and the next begins (RFC 9112, 6): whatever is in doubt is refused, and what is hidden in a body stays there.

use anyhow::ensure;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::{
    case::{Case, Family},
    system::System,
    wire::{Received, dialogue},
};

/// What must come of it. Never is a hidden request done.
#[derive(Clone, Copy)]
pub enum Must {
    /// No answer or one that refuses, and the connection ends.
    Refuse,
    /// One answer, whatever it is.
    AnswerOnce,
    /// The rest is waited for; when there is none, it is refused.
    Await,
}

use Must::{AnswerOnce, Await, Refuse};

/// In these, START is a request's head but for its end, HIDDEN a whole request that makes a secret, and LENGTH how long the body is.
pub type Said = (&'static str, Must, &'static str);

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

/// Whoever does not see chunks in these sees a request in the body.
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

const FRAMES: &[Said] = &[
    (
        "an upgrade to a socket, and a body",
        AnswerOnce,
        "START\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a length and chunks",
        Refuse,
        "START\r\ncontent-length: LENGTH\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    ),
    (
        "chunks and a length",
        Refuse,
        "START\r\ntransfer-encoding: chunked\r\ncontent-length: LENGTH\r\n\r\n0\r\n\r\nHIDDEN",
    ),
    (
        "chunks and a length of nothing",
        Refuse,
        "START\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\nHIDDEN",
    ),
    ("two lengths", Refuse, "START\r\ncontent-length: 2\r\ncontent-length: LENGTH\r\n\r\n{}HIDDEN"),
    (
        "two lengths, the longer first",
        Refuse,
        "START\r\ncontent-length: LENGTH\r\ncontent-length: 2\r\n\r\n{}HIDDEN",
    ),
    ("nothing, and a length", Refuse, "START\r\ncontent-length: 0\r\ncontent-length: LENGTH\r\n\r\nHIDDEN"),
    (
        "one length twice",
        AnswerOnce,
        "START\r\ncontent-length: LENGTH\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    ("a length with zeros before it", AnswerOnce, "START\r\ncontent-length: 000LENGTH\r\n\r\nHIDDEN"),
    ("a body on GET", AnswerOnce, "GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: LENGTH\r\n\r\nHIDDEN"),
    (
        "a body on DELETE",
        AnswerOnce,
        "DELETE /livez HTTP/1.1\r\nhost: x\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a body where nothing is",
        AnswerOnce,
        "POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a body without a token",
        AnswerOnce,
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a body of another media type",
        AnswerOnce,
        "POST /v1/schedules/preview HTTP/1.1\r\nhost: x\r\nauthorization: Bearer TOKEN\r\ncontent-type: text/plain\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a body that may be expected",
        AnswerOnce,
        "START\r\ncontent-length: LENGTH\r\nexpect: 200-ok\r\n\r\nHIDDEN",
    ),
    (
        "chunks on GET",
        AnswerOnce,
        "GET /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nLENGTH\r\nHIDDEN\r\n0\r\n\r\n",
    ),
    (
        "chunks in HTTP/1.0",
        Refuse,
        "POST /v1/schedules/preview HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    ),
    (
        "chunks and a length in HTTP/1.0",
        Refuse,
        "POST /v1/schedules/preview HTTP/1.0\r\nhost: x\r\ncontent-length: LENGTH\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    ),
    (
        "a body without a length in HTTP/1.0",
        Refuse,
        "POST /v1/schedules/preview HTTP/1.0\r\nhost: x\r\n\r\nHIDDEN",
    ),
    ("a space before the colon", Refuse, "START\r\nTransfer-Encoding : chunked\r\n\r\nHIDDEN"),
    ("a space before the colon of the length", Refuse, "START\r\ncontent-length : LENGTH\r\n\r\nHIDDEN"),
    ("a tab before the colon", Refuse, "START\r\nTransfer-Encoding\t: chunked\r\n\r\nHIDDEN"),
    ("a space before the name", Refuse, "START\r\n Transfer-Encoding: chunked\r\n\r\nHIDDEN"),
    ("a tab before the name", Refuse, "START\r\n\tTransfer-Encoding: chunked\r\n\r\nHIDDEN"),
    ("a folded header", Refuse, "START\r\nx-a: b\r\n content-length: LENGTH\r\n\r\nHIDDEN"),
    ("chunks behind a bare CR", Refuse, "START\r\nx-a: b\rtransfer-encoding: chunked\r\n\r\nHIDDEN"),
    ("a length behind NUL", Refuse, "START\r\nx-a: b\u{0}\r\ncontent-length: 0\r\n\r\nHIDDEN"),
    (
        "names with underscores",
        AnswerOnce,
        "START\r\ntransfer_encoding: chunked\r\ncontent_length: 0\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "a tab after the colon",
        AnswerOnce,
        "START\r\ntransfer-encoding:\tchunked\t\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ),
    ("chunks in capitals", AnswerOnce, "START\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    ("a tunnel", AnswerOnce, "CONNECT example.com:80 HTTP/1.1\r\nhost: example.com:80\r\n\r\nHIDDEN"),
    (
        "an upgrade to a socket",
        AnswerOnce,
        "GET /livez HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
    (
        "an upgrade to HTTP/2",
        AnswerOnce,
        "GET /livez HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__\r\ncontent-length: LENGTH\r\n\r\nHIDDEN",
    ),
];

pub fn cases() -> Vec<Case> {
    let case = |name: String, must, said: String| {
        Case::asks(Family::Door, name, move |system| judged(system, must, said.clone()))
    };
    let lengths = LENGTHS.iter().map(|length| {
        let said = format!("START\r\ncontent-length: {length}\r\n\r\n{{   }}HIDDEN");
        case(format!("a length of {length:?}"), Refuse, said)
    });
    let encodings = ENCODINGS.iter().map(|encoding| {
        let said = format!("START\r\ntransfer-encoding: {encoding}\r\n\r\nHIDDEN");
        case(format!("a body encoded {encoding:?}"), Refuse, said)
    });
    let frames = FRAMES.iter().map(|(name, must, said)| case((*name).to_owned(), *must, (*said).to_owned()));
    let control = Case::asks(Family::Door, "two requests in turn are both done", |system| async move {
        let name = format!("hidden-{}", system.number());
        let received = say(&system, "START\r\ncontent-length: LENGTH\r\n\r\nHIDDEN", &name).await?;
        ensure!(received.statuses().len() == 1, "{:?}", received.statuses());
        let received = say(&system, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\nHIDDEN", &name).await?;
        ensure!(received.statuses() == [200, 201], "{:?}", received.statuses());
        ensure!(is_there(&system, &name).await?, "what cases look for cannot be found");
        Ok(())
    });
    lengths.chain(encodings).chain(frames).chain([control]).collect()
}

pub async fn judged(system: Arc<System>, must: Must, said: String) -> anyhow::Result<()> {
    let name = format!("hidden-{}", system.number());
    let received = say(&system, &said, &name).await?;
    let (statuses, text) = (received.statuses(), String::from_utf8_lossy(&received.bytes));
    ensure!(!is_there(&system, &name).await?, "what was hidden was done: {statuses:?}");
    ensure!(statuses.len() <= 1, "it was answered as several: {statuses:?} {text}");
    let refused = statuses.iter().all(|status| [400, 413, 431, 501, 505].contains(status));
    match must {
        Refuse => ensure!(refused && received.hung_up, "it hung up: {}. {text}", received.hung_up),
        Await => ensure!(refused && !received.hung_up, "it hung up: {}. {text}", received.hung_up),
        AnswerOnce => {
            let answered = statuses.first().is_some_and(|status| *status < 500);
            ensure!(answered && received.at_once, "at once: {}. {text}", received.at_once);
        }
    }
    Ok(())
}

async fn is_there(system: &System, name: &str) -> anyhow::Result<bool> {
    let secret = system.ask("GET", &format!("/v1/secrets/{name}"), &Value::Null).await?;
    ensure!([200, 404].contains(&secret.status), "{}", secret.text());
    Ok(secret.status == 200)
}

/// Every character is the byte of its number.
pub async fn say(system: &System, said: &str, name: &str) -> anyhow::Result<Received> {
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
    let said = said.replace("START", &head("/v1/schedules/preview"));
    let chunk = format!("{:x}\r\nHIDDEN", hidden.len());
    let said = said.replace("LENGTH\r\nHIDDEN", &chunk).replace("HIDDEN", &hidden);
    let length = said.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    let said = said.replace("LENGTH", &length.to_string()).replace("TOKEN", token);
    let bytes: Vec<u8> = said.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
    dialogue(system.api, &bytes).await
}
