//! A request that the server has not processed is sent again at once, on a new connection.

use trigrun_core::domain::attempt::AttemptStatus;
use trigrun_executor::egress::{Egress, Reuse, Sent};
use trigrun_testkit::target::{Certificate, Frames, Protocol, Script, Target};

use super::{Call, DEADLINE, Settings, exchange, failed, get, loopback, new_egress, owner, post, url};

async fn https(protocol: Protocol) -> (Target, Egress) {
    let target = Target::start_tls(Certificate::Valid, protocol).await.unwrap();
    let extra_roots = vec![target.authority().unwrap().to_vec().into()];
    (target, Egress::new(Settings { extra_roots, ..loopback() }).unwrap())
}

/// As the requests of at-most-once jobs are sent.
async fn exchange_once(egress: &Egress, text: &str, call: Call) -> Sent {
    match egress.prepare_on(Reuse::Never, &owner(1), &url(text), call.timeout).await {
        Ok(ready) => ready.send(call).await.unwrap(),
        Err(unprepared) => Sent { sent_at: None, outcome: *failed(unprepared) },
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_gave_up() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let given_up = [Script::status(408).header("connection", "close"), Script::Close, Script::Reset];
    for script in given_up {
        target.respond_in_turn("/", [Script::default(), script.clone(), Script::default()]);
        let first = exchange(&egress, target.url("/"), get()).await.outcome;
        assert_eq!(first.status, AttemptStatus::Success);
        let (hits, connections) = (target.hits().len(), target.connections());
        let sent = exchange(&egress, target.url("/"), post("{}")).await;
        let outcome = sent.outcome;
        assert_eq!((outcome.status, outcome.status_code), (AttemptStatus::Success, Some(200)), "{script:?}");
        assert!(outcome.timing.connect.is_some() && sent.sent_at.is_some());
        assert_eq!((target.hits().len(), target.connections()), (hits + 2, connections + 1), "{script:?}");
        assert_eq!(target.hits()[hits + 1].body, "{}");
        target.close_connections().await;
    }
}

#[tokio::test]
async fn the_same_on_a_new_connection_is_the_response() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    let cases = [
        (Script::status(408).header("connection", "close"), "http_4xx"),
        (Script::Close, "closed_early"),
        (Script::Reset, "connect_reset"),
    ];
    for (script, class) in cases {
        let hits = target.hits().len();
        target.respond("/", script);
        let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
        assert_eq!((outcome.error_class, target.hits().len()), (Some(class), hits + 1));
    }
}

#[tokio::test]
async fn a_response_that_began_is_not_asked_for_again() {
    let (target, egress) = (Target::start().await.unwrap(), new_egress());
    target.respond_in_turn("/", [Script::default(), Script::raw("HTTP/1.1 2"), Script::default()]);
    exchange(&egress, target.url("/"), get()).await;
    let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!((outcome.error_class, target.hits().len()), (Some("closed_early"), 2));
}

#[tokio::test]
async fn at_most_once_uses_no_kept_connection() {
    for protocol in [None, Some(Protocol::Http1), Some(Protocol::Http2)] {
        let (target, egress) = match protocol {
            None => (Target::start().await.unwrap(), new_egress()),
            Some(protocol) => https(protocol).await,
        };
        for connections in 1..=2 {
            let outcome = exchange_once(&egress, &target.url("/"), post("{}")).await.outcome;
            assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
            assert_eq!(target.connections(), connections, "{protocol:?}");
        }
        exchange(&egress, target.url("/"), get()).await;
        assert_eq!(target.connections(), 2, "other requests may use them");
    }
}

#[tokio::test]
async fn a_refused_stream_is_sent_again() {
    let (target, egress) = https(Protocol::Http2).await;
    let refused = Script::RefuseStream(h2::Reason::REFUSED_STREAM);
    target.respond_in_turn("/", [refused.clone(), Script::default()]);
    let outcome = exchange_once(&egress, &target.url("/"), post("{}")).await.outcome;
    assert_eq!((outcome.status, target.connections()), (AttemptStatus::Success, 2), "{:?}", outcome.error);

    target.respond("/", refused);
    let sent = exchange_once(&egress, &target.url("/"), post("{}")).await;
    assert_eq!((sent.outcome.error_class, sent.sent_at), (Some("closed_early"), None), "not processed");
    assert_eq!(target.hits().len(), 2 + 3, "it is sent three times at most");
    target.respond("/", Script::RefuseStream(h2::Reason::ENHANCE_YOUR_CALM));
    let sent = exchange_once(&egress, &target.url("/"), post("{}")).await;
    assert!(sent.outcome.error_class == Some("closed_early") && sent.sent_at.is_some());
    assert_eq!(target.hits().len(), 6, "it may have been processed");
}

#[tokio::test]
async fn a_stream_above_the_last_one_is_sent_again() {
    const HEADERS: u8 = 1;
    const GO_AWAY: u8 = 7;
    let go_away = |last: u32, reason: h2::Reason| {
        let payload = [last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
        Frames { first: Frames::one(GO_AWAY, 0, 0, &payload), again: Vec::new() }
    };
    // `:status: 200` of the static table, END_STREAM and END_HEADERS.
    let success = Frames { first: Frames::one(HEADERS, 5, 1, &[0x88]), again: Vec::new() };
    let (target, egress) = https(Protocol::Both).await;
    for (reason, version) in [
        (h2::Reason::NO_ERROR, "HTTP/2"),
        (h2::Reason::ENHANCE_YOUR_CALM, "HTTP/2"),
        (h2::Reason::HTTP_1_1_REQUIRED, "HTTP/1.1"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let _server = target.frames_at(address, [go_away(0, reason), success.clone()]).await.unwrap();
        let outcome = exchange_once(&egress, &format!("https://{address}/"), post("{}")).await.outcome;
        assert_eq!(
            (outcome.status, outcome.http_version),
            (AttemptStatus::Success, Some(version)),
            "{reason:?} {:?}",
            outcome.error
        );
    }
}

#[tokio::test]
async fn a_server_that_requires_http1_gets_it() {
    let (target, egress) = https(Protocol::Both).await;
    let required = Script::RefuseStream(h2::Reason::HTTP_1_1_REQUIRED);
    target.respond_in_turn("/", [required, Script::default()]);
    for (hits, connections) in [(2, 2), (3, 3)] {
        let outcome = exchange_once(&egress, &target.url("/"), post("{}")).await.outcome;
        assert_eq!((outcome.status, outcome.http_version), (AttemptStatus::Success, Some("HTTP/1.1")));
        assert_eq!((target.hits().len(), target.connections()), (hits, connections), "it is remembered");
    }
    let other = egress.prepare(&owner(2), &url(target.url("/")), DEADLINE).await.map_err(failed).unwrap();
    assert_eq!(other.send(get()).await.unwrap().outcome.http_version, Some("HTTP/1.1"));
}
