//! Chunked bodies (RFC 9112 §7.1): the end of one is as exact as a length.

use super::framing::{
    Expected::{OneResponse, Refused, Waits},
    Row, check,
};
use crate::security::case::Case;

/// What follows the head of a chunked request.
const CHUNKS: &[Row] = &[
    ("a size above 64 bits", Refused, "10000000000000002\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size of 16 exabytes", Waits, "ffffffffffffffff\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a negative size", Refused, "-2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size with a plus", Refused, "+2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size with 0x", Refused, "0x2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size with an underscore", Refused, "0_2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("two sizes", Refused, "2 2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a space before the size", Refused, " 2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("no size", Refused, "\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size that is not a number", Refused, "xyz\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size that ends with LF", Refused, "2\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size that ends with CR", Refused, "2\r{}\r\n0\r\n\r\nHIDDEN"),
    ("an extension that ends with LF", Refused, "2;a\n{}\r\n0\r\n\r\nHIDDEN"),
    ("an extension with NUL", Refused, "2;a=\u{0}\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("an extension with a quoted line break", Refused, "2;a=\"\n{}\r\n0\r\n\r\n\"\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("an extension", OneResponse, "2;a=b;c=\"d\"\r\n{}\r\n0\r\n\r\n"),
    ("an extension that looks like a request", OneResponse, "2;a=GET /v1/me HTTP/1.1\r\n{}\r\n0\r\n\r\n"),
    ("data without an end", Refused, "2\r\n{}0\r\n\r\nHIDDEN"),
    ("data that ends with LF", Refused, "2\r\n{}\n0\r\n\r\nHIDDEN"),
    ("data longer than its size", Refused, "2\r\n{}HIDDEN\r\n0\r\n\r\n"),
    ("a last chunk that ends with LF", Refused, "2\r\n{}\r\n0\n\nHIDDEN"),
    (
        "trailers about the framing",
        OneResponse,
        "2\r\n{}\r\n0\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
    ("a request in a chunk", OneResponse, "LENGTH\r\nHIDDEN\r\n0\r\n\r\n"),
    ("a truncated chunk", Waits, "5\r\n{}"),
    ("no last chunk", Waits, "2\r\n{}\r\n"),
];

pub fn cases() -> Vec<Case> {
    let case = |(name, expected, chunks): &Row| {
        let (expected, text) = (*expected, format!("START\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"));
        Case::new(format!("chunks: {name}"), move |system| check(system, expected, text.clone()))
    };
    CHUNKS.iter().map(case).collect()
}
