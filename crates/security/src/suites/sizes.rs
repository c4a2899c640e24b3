//! Suite R: responses of which some part has no end. Many such responses at once end as documented, and the memory of the executor is bounded.

use anyhow::{Context, ensure};
use flate2::{Compression, write::GzEncoder};
use futures_util::future::try_join_all;
use serde_json::json;
use std::{io::Write, sync::Arc};
use tokio::sync::Mutex;
use trigrun_testkit::target::Script;

use crate::{
    case::{Case, Suite},
    system::{System, once},
};

/// Responses at the same time.
const CONCURRENT: usize = 32;
/// By which the executor may grow meanwhile. It reads at most a megabyte of each body, keeps at most 40 KiB of each head and 64 KiB of each
/// body, and allocators keep some of what they were given.
const MAX_GROWTH_MB: u64 = 32;
const TIMEOUT_SECONDS: u64 = 4;

/// One case at a time, because the growth is that of this case; and whether the executor is the one that the first of them starts.
static ONE_AT_A_TIME: Mutex<bool> = Mutex::const_new(false);

/// A name, what the target sends, and what the attempt is: its status and error class.
type Row = (&'static str, Script, (&'static str, Option<&'static str>));

const SUCCESS: (&str, Option<&str>) = ("success", None);
const TIMEOUT: (&str, Option<&str>) = ("timeout", Some("timeout_body"));
const TOO_LARGE: (&str, Option<&str>) = ("connection_error", Some("response_too_large"));
const NOT_HTTP: (&str, Option<&str>) = ("connection_error", Some("protocol_error"));

fn rows() -> Vec<Row> {
    let long = |bytes: usize| "a".repeat(bytes);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let gzip =
        |script: Script| script.header("content-encoding", "gzip").header("content-type", "text/plain");
    vec![
        ("a body without an end", Script::EndlessBody, SUCCESS),
        ("a body without a length", Script::endless("HTTP/1.1 200 OK\r\n\r\n", long(65_536)), SUCCESS),
        (
            "one chunk without an end",
            Script::endless(format!("{chunked}7fffffffffffffff\r\n"), long(65_536)),
            SUCCESS,
        ),
        ("a body of 64 MB", Script::status(200).body(long(64 * 1024 * 1024)), SUCCESS),
        ("chunks of one byte", Script::EndlessChunks, TIMEOUT),
        ("an extension of a chunk", Script::endless(format!("{chunked}1;"), long(1024)), NOT_HTTP),
        (
            "chunks with long extensions",
            Script::endless(chunked, format!("1;{}\r\nx\r\n", long(16_000))),
            TIMEOUT,
        ),
        ("a size of a chunk", Script::endless(chunked, "0".repeat(1024)), NOT_HTTP),
        ("trailers", Script::endless(format!("{chunked}1\r\nx\r\n0\r\n"), "x-a: b\r\n"), NOT_HTTP),
        ("one trailer", Script::endless(format!("{chunked}0\r\nx-a: "), long(1024)), NOT_HTTP),
        ("headers", Script::EndlessHeaders, TOO_LARGE),
        ("one header", Script::endless("HTTP/1.1 200 OK\r\nx-a: ", long(1024)), TOO_LARGE),
        ("the name of a header", Script::endless("HTTP/1.1 200 OK\r\n", long(1024)), TOO_LARGE),
        ("a folded header", Script::endless("HTTP/1.1 200 OK\r\nx-a: b\r\n", " c\r\n"), TOO_LARGE),
        ("a reason phrase", Script::endless("HTTP/1.1 200 ", long(1024)), TOO_LARGE),
        ("empty lines before the response", Script::endless("\r\n", "\r\n"), TOO_LARGE),
        ("interim responses", Script::EndlessInterim, ("timeout", Some("timeout_response"))),
        (
            "an interim response with long headers",
            Script::endless("", format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", long(100_000))),
            ("timeout", Some("timeout_response")),
        ),
        ("250 KB of short headers", headers(42_000), SUCCESS),
        ("a gzip bomb", gzip(Script::status(200)).body(bomb(1)), SUCCESS),
        ("a gzip bomb in a gzip bomb", gzip(Script::status(200)).body(bomb(2)), SUCCESS),
        (
            "gzip without an end",
            Script::endless("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", empty_members()),
            SUCCESS,
        ),
    ]
}

/// A head of so many headers, which is not too large.
fn headers(count: usize) -> Script {
    Script::raw(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{}\r\n", "x: 1\r\n".repeat(count)))
}

/// 256 MB, compressed so many times.
fn bomb(times: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let piece = vec![b'a'; 1024 * 1024];
    for _ in 0..256 {
        encoder.write_all(&piece).expect("memory can be written");
    }
    let mut body = encoder.finish().expect("memory can be written");
    for _ in 1..times {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&body).expect("memory can be written");
        body = encoder.finish().expect("memory can be written");
    }
    body
}

/// Gzip members of nothing (RFC 1952 §2.2): a decoder reads on and on, and has no output.
fn empty_members() -> Vec<u8> {
    GzEncoder::new(Vec::new(), Compression::best()).finish().expect("memory can be written").repeat(50)
}

pub fn cases() -> Vec<Case> {
    let case = |(name, script, expected): Row| {
        Case::dialling(Suite::Sizes, name, move |system| bounded(system, script.clone(), expected))
    };
    rows().into_iter().map(case).collect()
}

async fn bounded(
    system: Arc<System>,
    script: Script,
    (status, class): (&'static str, Option<&'static str>),
) -> anyhow::Result<()> {
    let mut is_new = ONE_AT_A_TIME.lock().await;
    if !*is_new {
        // The one before may log at level `trace`.
        system.replace_executor("sizes-executor", &[]).await?;
        system.run(json!({ "url": "http://93.184.216.34/sizes" })).await?;
        *is_new = true;
    }
    let path = format!("/sizes/{}", system.number());
    let targets = system.targets()?;
    targets.plain.respond(&path, script);
    let executor = system.executor();
    let before = system.reset_peak(&executor)?;
    let request = json!({ "url": format!("http://93.184.216.34{path}"), "timeout_seconds": TIMEOUT_SECONDS });
    let job = once(request);
    let create = (0..CONCURRENT).map(|_| system.call("POST", "/v1/jobs", &job));
    let created = try_join_all(create).await?;
    let mut executions = Vec::new();
    for response in created {
        executions.push(response.expect(201)?["execution_id"].clone());
    }
    for execution in executions {
        let ended = system.ended(&execution).await?;
        let attempts = ended["attempts"].as_array().context("no attempts")?;
        ensure!(attempts.len() == 1, "{ended}");
        ensure!(attempts[0]["status"] == status && attempts[0]["error_class"] == json!(class), "{ended}");
    }
    let peak = system.peak_mb(&executor)?;
    ensure!(peak <= before + MAX_GROWTH_MB, "the executor grew from {before} MB to {peak} MB");
    let sent = targets.plain.hits().iter().filter(|hit| hit.path == path).count();
    ensure!(sent == CONCURRENT, "{sent} requests arrived");
    Ok(())
}
