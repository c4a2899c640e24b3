//! Only checked addresses are dialled, and nothing is sent to others.

use std::net::IpAddr;

use tokio::net::UdpSocket;
use trigrun_core::domain::{
    address::EgressPolicy,
    attempt::{AttemptStatus, Outcome},
};
use trigrun_executor::egress::{Egress, Settings};
use trigrun_testkit::target::{NameServer, Target};

use super::{Call, DEADLINE, allowing, exchange, get, prepare};

async fn refused(egress: &Egress, target: &Target, url: &str) -> Outcome {
    let before = target.connections();
    let sent = exchange(egress, url, get()).await;
    assert_eq!(
        (sent.outcome.status, sent.outcome.error_class),
        (AttemptStatus::Blocked, Some("egress_refused")),
        "{url}"
    );
    assert_eq!((sent.sent_at, target.connections()), (None, before), "no packet to {url}");
    sent.outcome
}

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

async fn names(policy: EgressPolicy) -> (NameServer, Egress) {
    let server = NameServer::start().await.unwrap();
    let nameservers = vec![server.address()];
    (server, Egress::new(Settings { nameservers, ..Settings::new(policy) }).unwrap())
}

#[tokio::test]
async fn literal_addresses_are_checked_again_at_the_dial() {
    let target = Target::start().await.unwrap();
    let egress = Egress::new(Settings::new(EgressPolicy::default())).unwrap();
    let port = target.address().port();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]"] {
        let outcome = refused(&egress, &target, &format!("http://{host}:{port}/")).await;
        assert_eq!(outcome.timing.dns, None);
    }
}

#[tokio::test]
async fn addresses_that_the_operator_refuses_are_not_dialled() {
    let target = Target::start().await.unwrap();
    let policy = allowing(&["127.0.0.0/8"]).without(vec!["127.0.0.1".parse().unwrap()]);
    let (server, egress) = names(policy).await;
    server.set("mine.test", &addresses(&["127.0.0.1"]));
    for url in [target.url("/"), target.url_of("mine.test", "/")] {
        refused(&egress, &target, &url).await;
    }
}

#[tokio::test]
async fn names_are_checked_by_their_addresses() {
    let target = Target::start().await.unwrap();
    let (server, egress) = names(EgressPolicy::default()).await;
    server.set("inside.test", &addresses(&["127.0.0.1"]));
    server.set("mapped.test", &addresses(&["::ffff:127.0.0.1"]));
    let outcome = refused(&egress, &target, &target.url_of("inside.test", "/")).await;
    assert!(outcome.timing.dns.is_some());
    let sentence = outcome.error.unwrap();
    // Where a name leads may be known inside of a network only.
    assert_eq!(sentence, "inside.test leads to an address that may not be called; nothing was sent.");
    assert_eq!(outcome.remote_address, None);
    refused(&egress, &target, &target.url_of("mapped.test", "/")).await;
}

#[tokio::test]
async fn ports_of_other_protocols_are_refused_at_the_dial() {
    let target = Target::start().await.unwrap();
    let (server, egress) = names(allowing(&["10.1.2.0/24"])).await;
    server.set("public.test", &addresses(&["8.8.8.8"]));
    server.set("mixed.test", &addresses(&["10.1.2.3", "8.8.8.8"]));
    for host in ["public.test", "mixed.test"] {
        let outcome = refused(&egress, &target, &format!("http://{host}:6379/")).await;
        assert!(outcome.error.unwrap().starts_with(&format!("Port 6379 of {host} may not be called")));
    }
    // Nothing listens on this port. That it is dialled is what counts.
    let (server, egress) = names(allowing(&["127.0.0.0/8"])).await;
    server.set("inside.test", &addresses(&["127.0.0.9"]));
    let outcome = exchange(&egress, "http://inside.test:1/", get()).await.outcome;
    assert_eq!(outcome.error_class, Some("connect_refused"), "{outcome:?}");
}

#[tokio::test]
async fn the_hosts_file_allows_nothing() {
    let target = Target::start().await.unwrap();
    // A policy that accepts names of this kind, but not their addresses.
    let (_server, egress) = names(allowing(&["10.1.2.0/24"])).await;
    refused(&egress, &target, &target.url_of("localhost", "/")).await;
}

