//! Too much of everything: refused, and not kept in memory.

use anyhow::ensure;
use serde_json::Value;
use std::sync::Arc;

use crate::{
    case::{Case, Family, ensure_in_time},
    system::System,
    wire::dialogue,
};

/// What the API may hold more than before.
const MORE_MB: u64 = 48;
const MIB: usize = 1024 * 1024;

/// How it is said, what is to be received if anything is, and what is said.
type Said = (&'static str, &'static [u16], fn(&str) -> Vec<u8>);

const HEAD_REFUSED: &[u16] = &[400, 414, 431];

const SAID: &[Said] = &[
    ("a first line of 100 KB", HEAD_REFUSED, |_| head(&"a".repeat(100_000), "")),
    ("a first line of 1 MB", HEAD_REFUSED, |_| head(&"a".repeat(1_000_000), "")),
    ("a first line without end", HEAD_REFUSED, |_| vec![b'a'; 8 * MIB]),
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
    ("empty lines without end", HEAD_REFUSED, |_| b"\r\n".repeat(MIB)),
    ("a body of a byte too many", &[413], |token| body(token, &length(MIB + 1), &vec![b' '; MIB + 1])),
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
    ("an extension of a chunk without end", &[400, 413], |token| {
        body(token, "transfer-encoding: chunked", format!("1;{}", "a".repeat(16 * MIB)).as_bytes())
    }),
    ("a trailer without end", &[400, 413, 431], |token| {
        body(token, "transfer-encoding: chunked", format!("0\r\n{}", "x-a: b\r\n".repeat(2 * MIB)).as_bytes())
    }),
    ("JSON of a hundred thousand depths", &[400, 422], |token| {
        let deep = "{\"a\":".repeat(100_000);
        body(token, &length(deep.len()), deep.as_bytes())
    }),
    ("a list of a million", &[400, 422], |token| {
        let long = format!("{{\"cron\": [{}1]}}", "1,".repeat(500_000));
        body(token, &length(long.len()), long.as_bytes())
    }),
];

/// What is only said to come is refused before it does.
const CLAIMS: &[(&str, &str)] = &[
    ("16 MB", "content-length: 16777216"),
    ("16 MB that asks first", "content-length: 16777216\r\nexpect: 100-continue"),
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
    let case = |(name, expected, said): &Said| {
        let (expected, said) = (*expected, *said);
        Case::asks(Family::Door, format!("too much: {name}"), move |system| refused(system, expected, said))
    };
    let most = Case::asks(Family::Door, "a body of 1 MiB is read", |system| async move {
        let token = &system.tenant().token;
        let received = dialogue(
            system.api,
            &body(token, &length(MIB), &[b"{}", vec![b' '; MIB - 2].as_slice()].concat()),
        )
        .await?;
        ensure!(received.statuses() == [422], "{:?}", received.statuses());
        Ok(())
    });
    let claim = |(name, framing): &(&str, &'static str)| {
        let framing = *framing;
        Case::asks(Family::Door, format!("a claim: {name}"), move |system| async move {
            let received = dialogue(system.api, &body(&system.tenant().token, framing, b"")).await?;
            let last = received.statuses().last().copied();
            ensure!(last == Some(413), "{:?}", received.statuses());
            ensure_in_time!(received.at_once, "it was refused only after we had ended");
            Ok(())
        })
    };
    SAID.iter().map(case).chain(CLAIMS.iter().map(claim)).chain([most]).collect()
}

async fn refused(
    system: Arc<System>,
    expected: &'static [u16],
    said: fn(&str) -> Vec<u8>,
) -> anyhow::Result<()> {
    let bytes = said(&system.tenant().token);
    let before = system.resident_mb("api")?;
    let received = dialogue(system.api, &bytes).await?;
    let after = system.resident_mb("api")?;
    let statuses = received.statuses();
    ensure!(statuses.len() <= 1 && statuses.iter().all(|status| expected.contains(status)), "{statuses:?}");
    ensure!(after <= before + MORE_MB, "the API held {before} MB and holds {after} MB");
    system.ask("GET", "/v1/me", &Value::Null).await?.expect(200).map(drop)
}
