//! Attacks on memory: the executors' by what runs carry, the API's by clients without an account.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use trigrun_testkit::{
    client::{Client, Request},
    process::Role,
    raw_http,
};

use super::{
    super::{
        accounts::flood,
        seen::{Measure, Seen},
        stage::Stage,
    },
    runs,
};

const BODY_BYTES: usize = 250_000;
const SECRETS: usize = 32;
const SECRET_BYTES: usize = 8192;
/// Below the limit of a body of a log-in.
const EMAIL_BYTES: usize = 16_000;
/// What clients without an account may add to the memory of the API, in MiB.
const MAX_GROWTH_MIB: u64 = 32;
const PASSWORD: &str = "wrong but long enough";
const LOG_INS_AT_ONCE: usize = 60;

pub async fn large_bodies(stage: &Stage) -> anyhow::Result<Seen> {
    let (target, greedy) = (stage.target().await?, stage.greedy());
    let request = json!({ "url": target.url("/hang"), "method": "POST", "body": "x".repeat(BODY_BYTES) });
    let job = greedy.job(request).await?;
    let jobs = [(greedy, job)];
    stage.under(Measure::Runs, runs(stage, &jobs, stage.scale.of(2200, 1100)), &[&target]).await
}

pub async fn large_secrets(stage: &Stage) -> anyhow::Result<Seen> {
    let (target, greedy) = (stage.target().await?, stage.greedy());
    let mut headers = serde_json::Map::new();
    for number in 0..SECRETS {
        let value: String = (0..SECRET_BYTES).map(|_| fastrand::alphanumeric()).collect();
        let name = format!("large-{number}");
        greedy.post("/v1/secrets", &json!({ "name": name, "value": value })).await?;
        headers.insert(format!("x-{number}"), json!(format!("secret://{name}")));
    }
    let job = greedy.job(json!({ "url": target.url("/"), "headers": headers })).await?;
    let jobs = [(greedy, job)];
    stage.under(Measure::Runs, runs(stage, &jobs, stage.scale.of(60, 20)), &[&target]).await
}

/// From as many addresses as rounds, because wrong log-ins are limited per address.
pub async fn password_hashing(stage: &Stage) -> anyhow::Result<Seen> {
    let body = json!({ "email": "nobody@example.com", "password": PASSWORD }).to_string();
    let attack = async {
        for round in 0..stage.scale.of(5, 1) {
            let from = SocketAddr::from((Ipv4Addr::new(127, 0, 3, round as u8 + 1), 0));
            let headers = ["content-type: application/json".to_owned()];
            let log_ins = (0..LOG_INS_AT_ONCE).map(|_| {
                raw_http::request_from(from, stage.api, "POST", "/v1/auth/login", &headers, body.as_bytes())
            });
            // Without a response, the API was killed, which is counted.
            join_all(log_ins).await;
        }
        Ok(())
    };
    stage.under(Measure::Api, attack, &[]).await
}

pub async fn long_emails(stage: &Stage) -> anyhow::Result<Seen> {
    let clients = vec![Client::new(stage.api); 4];
    // What hashing passwords needs is not what is measured here.
    flood(&clients, 20, stage.scale.attack, |number| log_in(number, 20)).await;
    let before = stage.keeper.resident(Role::Api);
    let attack = async {
        let requests = stage.scale.of(100_000, 2000);
        let statuses = flood(&clients, requests, stage.scale.attack * 3, hostile).await;
        println!("  responses by status: {:?}", statuses.0);
        Ok(())
    };
    let seen = stage.under(Measure::Api, attack, &[]).await?;
    let growth = stage.keeper.resident(Role::Api).saturating_sub(before);
    Ok(seen.rule(growth <= MAX_GROWTH_MIB, format!("the API grew by {growth} MiB")))
}

/// One of many requests without an account, all different: log-ins, sign-ups and tokens that do not exist.
fn hostile(number: usize) -> Request {
    match number % 4 {
        0 | 1 => log_in(number, EMAIL_BYTES),
        2 => {
            let body =
                json!({ "email": email(number, EMAIL_BYTES), "password": PASSWORD, "workspace_name": "w" });
            Request::new(Method::POST, "/v1/auth/signup").json(&body)
        }
        _ => {
            let token = format!("Bearer trg_{number}{}", "x".repeat(EMAIL_BYTES));
            Request::new(Method::GET, "/v1/me").header("authorization", token)
        }
    }
}

fn log_in(number: usize, bytes: usize) -> Request {
    let body = json!({ "email": email(number, bytes), "password": PASSWORD });
    Request::new(Method::POST, "/v1/auth/login").json(&body)
}

fn email(number: usize, bytes: usize) -> String {
    format!("{number}{}@example.com", "x".repeat(bytes))
}
