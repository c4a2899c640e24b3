//! Heads that are none, or nearly (RFC 9112, 2 to 5), and other protocols.

use super::framing::{
    Must::{AnswerOnce, Refuse},
    Said, judged,
};
use crate::case::{Case, Family};

const HEADS: &[Said] = &[
    ("a host with @", Refuse, "GET /livez HTTP/1.1\r\nhost: a@b\r\n\r\n"),
    ("a host with a space", Refuse, "GET /livez HTTP/1.1\r\nhost: a b\r\n\r\n"),
    ("a host with a path", Refuse, "GET /livez HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    ("lines that end with LF", AnswerOnce, "GET /v1/me HTTP/1.1\nhost: x\nauthorization: Bearer TOKEN\n\n"),
    ("a line that ends with CR", Refuse, "GET /livez HTTP/1.1\rhost: x\r\r"),
    ("a bare CR in a value", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: b\rc\r\n\r\n"),
    ("NUL in a value", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: b\u{0}c\r\n\r\n"),
    ("NUL in a name", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nx\u{0}a: b\r\n\r\n"),
    ("a control character in a value", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nx-a: \u{1b}[2J\r\n\r\n"),
    ("a header without a colon", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nx-a\r\n\r\n"),
    ("a header without a name", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\n: b\r\n\r\n"),
    ("a space in a name", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nx a: b\r\n\r\n"),
    ("a name of other letters", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nx-\u{e4}: b\r\n\r\n"),
    ("a folded first header", Refuse, "GET /livez HTTP/1.1\r\n host: x\r\nhost: x\r\n\r\n"),
    ("another host in the target", AnswerOnce, "GET http://other.example/livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("two hosts", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n"),
    ("one host twice", Refuse, "GET /livez HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n"),
    ("no host", Refuse, "GET /livez HTTP/1.1\r\n\r\n"),
    ("two spaces", AnswerOnce, "GET  /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a tab for a space", Refuse, "GET\t/livez\tHTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a space in the path", Refuse, "GET /livez /x HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a space before the method", Refuse, " GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("HTTP/0.9", Refuse, "GET /livez\r\n\r\n"),
    ("HTTP/1.2", AnswerOnce, "GET /livez HTTP/1.2\r\nhost: x\r\n\r\n"),
    ("HTTP/2.0", Refuse, "GET /livez HTTP/2.0\r\nhost: x\r\n\r\n"),
    ("HTTP/1.1.1", Refuse, "GET /livez HTTP/1.1.1\r\nhost: x\r\n\r\n"),
    ("HTTP/11", Refuse, "GET /livez HTTP/11\r\nhost: x\r\n\r\n"),
    ("http/1.1", Refuse, "GET /livez http/1.1\r\nhost: x\r\n\r\n"),
    (
        "the beginning of HTTP/2",
        Refuse,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}",
    ),
    ("a method in small letters", AnswerOnce, "get /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("an unknown method", AnswerOnce, "BREW /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a method that is none", Refuse, "G@T{} /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("TRACE", AnswerOnce, "TRACE /livez HTTP/1.1\r\nhost: x\r\nx-a: b\r\n\r\n"),
    ("NUL in the first line", Refuse, "GET /li\u{0}vez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a path that is not ASCII", Refuse, "GET /liv\u{e9}z HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a fragment in the path", AnswerOnce, "GET /livez#x HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("a path without a slash", AnswerOnce, "GET livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("empty lines before it", AnswerOnce, "\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("an asterisk", AnswerOnce, "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("an asterisk to GET", AnswerOnce, "GET * HTTP/1.1\r\nhost: x\r\n\r\n"),
    ("nothing but spaces", Refuse, "      \r\n\r\n"),
    (
        "TLS",
        Refuse,
        "\u{16}\u{3}\u{1}\u{0}\u{f1}\u{1}\u{0}\u{0}\u{ed}\u{3}\u{3}\u{9c}\u{2}\u{fe}\u{13}\u{0}\r\n\r\n",
    ),
    ("SSH", Refuse, "SSH-2.0-OpenSSH_9.6\r\n"),
    ("a mail", Refuse, "EHLO example.com\r\nMAIL FROM:<a@example.com>\r\n"),
    ("Redis", Refuse, "*1\r\n$4\r\nPING\r\n"),
    (
        "a certain proxy's greeting",
        Refuse,
        "PROXY TCP4 10.0.0.1 127.0.0.1 1 8080\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
    ),
    ("bytes without sense", Refuse, "\u{ff}\u{fe}\u{80}\u{0}\u{1}\r\n\r\n"),
];

pub fn cases() -> Vec<Case> {
    let case = |(name, must, said): &Said| {
        let (must, said) = (*must, *said);
        Case::asks(Family::Door, format!("a head: {name}"), move |system| {
            judged(system, must, said.to_owned())
        })
    };
    HEADS.iter().map(case).collect()
}