#[tokio::test]
async fn one_refused_address_refuses_the_name() {
    let target = Target::start().await.unwrap();
    let (server, egress) = names(allowing(&["127.0.0.1/32"])).await;
    server.set("good.test", &addresses(&["127.0.0.1"]));
    server.set("mixed.test", &addresses(&["127.0.0.1", "127.0.0.2"]));
    server.set("mixed6.test", &addresses(&["127.0.0.1", "::1"]));
    let outcome = exchange(&egress, target.url_of("good.test", "/"), get()).await.outcome;
    assert_eq!(outcome.status, AttemptStatus::Success, "{outcome:?}");
    assert_eq!(outcome.remote_address, Some(target.address().to_string()));
    refused(&egress, &target, &target.url_of("mixed.test", "/")).await;
    refused(&egress, &target, &target.url_of("mixed6.test", "/")).await;
}

#[tokio::test]
async fn a_rebinding_name_is_checked_at_every_dial() {
    let target = Target::start().await.unwrap();
    let (server, egress) = names(allowing(&["127.0.0.1/32"])).await;
    let url = target.url_of("rebind.test", "/");
    server.set("rebind.test", &addresses(&["127.0.0.1"]));
    let mut ready = prepare(&egress, &url).await.unwrap();
    assert!(target.wait_for_connections(1, DEADLINE).await);
    server.set("rebind.test", &addresses(&["127.0.0.2"]));
    refused(&egress, &target, &url).await;
    // An open connection stays where it is. Before another dial the name is checked again.
    super::reuse::close_connections(&target, &mut ready).await;
    let sent = ready.send(get()).await.unwrap();
    assert_eq!((sent.outcome.status, sent.sent_at), (AttemptStatus::Blocked, None));
    assert!(target.hits().is_empty());
}

#[tokio::test]
async fn the_host_header_is_the_name() {
    let target = Target::start().await.unwrap();
    let (server, egress) = names(allowing(&["127.0.0.0/8"])).await;
    server.set("named.test", &addresses(&["127.0.0.1"]));
    exchange(&egress, target.url_of("NAMED.test", "/"), get()).await;
    let host = format!("named.test:{}", target.address().port());
    assert_eq!(target.hits()[0].header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let target = Target::start().await.unwrap();
    let (server, egress) = names(allowing(&["127.0.0.0/8", "::1/128"])).await;
    // Nothing listens on ::1 or 127.0.0.9 with that port.
    server.set("several.test", &addresses(&["::1", "127.0.0.9", "127.0.0.1"]));
    let outcome = exchange(&egress, target.url_of("several.test", "/"), get()).await.outcome;
    assert_eq!(outcome.remote_address, Some(target.address().to_string()), "{outcome:?}");
}

#[tokio::test]
async fn unknown_names_and_name_servers_that_do_not_respond() {
    let (_server, egress) = names(EgressPolicy::default()).await;
    let outcome = exchange(&egress, "http://nowhere.test/", get()).await.outcome;
    assert_eq!(
        (outcome.status, outcome.error_class),
        (AttemptStatus::ConnectionError, Some("dns_not_found"))
    );
    assert_eq!(outcome.error.as_deref(), Some("nowhere.test has no address: check the spelling."));
    let outcome = exchange(&egress, "http://reports/", get()).await.outcome;
    let short = "reports has no address: write its full name, with the domain.";
    assert_eq!(outcome.error.as_deref(), Some(short), "search domains are not tried");

    let unresponsive = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nameservers = vec![unresponsive.local_addr().unwrap()];
    let egress = Egress::new(Settings { nameservers, ..Settings::new(EgressPolicy::default()) }).unwrap();
    let timeout = std::time::Duration::from_millis(200);
    let outcome = exchange(&egress, "http://nowhere.test/", Call { timeout, ..get() }).await.outcome;
    assert_eq!((outcome.status, outcome.error_class), (AttemptStatus::Timeout, Some("timeout_dns")));
    // The resolver itself would give up after five seconds.
    assert!(outcome.timing.total < std::time::Duration::from_secs(5), "{:?}", outcome.timing);
}
