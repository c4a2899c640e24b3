//! HTTP/2 frame by frame: floods, endless header blocks, and invalid frames.

use anyhow::ensure;
use std::{net::SocketAddr, sync::Arc};
use trigrun_testkit::target::Frames;

use super::{MAX_GROWTH_MB, attempt};
use crate::{
    case::{Case, Suite},
    system::System,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` by its number in the static table; `:status: 103` in full.
const OK: &[u8] = &[0x88];
const EARLY_HINTS: &[u8] = &[0x08, 0x03, b'1', b'0', b'3'];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    Frames::one(kind, flags, stream, payload)
}

/// A header, neither indexed nor Huffman-coded (RFC 7541 §6.2.2).
fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name.as_bytes(), value] {
        length(text.len(), &mut block);
        block.extend(text);
    }
    block
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn length(mut length: usize, block: &mut Vec<u8>) {
    if length < 127 {
        return block.push(length as u8);
    }
    block.push(127);
    length -= 127;
    while length >= 128 {
        block.push((length % 128) as u8 | 128);
        length /= 128;
    }
    block.push(length as u8);
}

fn floods() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let answered = || frame(HEADERS, END_HEADERS, 1, OK);
    let many = |frame: Vec<u8>| frame.repeat(200);
    let header = literal("x-flood", &[b'a'; 1000]);
    // A header of 4,000 bytes in the dynamic table, and then its number again and again.
    let mut bomb = vec![0x88, 0x40];
    for text in [&b"x-bomb"[..], &[b'a'; 4000]] {
        length(text.len(), &mut bomb);
        bomb.extend(text);
    }
    bomb.extend([0xbe; 12_000]);
    vec![
        ("pings", answered(), many(frame(PING, 0, 0, &[0; 8]))),
        ("acknowledgements of pings that were not sent", answered(), many(frame(PING, 1, 0, &[0; 8]))),
        ("settings", answered(), many(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]))),
        ("empty settings", answered(), many(frame(SETTINGS, 0, 0, &[]))),
        ("updates of the window", answered(), many(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]))),
        ("priorities", answered(), many(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]))),
        ("priorities of other streams", answered(), many(frame(PRIORITY, 0, 101, &[0, 0, 0, 0, 1]))),
        ("frames of an unknown kind", answered(), many(frame(0xfa, 0, 0, b"unknown"))),
        ("empty data", answered(), many(frame(DATA, 0, 1, &[]))),
        ("data of one byte", answered(), many(frame(DATA, 0, 1, b"a"))),
        (
            "data in padding only",
            answered(),
            many(frame(DATA, 8, 1, &[[255].as_slice(), &[0; 255]].concat())),
        ),
        ("data beyond the window", answered(), many(frame(DATA, 0, 1, &[b'a'; 16_000]))),
        ("data before a response", frame(DATA, 0, 1, b"early"), Vec::new()),
        ("data on a stream that was not opened", frame(DATA, 0, 7, b"x"), Vec::new()),
        ("interim responses", Vec::new(), many(frame(HEADERS, END_HEADERS, 1, EARLY_HINTS))),
        ("an endless header block", frame(HEADERS, 0, 1, OK), many(frame(CONTINUATION, 0, 1, &header))),
        ("empty continuations", frame(HEADERS, 0, 1, OK), many(frame(CONTINUATION, 0, 1, &[]))),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, OK), Vec::new()),
        ("headers that decode to 48 MB", frame(HEADERS, END_HEADERS, 1, &bomb), Vec::new()),
        (
            "endless trailers",
            [answered(), frame(HEADERS, END_STREAM, 1, &header)].concat(),
            many(frame(CONTINUATION, 0, 1, &header)),
        ),
        (
            "an index outside the table",
            frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            Vec::new(),
        ),
        ("a truncated header block", frame(HEADERS, END_HEADERS, 1, &[0x00, 0x7f]), Vec::new()),
        ("two responses", [answered(), answered()].concat(), Vec::new()),
        (
            "a response without a status",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal("x-a", b"b")),
            Vec::new(),
        ),
        (
            "a header in upper case",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[OK, &literal("X-A", b"b")].concat()),
            Vec::new(),
        ),
        (
            "a line break in a header",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[OK, &literal("x-a", b"b\r\nc: d")].concat()),
            Vec::new(),
        ),
        (
            "a connection-specific header",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[OK, &literal("connection", b"close")].concat()),
            Vec::new(),
        ),
        ("a pushed response", frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], OK].concat()), Vec::new()),
        ("a reset stream", frame(RST_STREAM, 0, 1, &[0, 0, 0, 2]), Vec::new()),
        ("reset streams", Vec::new(), many(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]))),
        ("GOAWAY", frame(GOAWAY, 0, 0, &[0; 8]), Vec::new()),
        ("many GOAWAY", Vec::new(), many(frame(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]))),
        ("a window that is too large", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), Vec::new()),
        ("a window update of 0", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), Vec::new()),
        ("an initial window of 0", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]), Vec::new()),
        (
            "a frame of 16 MB",
            [&[0xff, 0xff, 0xff, DATA, 0][..], &1u32.to_be_bytes()].concat(),
            vec![0; 16_384],
        ),
        ("HTTP/1.1", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(), Vec::new()),
        ("random bytes", Vec::new(), (0..=255).cycle().take(16_384).collect()),
        ("nothing", Vec::new(), Vec::new()),
    ]
}

pub fn cases() -> Vec<Case> {
    let flood = |(port, (name, first, again)): (u16, (&str, Vec<u8>, Vec<u8>))| {
        Case::dialling(Suite::Responses, format!("HTTP/2: {name}"), move |system| {
            flooded(system, port, Frames { first: first.clone(), again: again.clone() })
        })
    };
    (4500..).zip(floods()).map(flood).collect()
}

async fn flooded(system: Arc<System>, port: u16, frames: Frames) -> anyhow::Result<()> {
    let at = SocketAddr::from(([93, 184, 216, 34], port));
    let _server = system.targets()?.tls.frames_at(at, [frames]).await?;
    let before = system.resident_mb(&system.executor())?;
    let attempt = attempt(&system, format!("https://target.test:{port}/")).await?;
    let after = system.resident_mb(&system.executor())?;
    ensure!(after <= before + MAX_GROWTH_MB, "the executor grew from {before} MB to {after} MB");
    // The handshake succeeds in each case: none is refused for its certificate.
    ensure!(attempt["error_class"] != "tls_certificate" && attempt["error_class"] != "refused", "{attempt}");
    Ok(())
}
