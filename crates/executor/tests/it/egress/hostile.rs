//! Whatever a target does, the attempt ends at its deadline and says what happened.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use trigrun_core::domain::attempt::{AttemptStatus, MAX_PREVIEW_BYTES, Outcome};
use trigrun_testkit::target::{Certificate, Protocol, Script, Target};

use super::{Call, DEADLINE, Egress, exchange, get, loopback, new_egress, post, prepare};

/// Long enough to connect and to receive a head on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How far beyond the timeout an attempt may end here. It only has to be shorter than what the targets do. The security tests hold
/// attempts to the promised 250 ms.
const GRACE: Duration = Duration::from_secs(20);

async fn ends_at_its_timeout(egress: &Egress, url: String, call: Call) -> Outcome {
    let started = Instant::now();
    let outcome = exchange(egress, url, Call { timeout: TIMEOUT, ..call }).await.outcome;
    assert!(started.elapsed() < TIMEOUT + GRACE, "{:?} {outcome:?}", started.elapsed());
    outcome
}

#[tokio::test]
async fn silent_and_slow_targets_time_out() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let interval = Duration::from_millis(20);
    let cases = [
        (Script::Never, "timeout_response"),
        (Script::status(200).after(TIMEOUT + 2 * GRACE), "timeout_response"),
        (Script::DripHead(interval), "timeout_response"),
        (Script::EndlessInterim, "timeout_response"),
        (Script::DripBody(interval), "timeout_body"),
    ];
    let attempts = cases.iter().enumerate().map(|(path, (script, _))| {
        let path = format!("/{path}");
        target.respond(&path, script.clone());
        ends_at_its_timeout(&egress, target.url(&path), post("{}"))
    });
    let outcomes = futures_util::future::join_all(attempts).await;
    for ((script, class), outcome) in cases.into_iter().zip(outcomes) {
        assert_eq!(
            (outcome.status, outcome.error_class),
            (AttemptStatus::Timeout, Some(class)),
            "{script:?}"
        );
        assert!(outcome.timing.total >= TIMEOUT, "{outcome:?}");
        if class == "timeout_body" {
            assert_eq!(outcome.status_code, Some(200));
            assert!(outcome.response_bytes > 0 && outcome.body_preview.iter().all(|byte| *byte == b'x'));
        }
    }
    assert!(target.wait_for_open(0, DEADLINE).await, "no connection outlives its attempt");
}

#[tokio::test]
async fn a_response_with_an_endless_body_counts_by_its_status() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    target.respond("/", Script::EndlessBody);
    let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!((outcome.status, outcome.body_truncated), (AttemptStatus::Success, true));
    assert_eq!(outcome.body_preview.len(), MAX_PREVIEW_BYTES);
    assert!(outcome.response_bytes > 1024 * 1024 && outcome.response_bytes < 2 * 1024 * 1024);
    assert!(target.wait_for_open(0, DEADLINE).await, "the connection is dropped");
}

#[tokio::test]
async fn endless_small_chunks_end_at_the_timeout() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    target.respond("/", Script::EndlessChunks);
    let outcome = ends_at_its_timeout(&egress, target.url("/"), get()).await;
    assert_eq!(outcome.status_code, Some(200));
    assert!(outcome.response_bytes > 0);
    assert!(target.wait_for_open(0, DEADLINE).await);
}

