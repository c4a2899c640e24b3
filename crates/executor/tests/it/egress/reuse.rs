//! Which connections are reused, and what happens to one that is closed between prepare and send.

use std::time::Duration;

use trigrun_core::domain::attempt::AttemptStatus;
use trigrun_executor::egress::{Egress, Ready, Settings};
use trigrun_testkit::target::{Certificate, Protocol, Script, Target};

use super::{DEADLINE, exchange, get, loopback, new_egress, owner, post, prepare, url};

/// Closes all connections from the server's side, and lets other tasks run until `ready` has detected it.
pub(super) async fn close_connections(target: &Target, ready: &mut Ready) {
    assert!(target.wait_for_connections(1, DEADLINE).await);
    target.close_connections().await;
    let closed = async {
        while !ready.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, closed).await.expect("the closed connection is detected");
}

async fn http2(idle_timeout: Duration) -> (Target, Egress) {
    let target = Target::start_tls(Certificate::Valid, Protocol::Http2).await.unwrap();
    let extra_roots = vec![target.authority().unwrap().to_vec().into()];
    let egress = Egress::new(Settings { extra_roots, idle_timeout, ..loopback() }).unwrap();
    (target, egress)
}

#[tokio::test]
async fn a_connection_is_reused_within_its_workspace_only() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let first = exchange(&egress, target.url("/"), post("{}")).await.outcome;
    let second = exchange(&egress, target.url("/other"), post("{}")).await.outcome;
    assert!(first.timing.connect.is_some() && second.timing.connect.is_none());
    assert_eq!(second.remote_address, first.remote_address);
    assert_eq!(target.connections(), 1);

    let other = egress.prepare(&owner(2), &url(target.url("/")), DEADLINE).await.unwrap();
    assert!(other.send(get()).await.unwrap().outcome.timing.connect.is_some());
    assert_eq!(target.connections(), 2);
}

#[tokio::test]
async fn concurrent_exchanges_have_separate_connections() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let prepared = [
        prepare(&egress, &target.url("/")).await.unwrap(),
        prepare(&egress, &target.url("/")).await.unwrap(),
    ];
    for ready in prepared {
        assert_eq!(ready.send(get()).await.unwrap().outcome.status, AttemptStatus::Success);
    }
    exchange(&egress, target.url("/"), get()).await;
    assert_eq!(target.connections(), 2);
}

#[tokio::test]
async fn connections_that_are_not_reused() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let cases = [
        Script::EndlessBody,
        Script::default().header("connection", "close"),
        // The server closes it after one second, when a request could be in flight.
        Script::default().header("keep-alive", "timeout=1, max=100"),
        Script::raw("HTTP/1.0 200 OK\r\n\r\nto the end"),
    ];
    for (already, script) in cases.into_iter().enumerate() {
        target.respond("/", script.clone());
        let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
        assert_eq!(outcome.status, AttemptStatus::Success, "{script:?} {:?}", outcome.error);
        assert_eq!(target.connections(), already + 1, "{script:?}");
    }
    exchange(&egress, target.url("/else"), get()).await;
    assert_eq!(target.connections(), 5);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let target = Target::start().await.unwrap();
    let egress = Egress::new(Settings { idle_timeout: Duration::from_millis(50), ..loopback() }).unwrap();
    exchange(&egress, target.url("/"), get()).await;
    assert!(target.wait_for_open(0, DEADLINE).await);

    let (target, egress) = http2(Duration::from_millis(50)).await;
    exchange(&egress, target.url("/"), get()).await;
    assert!(target.wait_for_open(0, DEADLINE).await);
    drop(egress);
}

#[tokio::test]
async fn idle_connections_per_destination_are_limited() {
    let target = Target::start().await.unwrap();
    let egress = Egress::new(Settings { max_idle_per_destination: 1, ..loopback() }).unwrap();
    let prepared = [
        prepare(&egress, &target.url("/")).await.unwrap(),
        prepare(&egress, &target.url("/")).await.unwrap(),
    ];
    for ready in prepared {
        ready.send(get()).await.unwrap();
    }
    assert!(target.wait_for_open(1, DEADLINE).await);
}

