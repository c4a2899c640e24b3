//! Responses are judged as other clients judge them: what curl, wget, Python and Node accept is a response.

use trigrun_core::domain::attempt::{AttemptStatus, Outcome};
use trigrun_executor::egress::Egress;
use trigrun_testkit::target::{Certificate, Protocol, Script, Target};

use super::{Settings, exchange, get, loopback, new_egress, post};

/// The outcome of a response that consists of these bytes, after which the server closes the connection.
async fn received(target: &Target, egress: &Egress, bytes: impl AsRef<[u8]>) -> Outcome {
    target.respond("/", Script::raw(bytes.as_ref().to_vec()));
    exchange(egress, target.url("/"), get()).await.outcome
}

fn values<'a>(outcome: &'a Outcome, name: &str) -> Vec<&'a str> {
    let headers = outcome.response_headers.iter();
    headers.filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

/// After the status line, with a body of two bytes.
const END: &str = "Content-Length: 2\r\n\r\nok";

#[tokio::test]
async fn status_lines_that_others_accept() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let lines = [
        "HTTP/1.1 200",
        "HTTP/1.1 200 ",
        "HTTP/1.1 200 a reason, \u{d6}K",
        "HTTP/1.1 200 a\u{1}b",
        "HTTP/1.1  200  OK",
        "HTTP/1.1\t200\tOK",
        "HTTP/1.1 200OK",
        "HTTP/1.0 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/2 200 OK",
        "http/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK",
    ];
    for line in lines {
        let outcome = received(&target, &egress, format!("{line}\r\n{END}")).await;
        assert_eq!((outcome.status, outcome.status_code), (AttemptStatus::Success, Some(200)), "{line:?}");
        assert_eq!(outcome.body_preview, b"ok", "{line:?}");
    }
    for line in
        ["HTTP/1.1 2000 OK", "HTTP/1.1 99 OK", "HTTP/1.1 20 OK", "HTTP/1.1 abc", "HTTP 200 OK", "ICY 200 OK"]
    {
        let outcome = received(&target, &egress, format!("{line}\r\n{END}")).await;
        assert_eq!((outcome.error_class, outcome.status_code), (Some("protocol_error"), None), "{line:?}");
    }
}

#[tokio::test]
async fn header_lines_that_others_accept() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let cases: [(&str, &str, &[&str]); 15] = [
        ("X-A: one;\r\n\ttwo\r\n", "x-a", &["one; two"]),
        ("X-A: one\r\n  \r\n \t two \r\n", "x-a", &["one two"]),
        ("X-A:\r\n one\r\n", "x-a", &["one"]),
        ("X-A: one\n", "x-a", &["one"]),
        ("X-A: one\r\r\n", "x-a", &["one"]),
        ("X-A: o\rne\r\n", "x-a", &["o ne"]),
        ("X-A : one\r\n", "x-a", &["one"]),
        ("X-A:one\r\nX-A:two\r\n", "x-a", &["one", "two"]),
        ("X-A:\r\n", "x-a", &[""]),
        ("X-A: \u{1}\u{7f}\r\n", "x-a", &["\u{1}\u{7f}"]),
        ("X A(: one\r\n", "x a(", &["one"]),
        ("X-\u{e4}: one\r\n", "x-\u{e4}", &["one"]),
        ("a line\r\n", "trigrun-invalid", &["lines that are not valid headers: 1"]),
        (": one\r\n: two\r\n", "trigrun-invalid", &["lines that are not valid headers: 2"]),
        (" folded: one\r\n", "trigrun-invalid", &["lines that are not valid headers: 1"]),
    ];
    for (lines, name, expected) in cases {
        let outcome = received(&target, &egress, format!("HTTP/1.1 200 OK\r\n{lines}{END}")).await;
        assert_eq!(outcome.status, AttemptStatus::Success, "{lines:?} {:?}", outcome.error);
        assert_eq!(values(&outcome, name), expected, "{lines:?}");
        assert_eq!(outcome.body_preview, b"ok", "{lines:?}");
    }
}

