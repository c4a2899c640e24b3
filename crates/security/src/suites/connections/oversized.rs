//! Requests that are too large: refused, and not kept in memory.

use anyhow::ensure;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

use trigrun_testkit::raw_http::{Wait, exchange, exchange_waiting};

use crate::{
    case::{Case, Suite, ensure_in_time},
    system::System,
};

/// The API refuses a length at once; a busy machine may be slow.
const WAIT: Wait = Wait { first: Duration::from_secs(4), next: Duration::from_millis(700) };
/// By which the API may grow.
const MAX_GROWTH_MB: u64 = 48;
const MIB: usize = 1024 * 1024;

/// A name, the statuses that a response may have, and the bytes for a token.
type Row = (&'static str, &'static [u16], fn(&str) -> Vec<u8>);

const HEAD_REFUSED: &[u16] = &[400, 414, 431];

const ROWS: &[Row] = &[
    ("a first line of 100 KB", HEAD_REFUSED, |_| head(&"a".repeat(100_000), "")),
    ("a first line of 1 MB", HEAD_REFUSED, |_| head(&"a".repeat(1_000_000), "")),
    ("an endless first line", HEAD_REFUSED, |_| vec![b'a'; 8 * MIB]),
    ("a header of 1 MB", HEAD_REFUSED, |_| head("livez", &format!("x-a: {}\r\n", "a".repeat(1_000_000)))),
    ("a header's name of 100 KB", HEAD_REFUSED, |_| {
        head("livez", &format!("{}: a\r\n", "a".repeat(100_000)))
    }),
    ("sixty thousand fields", &[422], |token| {
        let fields: Vec<String> = (0..60_000).map(|n| format!("\"f{n}\":1")).collect();
        let many = format!("{{{}}}", fields.join(","));
        body(token, &length(many.len()), many.as_bytes())
    }),
    ("100 headers", HEAD_REFUSED, |_| head("livez", &"x-a: b\r\n".repeat(100))),
    ("10,000 headers", HEAD_REFUSED, |_| head("livez", &"x-a: b\r\n".repeat(10_000))),
    ("a head of 150 KB", HEAD_REFUSED, |_| {
        head("livez", &format!("x-a: {}\r\n", "a".repeat(1_900)).repeat(80))
    }),
    ("a token of 100 KB", &[400, 401, 431], |_| {
        head("v1/me", &format!("authorization: Bearer trg_{}\r\n", "a".repeat(100_000)))
    }),
    ("endless empty lines", HEAD_REFUSED, |_| b"\r\n".repeat(MIB)),
    ("a body one byte too long", &[413], |token| body(token, &length(MIB + 1), &vec![b' '; MIB + 1])),
    ("a body of 16 MB", &[413], |token| body(token, &length(16 * MIB), &vec![b' '; 16 * MIB])),
    ("a body of 16 MB in chunks", &[413], |token| {
        body(
            token,
            "transfer-encoding: chunked",
            &format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(256).into_bytes(),
        )
    }),
    ("a body of 1 MB in chunks of a byte", &[413], |token| {
        body(token, "transfer-encoding: chunked", &b"1\r\n \r\n".repeat(MIB + 1))
    }),
    ("an endless chunk extension", &[400, 413], |token| {
        body(token, "transfer-encoding: chunked", format!("1;{}", "a".repeat(16 * MIB)).as_bytes())
    }),
    ("an endless trailer", &[400, 413, 431], |token| {
        body(token, "transfer-encoding: chunked", format!("0\r\n{}", "x-a: b\r\n".repeat(2 * MIB)).as_bytes())
    }),
    ("JSON with 100,000 levels", &[400, 422], |token| {
        let deep = "{\"a\":".repeat(100_000);
        body(token, &length(deep.len()), deep.as_bytes())
    }),
    ("a list of a million", &[400, 422], |token| {
        let long = format!("{{\"cron\": [{}1]}}", "1,".repeat(500_000));
        body(token, &length(long.len()), long.as_bytes())
    }),
];

/// Lengths that are refused before the body arrives.
const LENGTHS: &[(&str, &str)] = &[
    ("16 MB", "content-length: 16777216"),
    ("16 MB with Expect", "content-length: 16777216\r\nexpect: 100-continue"),
    ("eight exabytes", "content-length: 9223372036854775807"),
    ("sixteen exabytes", "content-length: 18446744073709551615"),
];

fn length(length: usize) -> String {
    format!("content-length: {length}")
}

fn head(path: &str, headers: &str) -> Vec<u8> {
    format!("GET /{path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes()
}

fn body(token: &str, framing: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/schedules/preview HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\n{framing}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub fn cases() -> Vec<Case> {
    let case = |(name, expected, bytes): &Row| {
        let (expected, bytes) = (*expected, *bytes);
        Case::new(Suite::Connections, format!("too large: {name}"), move |system| {
            is_refused(system, expected, bytes)
        })
    };
    let max = Case::new(Suite::Connections, "a body of 1 MiB is read", |system| async move {
        let token = &system.tenant().token;
        let text = [b"{}", vec![b' '; MIB - 2].as_slice()].concat();
        let exchange = exchange(system.api, &body(token, &length(MIB), &text)).await?;
        ensure!(exchange.statuses() == [422], "{:?}", exchange.statuses());
        Ok(())
    });
    let length_only = |(name, framing): &(&str, &'static str)| {
        let framing = *framing;
        Case::new(Suite::Connections, format!("a length: {name}"), move |system| async move {
            let head = body(&system.tenant().token, framing, b"");
            let exchange = exchange_waiting(system.api, &head, WAIT).await?;
            let last = exchange.statuses().last().copied();
            ensure!(last == Some(413), "{:?}", exchange.statuses());
            ensure_in_time!(exchange.responded_early, "it was refused only after the client closed its side");
            Ok(())
        })
    };
    ROWS.iter().map(case).chain(LENGTHS.iter().map(length_only)).chain([max]).collect()
}

async fn is_refused(
    system: Arc<System>,
    expected: &'static [u16],
    bytes: fn(&str) -> Vec<u8>,
) -> anyhow::Result<()> {
    let bytes = bytes(&system.tenant().token);
    let before = system.resident_mb("api")?;
    let exchange = exchange(system.api, &bytes).await?;
    let after = system.resident_mb("api")?;
    let statuses = exchange.statuses();
    // The API gives a body eight seconds. A busy machine may take longer to send it.
    ensure_in_time!(statuses != [408], "it was not sent in time");
    ensure!(statuses.len() <= 1 && statuses.iter().all(|status| expected.contains(status)), "{statuses:?}");
    ensure!(after <= before + MAX_GROWTH_MB, "the API grew from {before} MB to {after} MB");
    system.call("GET", "/v1/me", &Value::Null).await?.expect(200).map(drop)
}
