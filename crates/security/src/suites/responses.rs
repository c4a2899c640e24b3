//! Suite F: targets that attack the executor. The attempt ends in time, what is stored of it is readable, and the executor does not
//! grow.

mod floods;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use trigrun_testkit::target::Script;

use crate::{
    case::{Case, Suite, ensure_in_time},
    system::System,
};

const TIMEOUT: Duration = Duration::from_secs(2);
/// After its timeout, a request has to end within this time.
const MAX_DELAY: Duration = Duration::from_millis(250);
/// By which the executor may grow.
const MAX_GROWTH_MB: u64 = 96;

fn scripts() -> Vec<(&'static str, Script)> {
    let raw = |text: &str| Script::raw(text.to_owned());
    let many = |line: &str, count: usize| {
        Script::raw(format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", line.repeat(count)))
    };
    vec![
        ("no response", Script::Never),
        ("a head that drips", Script::DripHead(Duration::from_millis(100))),
        ("a body that drips", Script::DripBody(Duration::from_millis(100))),
        ("endless 100 Continue", Script::EndlessInterim),
        ("an endless body", Script::EndlessBody),
        ("endless chunks", Script::EndlessChunks),
        ("endless headers", Script::EndlessHeaders),
        ("the end of the connection", Script::Close),
        ("a reset", Script::Reset),
        ("200 headers", many("x-a: 1\r\n", 200)),
        ("a header of a megabyte", many(&format!("x-a: {}\r\n", "a".repeat(1_000_000)), 1)),
        ("another protocol", raw("220 mail.example.com ESMTP\r\n")),
        ("a status of six digits", raw("HTTP/1.1 200200 OK\r\n\r\n")),
        ("a negative status", raw("HTTP/1.1 -20 OK\r\n\r\n")),
        ("HTTP/9.9", raw("HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n")),
        ("a head without end of line", raw("HTTP/1.1 200 OK")),
        ("NUL in a header", raw("HTTP/1.1 200 OK\r\nx-a: a\0b\r\ncontent-length: 0\r\n\r\n")),
        ("a space before a colon", raw("HTTP/1.1 200 OK\r\nx-a : b\r\ncontent-length: 0\r\n\r\n")),
        ("a folded header", raw("HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n")),
        ("two lengths", raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx")),
        ("a negative length", raw("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n")),
        ("a length above 64 bits", raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n")),
        (
            "a length of eight exabytes",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\nx"),
        ),
        (
            "a length and chunks",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "a chunk size that is not a number",
            raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
        ),
        (
            "a chunk of 16 exabytes",
            raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
        ),
        ("a truncated chunk", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfi")),
        ("a truncated body", raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!")),
        ("an unknown coding", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
        (
            "101 Switching Protocols",
            raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
        ),
        (
            "a second response after the first",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ),
        (
            "bytes that are not text",
            Script::status(200).body(vec![0, 0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
        ),
        ("NUL in the body", Script::status(200).body("a\0b")),
        ("lone surrogates in JSON", Script::status(200).body(r#"{"a":"\ud800"}"#)),
        ("escape sequences for terminals", Script::status(200).body("\u{1b}]0;owned\u{7}\u{1b}[2J")),
        (
            "a script for browsers",
            Script::status(500).header("content-type", "text/html").body("<script>alert(1)</script>"),
        ),
        (
            "a compressed bomb",
            Script::status(200).header("content-encoding", "gzip").body(vec![0x1f; 100_000]),
        ),
        (
            "Retry-After in the year 9999",
            Script::status(503).header("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ),
        ("an invalid Retry-After", Script::status(503).header("retry-after", "-5 parsecs")),
        ("Set-Cookie", Script::status(200).header("set-cookie", "a=b; Domain=example.com")),
    ]
}

pub fn cases() -> Vec<Case> {
    let case = |(name, script): (&'static str, Script)| {
        Case::dialling(Suite::Responses, name, move |system| harmless(system, script.clone()))
    };
    scripts().into_iter().map(case).chain(floods::cases()).collect()
}

async fn harmless(system: Arc<System>, script: Script) -> anyhow::Result<()> {
    let path = format!("/hostile/{}", system.number());
    // RFC 9112 §9.5: a server may close a kept connection at any time, so a request to which nothing came back is sent once more.
    let max_sent = if matches!(script, Script::Close | Script::Reset) { 2 } else { 1 };
    system.targets()?.plain.respond(&path, script);
    let before = system.resident_mb(&system.executor())?;
    attempt(&system, format!("http://93.184.216.34{path}")).await?;
    let after = system.resident_mb(&system.executor())?;
    ensure!(after <= before + MAX_GROWTH_MB, "the executor grew from {before} MB to {after} MB");
    let hits = system.targets()?.plain.hits();
    let sent = hits.iter().filter(|hit| hit.path == path).count();
    ensure!((1..=max_sent).contains(&sent), "it was sent {sent} times");
    Ok(())
}

/// The only attempt at this URL. It ends in time, and the API returns it whole.
pub(super) async fn attempt(system: &System, url: String) -> anyhow::Result<Value> {
    let ended = system.run(json!({ "url": url, "timeout_seconds": TIMEOUT.as_secs() })).await?;
    let attempts = ended["attempts"].as_array().context("no attempts")?;
    ensure!(attempts.len() == 1, "{ended}");
    let total_ms = attempts[0]["timing"]["total_ms"].as_f64().with_context(|| format!("{ended}"))?;
    let max_ms = (TIMEOUT + MAX_DELAY).as_secs_f64() * 1000.0;
    ensure_in_time!(total_ms <= max_ms, "it took {total_ms} ms of {TIMEOUT:?}");
    ensure!(attempts[0]["error_class"] != "internal", "{ended}");
    Ok(attempts[0].clone())
}
