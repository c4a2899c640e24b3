//! Look-ups: one query for all who wait, caches, and accounts that do not wait behind each other.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use trigrun_core::domain::attempt::{AttemptStatus, Outcome};
use trigrun_executor::egress::{Egress, Ready, Settings};
use trigrun_testkit::{
    due,
    target::{Answers, NameServer, Target},
};

use super::{DEADLINE, failed, loopback, owner, url};

/// More look-ups than one account may have in flight, which is a fifth of 256, and fewer than it waits for.
const MANY: usize = 200;

async fn started() -> (Target, NameServer, Egress) {
    let server = NameServer::start().await.unwrap();
    let nameservers = vec![server.address()];
    let egress = Egress::new(Settings { nameservers, ..loopback() }).unwrap();
    (Target::start().await.unwrap(), server, egress)
}

fn here() -> Answers {
    Answers::to(&[IpAddr::from([127, 0, 0, 1])])
}

async fn prepare(egress: &Egress, account: u128, text: &str) -> Result<Ready, Box<Outcome>> {
    egress.prepare(&owner(account), &url(text), DEADLINE).await.map_err(failed)
}

async fn class(egress: &Egress, text: &str) -> Option<&'static str> {
    prepare(egress, 1, text).await.err().and_then(|outcome| outcome.error_class)
}

#[tokio::test]
async fn a_name_is_asked_for_once_however_many_wait() {
    let (target, server, egress) = started().await;
    server.set_answers("slow.test", here().after(Duration::from_millis(100)));
    let text = target.url_of("slow.test", "/");
    let ready = join_all((1..=20).map(|account| prepare(&egress, account, &text))).await;
    assert!(ready.iter().all(Result::is_ok));
    assert_eq!(server.queries()["slow.test"], 1);
    // Not longer than its TTL, which is 0.
    assert!(prepare(&egress, 21, &text).await.is_ok());
    assert_eq!(server.queries()["slow.test"], 2);
}

#[tokio::test]
async fn answers_are_cached_for_their_time_and_failures_for_a_while() {
    let (target, server, egress) = started().await;
    server.set_answers("kept.test", here().cached_for(600));
    server.set_answers("missing.test", Answers::missing().cached_for(600));
    server.set_answers("failing.test", Answers::failing());
    for account in 1..=3 {
        assert!(prepare(&egress, account, &target.url_of("kept.test", "/")).await.is_ok());
        assert_eq!(class(&egress, "http://missing.test/").await, Some("dns_not_found"));
    }
    assert_eq!(class(&egress, "http://failing.test/").await, Some("dns_failed"));
    let asked = server.queries();
    assert_eq!((asked["kept.test"], asked["missing.test"]), (1, 1));
    assert_eq!(class(&egress, "http://failing.test/").await, Some("dns_failed"));
    assert_eq!(server.queries()["failing.test"], asked["failing.test"]);
}

#[tokio::test]
async fn a_name_without_an_answer_is_not_waited_for_again() {
    let (_target, server, egress) = started().await;
    server.set_answers("dead.test", here().dropped());
    let dead = url("http://dead.test/");
    // Less time than the name servers are given, and enough to know that they do not respond.
    let first =
        egress.prepare(&owner(1), &dead, Duration::from_millis(2500)).await.map_err(failed).err().unwrap();
    let asked = server.queries()["dead.test"];
    let second = egress.prepare(&owner(2), &dead, DEADLINE).await.map_err(failed).err().unwrap();
    for outcome in [first, second] {
        assert_eq!((outcome.status, outcome.error_class), (AttemptStatus::Timeout, Some("timeout_dns")));
    }
    assert_eq!(server.queries()["dead.test"], asked);
}

#[tokio::test]
async fn accounts_do_not_wait_for_the_dead_name_servers_of_others() {
    let (target, server, egress) = started().await;
    let mut waiting = JoinSet::new();
    for number in 0..2 * MANY {
        let (name, egress) = (format!("dead{number}.test"), egress.clone());
        server.set_answers(&name, here().dropped());
        waiting.spawn(async move { prepare(&egress, 1, &format!("http://{name}/")).await.is_ok() });
    }
    let asked = || server.queries().into_keys().collect::<HashSet<_>>().len();
    let asks = async || asked() >= 20;
    due::until("the account's share is in use", DEADLINE, asks).await.unwrap();
    server.set("good.test", &[IpAddr::from([127, 0, 0, 1])]);
    assert!(prepare(&egress, 2, &target.url_of("good.test", "/")).await.is_ok());
    assert!(asked() < MANY, "{}", asked());

    let late = egress.prepare(&owner(1), &url("http://late.test/"), Duration::from_millis(200)).await;
    let late = late.map_err(failed).err().unwrap();
    assert_eq!(late.error_class, Some("timeout_dns"));
    let sentence = late.error.unwrap();
    assert!(sentence.contains("many other names that this account calls"), "{sentence}");
    assert!(!server.queries().contains_key("late.test"));
}
