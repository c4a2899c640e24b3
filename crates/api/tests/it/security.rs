//! The security cases that need the API only. Each has a name, so that `make security` can count it; docs/security.md describes the suites.
//! Cases that need an executor, a network namespace or several processes are in `crates/security`.

mod addresses;
mod browsers;
mod case;
mod connections;
mod idempotency;
mod inputs;
mod malformed;
mod schedules;
mod system;
mod tenants;
mod tokens;
mod workspace_deletion;

use std::{collections::HashSet, fmt::Write};

use case::{Suite, append_to_report, one_line};

fn suites() -> Vec<Suite> {
    vec![
        addresses::suite(),
        inputs::urls(),
        inputs::headers_and_bodies(),
        tokens::suite(),
        tenants::suite(),
        malformed::suite(),
        schedules::suite(),
        idempotency::suite(),
        connections::suite(),
        workspace_deletion::suite(),
        browsers::suite(),
    ]
}

#[test]
fn every_case_has_its_own_name() {
    let (mut known, mut list) = (HashSet::new(), String::new());
    for suite in suites() {
        for case in &suite.cases {
            writeln!(list, "{} {}", suite.letter, one_line(case.name())).unwrap();
            assert!(known.insert((suite.letter, case.name().to_owned())), "{} is there twice", case.name());
        }
    }
    append_to_report(&list);
}

#[tokio::test]
async fn forbidden_addresses() {
    addresses::suite().run().await;
}

#[tokio::test]
async fn invalid_urls() {
    inputs::urls().run().await;
}

#[tokio::test]
async fn invalid_headers_and_bodies() {
    inputs::headers_and_bodies().run().await;
}

#[tokio::test]
async fn tokens() {
    tokens::suite().run().await;
}

#[tokio::test]
async fn tenants() {
    tenants::suite().run().await;
}

#[tokio::test]
async fn malformed_requests() {
    malformed::suite().run().await;
}

#[tokio::test]
async fn invalid_schedules() {
    schedules::suite().run().await;
}

#[tokio::test]
async fn idempotency_keys() {
    idempotency::suite().run().await;
}

#[tokio::test]
async fn connections() {
    connections::suite().run().await;
}

#[tokio::test]
async fn sessions_of_browsers() {
    browsers::suite().run().await;
}

#[tokio::test]
async fn workspace_deletion() {
    workspace_deletion::suite().run().await;
}
