//! What is sent, and what is kept of ordinary responses.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use trigrun_core::domain::attempt::{AttemptStatus, MAX_PREVIEW_BYTES};
use trigrun_executor::owner::Shares;
use trigrun_testkit::target::{Script, Target};

use super::{Call, DEADLINE, exchange, get, new_egress, owner, post, prepare};

#[tokio::test]
async fn a_success_with_its_timings_and_preview() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let before = Instant::now();
    let sent = exchange(&egress, target.url("/hook?a=1&b=%20"), post(r#"{"n":1}"#)).await;

    let outcome = &sent.outcome;
    assert_eq!((outcome.status, outcome.status_code), (AttemptStatus::Success, Some(200)), "{outcome:?}");
    assert_eq!((outcome.error_class, outcome.error.as_deref()), (None, None));
    assert_eq!(outcome.body_preview, br#"{"ok":true}"#);
    assert_eq!((outcome.body_truncated, outcome.response_bytes), (false, 11));
    assert_eq!(outcome.remote_address, Some(target.address().to_string()));
    assert_eq!(outcome.http_version, Some("HTTP/1.1"));
    assert!(outcome.response_headers.contains(&("content-type".into(), "application/json".into())));
    let timing = outcome.timing;
    assert_eq!((timing.dns, timing.tls), (None, None));
    let phases = [timing.connect, timing.first_byte, timing.body].map(Option::unwrap);
    assert!(
        timing.total >= phases.iter().sum::<Duration>() && timing.total <= before.elapsed(),
        "{timing:?}"
    );

    let hit = &target.hits()[0];
    assert_eq!((hit.method.as_str(), hit.path.as_str()), ("POST", "/hook?a=1&b=%20"));
    assert_eq!(hit.header("host"), Some(target.address().to_string().as_str()));
    assert_eq!(hit.header("content-length"), Some("7"));
    assert_eq!(hit.body, r#"{"n":1}"#);
    assert_eq!(hit.names, ["Host", "Content-Type", "Content-Length"], "nothing else is added");
    assert!(before <= sent.sent_at.unwrap() && sent.sent_at.unwrap() <= hit.arrived);
}

#[tokio::test]
async fn nothing_is_sent_before_send() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let ready = prepare(&egress, &target.url("/")).await.unwrap();
    assert!(target.wait_for_connections(1, DEADLINE).await, "it is connected");
    assert!(target.hits().is_empty());
    ready.send(get()).await.unwrap();
    assert_eq!(target.hits().len(), 1);
}

#[tokio::test]
async fn empty_bodies_have_the_length_that_their_method_needs() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        exchange(&egress, target.url("/"), Call { method, ..get() }).await;
        // RFC 9110 §8.6: a method that gives content a meaning announces an empty one.
        assert_eq!(target.hits().last().unwrap().header("content-length"), Some("0"));
    }
    exchange(&egress, target.url("/"), get()).await;
    assert_eq!(target.hits().last().unwrap().header("content-length"), None);
}

#[tokio::test]
async fn a_status_off_the_list_is_an_http_error() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let cases = [
        (201, None),
        (203, Some("http_2xx")),
        (404, Some("http_4xx")),
        (500, Some("http_5xx")),
        (999, Some("http_other")),
    ];
    for (status, class) in cases {
        target.respond("/", Script::status(status).body("why"));
        let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
        assert_eq!((outcome.status_code, outcome.error_class), (Some(status), class));
        let expected = if class.is_none() { AttemptStatus::Success } else { AttemptStatus::HttpError };
        assert_eq!(outcome.status, expected);
        assert_eq!(outcome.body_preview, b"why");
    }
    let outcome =
        exchange(&egress, target.url("/"), Call { success_statuses: [999].into(), ..get() }).await.outcome;
    assert_eq!(outcome.status, AttemptStatus::Success);
}