#[tokio::test]
async fn an_invalid_response_says_how() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let large = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "x-a: 1\r\n".repeat(40_000));
    let cases = [
        (Script::EndlessHeaders, "response_too_large", None),
        (Script::raw(large), "response_too_large", None),
        (Script::raw("220 mail.example.com ESMTP\r\n"), "protocol_error", None),
        (Script::raw("HTTP/1.1 200 OK\r\nx-nul: a\0b\r\n\r\n"), "protocol_error", None),
        (
            Script::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
            "protocol_error",
            None,
        ),
        (
            Script::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot hex\r\n"),
            "protocol_error",
            Some(200),
        ),
        (Script::raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!"), "closed_early", Some(200)),
        (
            Script::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfi"),
            "closed_early",
            Some(200),
        ),
        (Script::raw("HTTP/1.1 2"), "closed_early", None),
        (Script::Close, "closed_early", None),
        (Script::Reset, "connect_reset", None),
    ];
    for (script, class, status_code) in cases {
        target.respond("/", script.clone());
        let hits = target.hits().len();
        let sent = exchange(&egress, target.url("/"), post("{}")).await;
        let outcome = sent.outcome;
        assert_eq!(
            (outcome.status, outcome.error_class),
            (AttemptStatus::ConnectionError, Some(class)),
            "{script:?}"
        );
        assert_eq!(outcome.status_code, status_code, "{script:?}");
        assert!(sent.sent_at.is_some());
        assert_eq!(target.hits().len(), hits + 1, "sent once, whatever the response: {script:?}");
        assert!(!outcome.error.unwrap().contains("Error"), "a sentence for users");
    }
    assert!(target.wait_for_open(0, DEADLINE).await);
}

#[tokio::test]
async fn a_server_that_reads_nothing_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let body = String::leak("x".repeat(8 * 1024 * 1024));
    let (egress, accepted) = (new_egress(), listener.accept());
    let (outcome, _held) = tokio::join!(ends_at_its_timeout(&egress, url, post(body)), accepted);
    assert_eq!((outcome.status, outcome.error_class), (AttemptStatus::Timeout, Some("timeout_response")));
}

#[tokio::test]
async fn a_server_without_a_tls_handshake_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let (egress, accepted) = (new_egress(), listener.accept());
    let (outcome, _held) = tokio::join!(ends_at_its_timeout(&egress, url, get()), accepted);
    assert_eq!((outcome.status, outcome.error_class), (AttemptStatus::Timeout, Some("timeout_tls")));
    let timing = outcome.timing;
    let phases = timing.connect.unwrap() + timing.tls.unwrap();
    assert!(timing.total >= TIMEOUT && phases <= timing.total, "{timing:?}");
}

#[tokio::test]
async fn dropping_an_attempt_closes_its_connection() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    target.respond("/", Script::Never);
    let ready = prepare(&egress, &target.url("/")).await.unwrap();
    tokio::select! {
        sent = ready.send(get()) => panic!("{:?}", sent.unwrap().outcome),
        hits = target.wait_for(1, DEADLINE) => assert_eq!(hits.unwrap().len(), 1),
    }
    assert!(target.wait_for_open(0, DEADLINE).await);
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let sent = exchange(&new_egress(), url, get()).await;
    assert_eq!(sent.outcome.status, AttemptStatus::ConnectionError);
    assert_eq!((sent.outcome.error_class, sent.sent_at), (Some("connect_refused"), None));
}

#[tokio::test]
async fn the_same_over_http2() {
    let target = Target::start_tls(Certificate::Valid, Protocol::Http2).await.unwrap();
    let root = target.authority().unwrap().to_vec().into();
    let egress = Egress::new(super::Settings { extra_roots: vec![root], ..loopback() }).unwrap();
    let long = |bytes: usize| Script::status(200).header("x-long", &"x".repeat(bytes));
    let cases = [
        (Script::Never, AttemptStatus::Timeout, Some("timeout_response")),
        (Script::DripBody(Duration::from_millis(20)), AttemptStatus::Timeout, Some("timeout_body")),
        (Script::EndlessBody, AttemptStatus::Success, None),
        (long(80_000), AttemptStatus::ConnectionError, Some("protocol_error")),
        (long(300_000), AttemptStatus::ConnectionError, Some("response_too_large")),
        // In HTTP/2 this resets the stream.
        (Script::Close, AttemptStatus::ConnectionError, Some("closed_early")),
    ];
    for (script, status, class) in cases {
        target.respond("/", script);
        let outcome =
            exchange(&egress, target.url("/"), Call { timeout: 2 * TIMEOUT, ..get() }).await.outcome;
        assert_eq!((outcome.status, outcome.error_class), (status, class), "{:?}", outcome.error);
        assert!(outcome.timing.total < 2 * TIMEOUT + GRACE);
    }
    drop(egress);
    assert!(target.wait_for_open(0, DEADLINE).await, "connections are closed with the egress");
}
