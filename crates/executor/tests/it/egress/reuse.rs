//! Which connections serve again, and what happens to one that dies while it is held.

use std::time::Duration;

use trigrun_core::domain::attempt::AttemptStatus;
use trigrun_executor::egress::{Egress, Ready, Settings};
use trigrun_testkit::target::{Certificate, Protocol, Script, Target};

use super::{PATIENCE, door, exchange, get, loopback, post, prepare, url, workspace};

/// Ends all connections from the server's side, and waits, by letting other tasks run, until that has been noticed.
pub(super) async fn hang_up(target: &Target, held: &Ready) {
    assert!(target.wait_for_connections(1, PATIENCE).await);
    target.close_connections().await;
    let closed = async {
        while !held.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the end of the connection is noticed");
}

async fn http2(idle_timeout: Duration) -> (Target, Egress) {
    let target = Target::start_tls(Certificate::Valid, Protocol::Http2).await.unwrap();
    let extra_roots = vec![target.authority().unwrap().to_vec().into()];
    let egress = Egress::new(Settings { extra_roots, idle_timeout, ..loopback() }).unwrap();
    (target, egress)
}

#[tokio::test]
async fn a_workspace_uses_its_connection_again_and_no_other_does() {
    let (target, egress) = (Target::start().await.unwrap(), door());
    let first = exchange(&egress, target.url("/"), post("{}")).await.outcome;
    let second = exchange(&egress, target.url("/other"), post("{}")).await.outcome;
    assert!(first.timing.connect.is_some() && second.timing.connect.is_none());
    assert_eq!(second.remote_address, first.remote_address);
    assert_eq!(target.connections(), 1);

    let other = egress.prepare(workspace(2), &url(target.url("/")), PATIENCE).await.unwrap();
    assert!(other.send(get()).await.outcome.timing.connect.is_some());
    assert_eq!(target.connections(), 2);
}

#[tokio::test]
async fn exchanges_at_once_have_connections_of_their_own() {
    let (target, egress) = (Target::start().await.unwrap(), door());
    let held = [
        prepare(&egress, &target.url("/")).await.unwrap(),
        prepare(&egress, &target.url("/")).await.unwrap(),
    ];
    for ready in held {
        assert_eq!(ready.send(get()).await.outcome.status, AttemptStatus::Success);
    }
    exchange(&egress, target.url("/"), get()).await;
    assert_eq!(target.connections(), 2);
}

#[tokio::test]
async fn connections_that_are_not_used_again() {
    let (target, egress) = (Target::start().await.unwrap(), door());
    let cases = [
        Script::EndlessBody,
        Script::default().header("connection", "close"),
        // The server closes after one second: by then a request could be on its way.
        Script::default().header("keep-alive", "timeout=1, max=100"),
        Script::raw("HTTP/1.0 200 OK\r\n\r\nto the end"),
    ];
    for (already, script) in cases.into_iter().enumerate() {
        target.answer("/", script.clone());
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
    assert!(target.wait_for_open(0, PATIENCE).await);

    let (target, egress) = http2(Duration::from_millis(50)).await;
    exchange(&egress, target.url("/"), get()).await;
    assert!(target.wait_for_open(0, PATIENCE).await);
    drop(egress);
}

#[tokio::test]
async fn only_so_many_are_kept_per_destination() {
    let target = Target::start().await.unwrap();
    let egress = Egress::new(Settings { max_idle_per_destination: 1, ..loopback() }).unwrap();
    let held = [
        prepare(&egress, &target.url("/")).await.unwrap(),
        prepare(&egress, &target.url("/")).await.unwrap(),
    ];
    for ready in held {
        ready.send(get()).await;
    }
    assert!(target.wait_for_open(1, PATIENCE).await);
}

#[tokio::test]
async fn a_connection_that_dies_in_the_hold_is_dialled_again() {
    let (target, egress) = (Target::start().await.unwrap(), door());
    let held = prepare(&egress, &target.url("/")).await.unwrap();
    hang_up(&target, &held).await;
    let sent = held.send(post("{}")).await;
    assert_eq!(sent.outcome.status, AttemptStatus::Success, "{:?}", sent.outcome.error);
    assert!(sent.departed.is_some());
    assert_eq!((target.hits().len(), target.connections()), (1, 2), "sent once");
}

#[tokio::test]
async fn a_kept_connection_that_died_is_passed_over() {
    let (target, egress) = (Target::start().await.unwrap(), door());
    exchange(&egress, target.url("/"), get()).await;
    let held = prepare(&egress, &target.url("/")).await.unwrap();
    hang_up(&target, &held).await;
    let outcome = held.send(get()).await.outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert!(outcome.timing.connect.is_some());
}

#[tokio::test]
async fn when_the_server_is_gone_nothing_is_sent() {
    let (target, egress) = (Target::start().await.unwrap(), door());
    let url = target.url("/");
    let held = prepare(&egress, &url).await.unwrap();
    hang_up(&target, &held).await;
    target.stop().await;
    let sent = held.send(get()).await;
    assert_eq!(
        (sent.outcome.error_class, sent.departed),
        (Some("connect_refused"), None),
        "{:?}",
        sent.outcome
    );
}

#[tokio::test]
async fn the_hold_does_not_count_against_the_timeout() {
    let (target, egress) = (Target::start().await.unwrap(), door());
    let held = prepare(&egress, &target.url("/")).await.unwrap();
    let timeout = Duration::from_secs(1);
    // Holds by the clock: nothing is waited for.
    let held_until = std::time::Instant::now() + timeout * 3 / 2;
    while std::time::Instant::now() < held_until {
        tokio::task::yield_now().await;
    }
    let outcome = held.send(super::Call { timeout, ..get() }).await.outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert!(outcome.timing.total < timeout, "{:?}", outcome.timing);
}

#[tokio::test]
async fn http2_is_shared_within_a_workspace() {
    let (target, egress) = http2(PATIENCE).await;
    let warm = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!(
        (warm.status, warm.http_version),
        (AttemptStatus::Success, Some("HTTP/2")),
        "{:?}",
        warm.error
    );
    assert!(warm.timing.tls.is_some());

    target.answer("/slow", Script::default().after(Duration::from_millis(50)));
    let at_once = (0..20).map(|_| exchange(&egress, target.url("/slow"), post(r#"{"n":2}"#)));
    for sent in futures_util::future::join_all(at_once).await {
        assert_eq!((sent.outcome.status, sent.outcome.timing.connect), (AttemptStatus::Success, None));
    }
    assert_eq!((target.hits().len(), target.connections()), (21, 1));
    let hit = &target.hits()[20];
    assert_eq!((hit.method.as_str(), hit.path.as_str()), ("POST", "/slow"));
    assert_eq!(hit.header("host"), Some(target.address().to_string().as_str()));
    assert_eq!(hit.body, r#"{"n":2}"#);

    let other = egress.prepare(workspace(2), &url(target.url("/")), PATIENCE).await.unwrap();
    assert_eq!(target.connections(), 2);
    assert_eq!(other.send(get()).await.outcome.status, AttemptStatus::Success);
}

#[tokio::test]
async fn http2_that_dies_in_the_hold_is_dialled_again() {
    let (target, egress) = http2(PATIENCE).await;
    let held = prepare(&egress, &target.url("/")).await.unwrap();
    hang_up(&target, &held).await;
    let outcome = held.send(post("{}")).await.outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert_eq!((target.hits().len(), target.connections()), (1, 2));
}
