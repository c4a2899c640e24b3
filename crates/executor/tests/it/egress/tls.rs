//! Certificates are checked before any byte of the request leaves.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use trigrun_core::domain::attempt::AttemptStatus;
use trigrun_executor::egress::{Egress, Settings};
use trigrun_testkit::target::{Authority, Certificate, NAMES, NameServer, Protocol, Target};

use super::{exchange, get, loopback};

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn target(certificate: Certificate, protocol: Protocol) -> (Target, Egress) {
    let target = Target::start_tls(certificate, protocol).await.unwrap();
    let extra_roots = vec![target.authority().unwrap().to_vec().into()];
    (target, Egress::new(Settings { extra_roots, ..loopback() }).unwrap())
}

#[tokio::test]
async fn a_valid_certificate_over_both_protocols() {
    for (protocol, version) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2")] {
        let (target, egress) = target(Certificate::Valid, protocol).await;
        let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
        assert_eq!(
            (outcome.status, outcome.http_version),
            (AttemptStatus::Success, Some(version)),
            "{:?}",
            outcome.error
        );
        assert!(outcome.timing.connect.is_some() && outcome.timing.tls.is_some());
        assert_eq!(outcome.body_preview, br#"{"ok":true}"#);
    }
}

#[tokio::test]
async fn a_certificate_for_a_name() {
    let server = NameServer::start().await.unwrap();
    server.set("target.test", &["127.0.0.1".parse().unwrap()]);
    let target = Target::start_tls(Certificate::Valid, Protocol::Http2).await.unwrap();
    let extra_roots = vec![target.authority().unwrap().to_vec().into()];
    let egress =
        Egress::new(Settings { extra_roots, nameservers: vec![server.address()], ..loopback() }).unwrap();
    let outcome = exchange(&egress, target.url_of("target.test", "/"), get()).await.outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{:?}", outcome.error);
    assert!(outcome.timing.dns.is_some());
    assert_eq!(
        target.hits()[0].header("host"),
        Some(format!("target.test:{}", target.address().port()).as_str())
    );
}

#[tokio::test]
async fn certificates_are_accepted_or_refused_in_plain_words() {
    let server = NameServer::start().await.unwrap();
    for name in NAMES {
        server.set(name, &[HERE.ip()]);
    }
    let authority = Arc::new(Authority::new().unwrap());
    let extra_roots = vec![authority.certificate().to_vec().into()];
    let egress =
        Egress::new(Settings { extra_roots, nameservers: vec![server.address()], ..loopback() }).unwrap();
    for certificate in Certificate::ALL {
        let target = Target::start_tls_of(Arc::clone(&authority), HERE, *certificate, Protocol::Http1);
        let target = target.await.unwrap();
        let url = target.url_of(&certificate.host(HERE.ip()), "/");
        let sent = exchange(&egress, url, get()).await;
        let outcome = sent.outcome;
        let Some(words) = certificate.refusal() else {
            assert_eq!(outcome.status, AttemptStatus::Success, "{certificate:?} {:?}", outcome.error);
            continue;
        };
        assert_eq!(
            (outcome.status, outcome.error_class),
            (AttemptStatus::ConnectionError, Some("tls_certificate")),
            "{certificate:?}"
        );
        let sentence = outcome.error.unwrap();
        assert!(sentence.contains(words), "{certificate:?}: {sentence}");
        assert!(sentence.len() < 500 && !sentence.contains(char::is_control), "{certificate:?}: {sentence}");
        assert!(sent.sent_at.is_none() && target.hits().is_empty(), "nothing was sent: {certificate:?}");
        assert_eq!(outcome.remote_address, Some(target.address().to_string()), "it is known");
    }
}

#[tokio::test]
async fn an_authority_must_be_trusted() {
    let (target, egress) =
        (Target::start_tls(Certificate::Valid, Protocol::Http1).await.unwrap(), super::new_egress());
    let outcome = exchange(&egress, target.url("/"), get()).await.outcome;
    assert_eq!(outcome.error_class, Some("tls_certificate"));
    assert!(target.hits().is_empty());
}

#[tokio::test]
async fn https_to_a_plain_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let plain = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.read_u8().await.unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        socket
    };
    let egress = super::new_egress();
    let (sent, _open) = tokio::join!(exchange(&egress, url, get()), plain);
    assert_eq!(
        (sent.outcome.status, sent.outcome.error_class),
        (AttemptStatus::ConnectionError, Some("tls_handshake"))
    );
    assert!(sent.outcome.error.unwrap().contains("http://"));
}

#[tokio::test]
async fn failures_before_the_handshake_keep_their_class() {
    let server = NameServer::start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let policy = super::allowing(&["127.0.0.1/32"]);
    let egress =
        Egress::new(Settings { nameservers: vec![server.address()], ..Settings::new(policy) }).unwrap();
    let cases = [
        (
            "https://127.0.0.2/".to_owned(),
            AttemptStatus::Blocked,
            "egress_refused",
            "127.0.0.2 may not be called",
        ),
        (
            "https://unknown.test/".to_owned(),
            AttemptStatus::ConnectionError,
            "dns_not_found",
            "check the spelling",
        ),
        (
            format!("https://{closed}/"),
            AttemptStatus::ConnectionError,
            "connect_refused",
            "nothing listens there",
        ),
    ];
    for (url, status, class, sentence) in cases {
        let sent = exchange(&egress, &url, get()).await;
        let outcome = sent.outcome;
        assert_eq!((outcome.status, outcome.error_class), (status, Some(class)), "{url}");
        assert!(outcome.error.as_deref().unwrap().contains(sentence), "{:?}", outcome.error);
        let timing = outcome.timing;
        assert_eq!(timing.dns.is_some(), class == "dns_not_found", "{timing:?}");
        assert_eq!((timing.connect.is_some(), timing.tls), (class == "connect_refused", None), "{timing:?}");
        assert!(sent.sent_at.is_none());
        let known = (class == "connect_refused").then(|| closed.to_string());
        assert_eq!(outcome.remote_address, known, "{url}");
    }
}
