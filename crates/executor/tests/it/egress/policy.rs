//! Only judged addresses are dialled, and nothing is sent to others.

use std::net::IpAddr;

use tokio::net::UdpSocket;
use trigrun_core::domain::{
    address::EgressPolicy,
    attempt::{AttemptStatus, Outcome},
};
use trigrun_executor::egress::{Egress, Settings};
use trigrun_testkit::target::{NameServer, Target};

use super::{Call, PATIENCE, allowing, exchange, get, prepare};

async fn refused(egress: &Egress, target: &Target, url: &str) -> Outcome {
    let before = target.connections();
    let sent = exchange(egress, url, get()).await;
    assert_eq!(
        (sent.outcome.status, sent.outcome.error_class),
        (AttemptStatus::Blocked, Some("egress_refused")),
        "{url}"
    );
    assert_eq!((sent.departed, target.connections()), (None, before), "no packet to {url}");
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
async fn literals_are_judged_again_when_dialled() {
    let target = Target::start().await.unwrap();
    let egress = Egress::new(Settings::new(EgressPolicy::default())).unwrap();
    let port = target.address().port();
    for host in ["127.0.0.1", "2130706433", "127.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]"] {
        let outcome = refused(&egress, &target, &format!("http://{host}:{port}/")).await;
        assert_eq!(outcome.timing.dns, None);
    }
}

#[tokio::test]
async fn names_are_judged_by_what_they_lead_to() {
    let target = Target::start().await.unwrap();
    let (server, egress) = names(EgressPolicy::default()).await;
    server.set("inside.test", &addresses(&["127.0.0.1"]));
    server.set("mapped.test", &addresses(&["::ffff:127.0.0.1"]));
    let outcome = refused(&egress, &target, &target.url_of("inside.test", "/")).await;
    assert!(outcome.timing.dns.is_some());
    let sentence = outcome.error.unwrap();
    assert!(sentence.contains("inside.test") && sentence.contains("127.0.0.1"), "{sentence}");
    refused(&egress, &target, &target.url_of("mapped.test", "/")).await;
}

#[tokio::test]
async fn the_hosts_file_opens_nothing() {
    let target = Target::start().await.unwrap();
    // A policy that lets names of this kind be written, but not the addresses that they lead to.
    let (_server, egress) = names(allowing(&["10.1.2.0/24"])).await;
    refused(&egress, &target, &target.url_of("localhost", "/")).await;
}

#[tokio::test]
async fn one_bad_answer_refuses_the_name() {
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
async fn a_rebinding_name_is_judged_every_time() {
    let target = Target::start().await.unwrap();
    let (server, egress) = names(allowing(&["127.0.0.1/32"])).await;
    let url = target.url_of("rebind.test", "/");
    server.set("rebind.test", &addresses(&["127.0.0.1"]));
    let held = prepare(&egress, &url).await.unwrap();
    assert!(target.wait_for_connections(1, PATIENCE).await);
    server.set("rebind.test", &addresses(&["127.0.0.2"]));
    refused(&egress, &target, &url).await;
    // What was judged and dialled before stays where it is; when it has to be dialled again, it is judged again.
    super::reuse::hang_up(&target, &held).await;
    let sent = held.send(get()).await;
    assert_eq!((sent.outcome.status, sent.departed), (AttemptStatus::Blocked, None));
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
async fn names_that_do_not_exist_and_name_servers_that_do_not_answer() {
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

    let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nameservers = vec![deaf.local_addr().unwrap()];
    let egress = Egress::new(Settings { nameservers, ..Settings::new(EgressPolicy::default()) }).unwrap();
    let timeout = std::time::Duration::from_millis(200);
    let outcome = exchange(&egress, "http://nowhere.test/", Call { timeout, ..get() }).await.outcome;
    assert_eq!((outcome.status, outcome.error_class), (AttemptStatus::Timeout, Some("timeout_dns")));
    assert!(outcome.timing.total < timeout * 2, "{:?}", outcome.timing);
}
