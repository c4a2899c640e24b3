//! Bodies in chunks (RFC 9112, 7.1): where one ends is as exact as a length.

use super::framing::{
    Must::{AnswerOnce, Await, Refuse},
    Said, judged,
};
use crate::case::{Case, Family};

/// What stands where chunks should.
const CHUNKS: &[Said] = &[
    ("a size beyond all numbers", Refuse, "10000000000000002\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size of all memory", Await, "ffffffffffffffff\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a negative size", Refuse, "-2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size with a plus", Refuse, "+2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size with 0x", Refuse, "0x2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size with an underscore", Refuse, "0_2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("two sizes", Refuse, "2 2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a space before the size", Refuse, " 2\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("no size", Refuse, "\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("no number", Refuse, "xyz\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size that ends with LF", Refuse, "2\n{}\r\n0\r\n\r\nHIDDEN"),
    ("a size that ends with CR", Refuse, "2\r{}\r\n0\r\n\r\nHIDDEN"),
    ("an extension that ends with LF", Refuse, "2;a\n{}\r\n0\r\n\r\nHIDDEN"),
    ("an extension with NUL", Refuse, "2;a=\u{0}\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("an extension that ends in quotes", Refuse, "2;a=\"\n{}\r\n0\r\n\r\n\"\r\n{}\r\n0\r\n\r\nHIDDEN"),
    ("an extension", AnswerOnce, "2;a=b;c=\"d\"\r\n{}\r\n0\r\n\r\n"),
    ("an extension that reads like a request", AnswerOnce, "2;a=GET /v1/me HTTP/1.1\r\n{}\r\n0\r\n\r\n"),
    ("data without an end", Refuse, "2\r\n{}0\r\n\r\nHIDDEN"),
    ("data that ends with LF", Refuse, "2\r\n{}\n0\r\n\r\nHIDDEN"),
    ("data longer than its size", Refuse, "2\r\n{}HIDDEN\r\n0\r\n\r\n"),
    ("a last chunk that ends with LF", Refuse, "2\r\n{}\r\n0\n\nHIDDEN"),
    (
        "a request for a trailer",
        AnswerOnce,
        "2\r\n{}\r\n0\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    ),
    ("a request in a chunk", AnswerOnce, "LENGTH\r\nHIDDEN\r\n0\r\n\r\n"),
    ("a chunk that is cut", Await, "5\r\n{}"),
    ("no last chunk", Await, "2\r\n{}\r\n"),
];

pub fn cases() -> Vec<Case> {
    let case = |(name, must, chunks): &Said| {
        let (must, said) = (*must, format!("START\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"));
        Case::asks(Family::Door, format!("chunks: {name}"), move |system| judged(system, must, said.clone()))
    };
    CHUNKS.iter().map(case).collect()
}