#[tokio::test]
async fn framings_that_others_accept() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let heads = [
        "Content-Length:\r\n 2\r\n\r\nok",
        "Content-Length : 2\r\n\r\nok",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "Content-Length: 2, 2\r\n\r\nok",
        "Content-Length: 02\r\n\r\nok",
        "Content-Length: 2x\r\n\r\nok",
        "Content-Length: 99999999999999999999999\r\n\r\nok",
        "Content-Length: 2\r\n\r\nok, and more",
        "\r\nok",
        "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
        "Transfer-Encoding:\r\nContent-Length: 2\r\n\r\nok",
        "Transfer-Encoding: gzip\r\n\r\nok",
        "Transfer-Encoding: Chunked\r\nContent-Length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
        "Transfer-Encoding: chunked\r\n\r\n0002;name=\"value\"\r\nok\r\n000\r\nX-Trailer: a\r\nno header\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\nand more",
    ];
    for head in heads {
        for version in ["1.1", "1.0"] {
            let outcome = received(&target, &egress, format!("HTTP/{version} 200 OK\r\n{head}")).await;
            assert_eq!(outcome.status, AttemptStatus::Success, "{version} {head:?} {:?}", outcome.error);
            assert_eq!(outcome.body_preview, b"ok", "{version} {head:?}");
        }
    }
    for (status, rest) in [(204, "Content-Length: 2\r\n\r\nok"), (304, "Content-Length: 5\r\n\r\n")] {
        let outcome = received(&target, &egress, format!("HTTP/1.1 {status} x\r\n{rest}")).await;
        assert_eq!((outcome.status_code, outcome.response_bytes), (Some(status), 0), "{:?}", outcome.error);
    }
}

#[tokio::test]
async fn a_head_has_many_lines_and_at_most_256_kib() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let many: String = (0..5000).map(|number| format!("X-{number}: v\r\n")).collect();
    let outcome =
        received(&target, &egress, format!("HTTP/1.1 200 OK\r\n{many}Retry-After: 9\r\n{END}")).await;
    assert_eq!((outcome.status, outcome.body_preview.as_slice()), (AttemptStatus::Success, b"ok".as_slice()));
    assert_eq!(values(&outcome, "x-399"), ["v"]);
    assert_eq!(values(&outcome, "x-4999"), Vec::<&str>::new());
    assert_eq!(outcome.retry_after.map(|wait| wait.as_secs()), Some(9), "after the headers that are kept");
    let left_out =
        values(&outcome, "trigrun-truncated")[0].split(' ').next_back().unwrap().parse::<usize>().unwrap();
    assert_eq!(left_out + outcome.response_headers.len() - 1, 5002);

    let long = |bytes: usize| format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nX-A: a\r\n{END}", "x".repeat(bytes));
    let outcome = received(&target, &egress, long(255 * 1024)).await;
    assert_eq!((outcome.status, outcome.body_preview.as_slice()), (AttemptStatus::Success, b"ok".as_slice()));
    assert_eq!(values(&outcome, "x-a"), ["a"]);
    assert_eq!(values(&outcome, "trigrun-truncated"), ["headers not stored because of their size: 1"]);
    let outcome = received(&target, &egress, long(256 * 1024)).await;
    assert_eq!(outcome.error_class, Some("response_too_large"), "{:?}", outcome.error);
}

#[tokio::test]
async fn a_head_over_http2_has_many_lines() {
    let target = Target::start_tls(Certificate::Valid, Protocol::Http2).await.unwrap();
    let extra_roots = vec![target.authority().unwrap().to_vec().into()];
    let egress = Egress::new(Settings { extra_roots, ..loopback() }).unwrap();
    let many = (0..1200)
        .fold(Script::default(), |script, number| script.header(&format!("x-{number}"), "a long value"));
    target.respond("/", many);
    let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert_eq!(values(&outcome, "trigrun-truncated").len(), 1);
}

#[tokio::test]
async fn a_response_may_come_before_the_end_of_the_request() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    // More than the buffers of both sockets hold.
    let body = String::leak("x".repeat(32 * 1024 * 1024));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let early = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let response = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
        tokio::io::AsyncWriteExt::write_all(&mut socket, response).await.unwrap();
        socket
    };
    let (sent, _socket) = tokio::join!(exchange(&egress, url, post(body)), early);
    assert_eq!(
        (sent.outcome.status_code, sent.outcome.body_preview.as_slice()),
        (Some(413), b"no".as_slice())
    );
    assert!(target.hits().is_empty());
}