#[tokio::test]
async fn a_redirect_is_recorded_and_not_followed() {
    let (target, elsewhere, egress) =
        (Target::start().await.unwrap(), Target::start().await.unwrap(), new_egress());
    let location = elsewhere.url("/latest/meta-data/");
    target.respond("/", Script::status(302).header("location", &location));
    let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!((outcome.status, outcome.error_class), (AttemptStatus::HttpError, Some("http_3xx")));
    assert!(outcome.response_headers.contains(&("location".into(), location)));
    assert_eq!((target.hits().len(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn retry_after_is_recorded() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    target.respond("/", Script::status(503).header("retry-after", "17"));
    let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!(outcome.retry_after.map(|wait| wait.as_secs()), Some(17));
}

#[tokio::test]
async fn a_response_without_content() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    target.respond("/", Script::status(204));
    let outcome = exchange(&egress, target.url("/"), post("{}")).await.outcome;
    assert_eq!((outcome.status, outcome.status_code), (AttemptStatus::Success, Some(204)), "{outcome:?}");
    assert!(outcome.body_preview.is_empty() && !outcome.body_truncated);
}

#[tokio::test]
async fn a_body_is_kept_up_to_the_preview() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    for (size, truncated) in [(MAX_PREVIEW_BYTES, false), (MAX_PREVIEW_BYTES + 1, true), (1024 * 1024, true)]
    {
        target.respond("/", Script::status(200).body(vec![b'x'; size]));
        let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
        assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
        assert_eq!((outcome.response_bytes, outcome.body_truncated), (size as u64, truncated));
        assert_eq!(outcome.body_preview.len(), MAX_PREVIEW_BYTES.min(size));
    }
    assert_eq!(target.connections(), 1, "all were read to their ends");
}

#[tokio::test]
async fn what_is_kept_of_a_body_is_limited_by_the_share_of_memory() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    target.respond("/", Script::status(200).body(vec![b'x'; 50_000]));
    for (capacity, kept) in [(200_000, 50_000..=50_000), (20_000, 4096..=24_096), (4, 4096..=4096)] {
        let memory = Shares::new(capacity, 100);
        let mut share = memory.try_take(owner(1), 1).unwrap();
        let ready = prepare(&egress, &target.url("/")).await.unwrap();
        let outcome = ready.send_if(get(), Some(&mut share), || true).await.unwrap().outcome;
        assert_eq!((outcome.status, outcome.response_bytes), (AttemptStatus::Success, 50_000));
        let preview = &outcome.body_preview;
        assert!(kept.contains(&preview.len()), "{} of {capacity}", preview.len());
        assert_eq!(outcome.body_truncated, preview.len() < 50_000);
        assert!(preview.capacity() <= 4096 + capacity - memory.free(), "what is held is counted");
        drop(share);
        assert_eq!(memory.free(), capacity);
    }
}

#[tokio::test]
async fn what_is_kept_of_a_body_is_readable() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let latin1 =
        Script::status(200).header("content-type", "text/plain; charset=iso-8859-1").body(&b"caf\xe9"[..]);
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0";
    let gzip = Script::status(200).header("content-encoding", "gzip").body(&gzip[..]);
    let br = Script::status(200).header("content-encoding", "br").body(&b"\x40\0\x10hello\x03"[..]);
    let zstd = b"\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello";
    let zstd = Script::status(200).header("content-encoding", "zstd").body(&zstd[..]);
    let scripts = [(latin1, "café", 4), (gzip, "hello", 25), (br, "hello", 9), (zstd, "hello", 14)];
    for (script, kept, bytes) in scripts {
        target.respond("/", script);
        let memory = Shares::new(200_000, 100);
        let mut share = memory.try_take(owner(1), 1).unwrap();
        let ready = prepare(&egress, &target.url("/")).await.unwrap();
        let outcome = ready.send_if(get(), Some(&mut share), || true).await.unwrap().outcome;
        assert_eq!(outcome.body_preview, kept.as_bytes());
        assert_eq!((outcome.response_bytes, outcome.body_truncated), (bytes, false), "as it was sent");
        assert!(memory.free() < 200_000 - MAX_PREVIEW_BYTES, "what is held is counted");
    }
}

#[tokio::test]
async fn bytes_that_are_not_text_are_readable() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let message =
        b"HTTP/1.1 200 OK\r\nx-a: \xff\xfeok\r\nx-a: again\r\ncontent-length: 5\r\n\r\n\0\xff\xed\xa0\x80";
    target.respond("/", Script::raw(Bytes::from_static(message)));
    let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert_eq!(outcome.body_preview, b"\0\xff\xed\xa0\x80");
    let values: Vec<&str> = outcome
        .response_headers
        .iter()
        .filter(|(name, _)| name == "x-a")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(values, ["ÿþok", "again"], "as ISO 8859-1");
}
