//! Invalid and unusual heads (RFC 9112 §2 to §5), and other protocols.

use super::framing::{
    Expected::{OneResponse, Refused},
    Row, check,
};
use crate::security::case::Case;

const HEADS: &[Row] = &[
    ("a host with @", Refused, "GET /livez HTTP/1.1\r\nhost: a@b\r\n\r\n"),
    ("a host with a space", Refused, "GET /livez HTTP/1.1\r\nhost: a b\r\n\r\n"),
    ("a host with a path", Refused, "GET /livez HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    ("lines that end with LF", OneResponse, "GET /v1/me HTTP/1.1\nhost: x\nauthorization: Bearer TOKEN\n\n"),
    ("a line that ends with CR", Refused, "GET /livez HTTP/1.1\rhost: x\r\r"),
    ("a bare CR in a value", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: b\rc\r\n\r\n"),
    ("NUL in a value", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: b\u{0}c\r\n\r\n"),
    ("NUL in a name", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nx\u{0}a: b\r\n\r\n"),
    ("a control character in a value", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: \u{1b}[2J\r\n\r\n"),
    ("a header without a colon", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nx-a\r\n\r\n"),
    ("a header without a name", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\n: b\r\n\r\n"),
    ("a space in a name", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nx a: b\r\n\r\n"),
    ("a name outside ASCII", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nx-\u{e4}: b\r\n\r\n"),
    ("a folded first header", Refused, "GET /livez HTTP/1.1\r\n host: x\r\nhost: x\r\n\r\n"),
    ("another host in the target", OneResponse, "GET http://other.example/livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("two hosts", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n"),
    ("one host twice", Refused, "GET /livez HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n"),
    ("no host", Refused, "GET /livez HTTP/1.1\r\n\r\n"),
    ("two spaces", OneResponse, "GET  /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a tab in place of a space", Refused, "GET\t/livez\tHTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a space in the path", Refused, "GET /livez /x HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a space before the method", Refused, " GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("HTTP/0.9", Refused, "GET /livez\r\n\r\n"),
    ("HTTP/1.2", OneResponse, "GET /livez HTTP/1.2\r\nhost: x\r\n\r\n"),
    ("HTTP/2.0", Refused, "GET /livez HTTP/2.0\r\nhost: x\r\n\r\n"),
    ("HTTP/1.1.1", Refused, "GET /livez HTTP/1.1.1\r\nhost: x\r\n\r\n"),
    ("HTTP/11", Refused, "GET /livez HTTP/11\r\nhost: x\r\n\r\n"),
    ("http/1.1", Refused, "GET /livez http/1.1\r\nhost: x\r\n\r\n"),
    (
        "the preface of HTTP/2",
        Refused,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}",
    ),
    ("a method in lower case", OneResponse, "get /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("an unknown method", OneResponse, "BREW /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("an invalid method", Refused, "G@T{} /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("TRACE", OneResponse, "TRACE /livez HTTP/1.1\r\nhost: x\r\nx-a: b\r\n\r\n"),
    ("NUL in the first line", Refused, "GET /li\u{0}vez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a path that is not ASCII", Refused, "GET /liv\u{e9}z HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a fragment in the path", OneResponse, "GET /livez#x HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a path without a slash", OneResponse, "GET livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("empty lines before it", OneResponse, "\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("an asterisk", OneResponse, "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("an asterisk to GET", OneResponse, "GET * HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("only spaces", Refused, "      \r\n\r\n"),
    (
        "TLS",
        Refused,
        "\u{16}\u{3}\u{1}\u{0}\u{f1}\u{1}\u{0}\u{0}\u{ed}\u{3}\u{3}\u{9c}\u{2}\u{fe}\u{13}\u{0}\r\n\r\n",
    ),
    ("SSH", Refused, "SSH-2.0-OpenSSH_9.6\r\n"),
    ("SMTP", Refused, "EHLO example.com\r\nMAIL FROM:<a@example.com>\r\n"),
    ("Redis", Refused, "*1\r\n$4\r\nPING\r\n"),
    (
        "the PROXY protocol",
        Refused,
        "PROXY TCP4 10.0.0.1 127.0.0.1 1 8080\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
    ),
    ("random bytes", Refused, "\u{ff}\u{fe}\u{80}\u{0}\u{1}\r\n\r\n"),
];

pub fn cases() -> Vec<Case> {
    let case = |(name, expected, text): &Row| {
        let (expected, text) = (*expected, *text);
        Case::new(format!("a head: {name}"), move |system| check(system, expected, text.to_owned()))
    };
    HEADS.iter().map(case).collect()
}