#[tokio::test]
async fn a_connection_closed_before_send_is_dialled_again() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let mut ready = prepare(&egress, &target.url("/")).await.unwrap();
    close_connections(&target, &mut ready).await;
    let sent = ready.send(post("{}")).await.unwrap();
    assert_eq!(sent.outcome.status, AttemptStatus::Success, "{:?}", sent.outcome.error);
    assert!(sent.sent_at.is_some());
    assert_eq!((target.hits().len(), target.connections()), (1, 2), "sent once");
}

#[tokio::test]
async fn a_closed_idle_connection_is_not_reused() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    exchange(&egress, target.url("/"), get()).await;
    let mut ready = prepare(&egress, &target.url("/")).await.unwrap();
    close_connections(&target, &mut ready).await;
    let outcome = ready.send(get()).await.unwrap().outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert!(outcome.timing.connect.is_some());
}

#[tokio::test]
async fn nothing_is_sent_after_the_server_stopped() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let url = target.url("/");
    let mut ready = prepare(&egress, &url).await.unwrap();
    close_connections(&target, &mut ready).await;
    target.stop().await;
    let sent = ready.send(get()).await.unwrap();
    assert_eq!(
        (sent.outcome.error_class, sent.sent_at),
        (Some("connect_refused"), None),
        "{:?}",
        sent.outcome
    );
}

#[tokio::test]
async fn the_wait_before_send_does_not_count_against_the_timeout() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let ready = prepare(&egress, &target.url("/")).await.unwrap();
    let timeout = Duration::from_secs(2);
    let send_at = std::time::Instant::now() + timeout;
    while std::time::Instant::now() < send_at {
        tokio::task::yield_now().await;
    }
    let outcome = ready.send(super::Call { timeout, ..get() }).await.unwrap().outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert!(outcome.timing.total < timeout, "{:?}", outcome.timing);
}

#[tokio::test]
async fn http2_is_shared_within_a_workspace() {
    let (target, egress) = http2(DEADLINE).await;
    let warm = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!(
        (warm.status, warm.http_version),
        (AttemptStatus::Success, Some("HTTP/2")),
        "{:?}",
        warm.error
    );
    assert!(warm.timing.tls.is_some());

    target.respond("/slow", Script::default().after(Duration::from_millis(50)));
    let concurrent = (0..20).map(|_| exchange(&egress, target.url("/slow"), post(r#"{"n":2}"#)));
    for sent in futures_util::future::join_all(concurrent).await {
        assert_eq!((sent.outcome.status, sent.outcome.timing.connect), (AttemptStatus::Success, None));
    }
    assert_eq!((target.hits().len(), target.connections()), (21, 1));
    let hit = &target.hits()[20];
    assert_eq!((hit.method.as_str(), hit.path.as_str()), ("POST", "/slow"));
    assert_eq!(hit.header("host"), Some(target.address().to_string().as_str()));
    assert_eq!(hit.body, r#"{"n":2}"#);

    let other = egress.prepare(&owner(2), &url(target.url("/")), DEADLINE).await.unwrap();
    assert_eq!(target.connections(), 2);
    assert_eq!(other.send(get()).await.unwrap().outcome.status, AttemptStatus::Success);
}

#[tokio::test]
async fn an_http2_connection_closed_before_send_is_dialled_again() {
    let (target, egress) = http2(DEADLINE).await;
    let mut ready = prepare(&egress, &target.url("/")).await.unwrap();
    close_connections(&target, &mut ready).await;
    let outcome = ready.send(post("{}")).await.unwrap().outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert_eq!((target.hits().len(), target.connections()), (1, 2));
}
