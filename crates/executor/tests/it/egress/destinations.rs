//! What one target gets of this process: requests in flight and connections, over all workspaces.

use std::{collections::HashSet, time::Duration};

use tokio::task::JoinSet;
use trigrun_core::domain::attempt::AttemptStatus;
use trigrun_executor::egress::{Egress, Settings, Unprepared};
use trigrun_testkit::{
    due,
    target::{Script, Target},
};

use super::{DEADLINE, get, loopback, owner, url};

fn limited(max_requests_per_destination: usize) -> Egress {
    Egress::new(Settings { max_requests_per_destination, ..loopback() }).unwrap()
}

/// Starts ten requests for each account to a target that never responds.
fn deaf_requests(egress: &Egress, target: &Target, accounts: std::ops::Range<u128>) -> JoinSet<()> {
    let mut requests = JoinSet::new();
    for account in accounts.flat_map(|account| std::iter::repeat_n(account, 10)) {
        let (egress, path) = (egress.clone(), format!("/{account}"));
        target.respond(&path, Script::Never);
        let text = target.url(&path);
        requests.spawn(async move {
            let (owner, url) = (owner(account), url(text));
            let permit = egress.permit(&owner, &url).await;
            egress.prepare(&owner, &url, DEADLINE).await.unwrap().send(get()).await.unwrap();
            drop(permit);
        });
    }
    requests
}

#[tokio::test]
async fn all_accounts_together_have_so_many_requests_in_flight_to_one_destination() {
    let (target, other, egress) =
        (Target::start().await.unwrap(), Target::start().await.unwrap(), limited(8));
    let greedy = deaf_requests(&egress, &target, 1..2);
    target.wait_for(4, DEADLINE).await.unwrap();
    let others = deaf_requests(&egress, &target, 2..5);
    let paths = || target.hits().into_iter().map(|hit| hit.path).collect::<Vec<_>>();
    let all_have_some = async || paths().iter().collect::<HashSet<_>>().len() == 4;
    due::until("each account has some", DEADLINE, all_have_some).await.unwrap();
    // Another destination has its own.
    assert!(egress.permit(&owner(7), &url(other.url("/"))).await.is_some());
    let paths = paths();
    assert!(paths.len() <= 8, "{paths:?}");
    assert_eq!(paths.iter().filter(|path| *path == "/1").count(), 4, "half of all: {paths:?}");
    drop((greedy, others));
}

/// Exchanges that have just begun are young for as long as a test lasts.
fn gated(max_young: usize) -> Egress {
    Egress::new(Settings { max_young, young_time: Duration::from_secs(3600), ..loopback() }).unwrap()
}

#[tokio::test]
async fn connections_to_a_destination_do_not_grow_with_the_workspaces() {
    let (target, egress) = (Target::start().await.unwrap(), gated(8));
    let requests = deaf_requests(&egress, &target, 1..33);
    // Eight are young, those of the first workspace, and each of the 31 other workspaces has one.
    target.wait_for(39, DEADLINE).await.unwrap();
    let newcomer = (owner(50), url(target.url("/newcomer")));
    let permit = egress.permit(&newcomer.0, &newcomer.1).await;
    let ready = egress.prepare(&newcomer.0, &newcomer.1, DEADLINE).await.unwrap();
    assert_eq!(ready.send(get()).await.unwrap().outcome.status, AttemptStatus::Success);
    assert_eq!(target.connections(), 40, "although each of the 32 workspaces has ten requests");
    drop((permit, requests));
}

#[tokio::test]
async fn every_exchange_with_a_quick_destination_has_its_turn() {
    let (target, egress) = (Target::start().await.unwrap(), gated(2));
    let mut exchanges = JoinSet::new();
    for account in (0..10).flat_map(|_| 1..=8) {
        let (egress, text) = (egress.clone(), target.url("/"));
        exchanges.spawn(async move {
            let (owner, url) = (owner(account), url(text));
            let permit = egress.permit(&owner, &url).await;
            let sent = egress.prepare(&owner, &url, DEADLINE).await.unwrap().send(get()).await.unwrap();
            drop(permit);
            sent.outcome.status
        });
    }
    let ended = tokio::time::timeout(DEADLINE, exchanges.join_all()).await.expect("each has its turn");
    assert_eq!(ended, [AttemptStatus::Success; 80]);
}

#[tokio::test]
async fn a_destination_that_hangs_gets_as_many_requests_as_without_a_gate() {
    let target = Target::start().await.unwrap();
    let young_time = Duration::from_millis(1);
    let egress = Egress::new(Settings { max_young: 1, young_time, ..loopback() }).unwrap();
    let requests = deaf_requests(&egress, &target, 1..7);
    assert_eq!(target.wait_for(60, DEADLINE).await.unwrap().len(), 60);
    drop(requests);
}

#[tokio::test]
async fn an_executor_applies_its_part() {
    let (target, egress) = (Target::start().await.unwrap(), limited(8));
    egress.set_live_executors(4);
    let requests = deaf_requests(&egress, &target, 1..5);
    assert_eq!(target.wait_for(2, DEADLINE).await.unwrap().len(), 2);
    egress.set_live_executors(2);
    assert_eq!(target.wait_for(4, DEADLINE).await.unwrap().len(), 4);
    drop(requests);
}

#[tokio::test]
async fn idle_connections_count_and_make_room() {
    let (target, egress) = (Target::start().await.unwrap(), limited(4));
    for account in 1..=12 {
        let ready = egress.prepare(&owner(account), &url(target.url("/")), DEADLINE).await.unwrap();
        assert_eq!(ready.send(get()).await.unwrap().outcome.status, AttemptStatus::Success);
        let opened = usize::try_from(account).unwrap();
        assert!(target.wait_for_connections(opened, DEADLINE).await);
        assert!(target.wait_for_open(4, DEADLINE).await, "idle connections of others were closed");
    }
}

#[tokio::test]
async fn connections_to_an_address_are_limited_and_idle_ones_make_room() {
    let egress = limited(1);
    // Four connections to the address; one account has two of them.
    let targets =
        [Target::start().await.unwrap(), Target::start().await.unwrap(), Target::start().await.unwrap()];
    let [first, second, third] = targets.each_ref().map(|target| url(target.url("/")));
    for url in [&first, &second, &third] {
        let ready = egress.prepare(&owner(1), url, DEADLINE).await.unwrap();
        assert_eq!(ready.send(get()).await.unwrap().outcome.status, AttemptStatus::Success);
    }
    let held = [
        egress.prepare(&owner(1), &first, DEADLINE).await.unwrap(),
        egress.prepare(&owner(1), &second, DEADLINE).await.unwrap(),
    ];
    // It waits some seconds for capacity, which is not the target's fault.
    let refused = egress.prepare(&owner(1), &third, DEADLINE).await;
    assert!(matches!(refused, Err(Unprepared::NoCapacity)));
    assert!(egress.prepare(&owner(2), &third, DEADLINE).await.is_ok(), "another account has its share");
    drop(held);
    assert!(egress.prepare(&owner(1), &third, DEADLINE).await.is_ok());
}
