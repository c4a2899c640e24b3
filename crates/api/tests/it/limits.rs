//! How much anybody may use: shared by replicas, kept without Redis, and never at the cost of others.

use hyper::{Method, StatusCode, header::AUTHORIZATION};
use serde_json::json;
use std::num::NonZeroU32;
use trigrun_api::{LimitSettings, Settings};
use trigrun_core::{
    crypto,
    domain::access::{Scope, TokenKind},
    stream::RedisSettings,
};
use trigrun_testkit::redis;

use crate::app::{Answer, Api, App};

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// Five at once of a token and eight of a workspace, and one more in a while.
fn narrow(settings: &mut Settings, redis: &RedisSettings) {
    settings.redis = redis.clone();
    settings.limits = LimitSettings {
        token_per_second: number(1),
        token_burst: number(5),
        workspace_per_second: number(1),
        workspace_burst: number(8),
        failures_per_minute: number(10),
        sign_ups_per_hour: number(3),
        proxies: Vec::new(),
    };
}

async fn get(api: &Api, token: &str) -> Answer {
    let request = api.request(Method::GET, "/v1/jobs").header(AUTHORIZATION, format!("Bearer {token}"));
    api.send(request.body(Default::default()).unwrap()).await
}

fn passed(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == StatusCode::OK).count()
}

#[tokio::test]
async fn two_replicas_share_one_limit() {
    let (app, redis) = (App::new().await, redis::settings());
    let start = || Api::start_with(app.db.settings(), |settings| narrow(settings, &redis));
    let replicas = [start().await, start().await];
    let at_once = (0..20).map(|at| get(&replicas[at % 2], &app.token));
    let answers = futures_util::future::join_all(at_once).await;
    assert!(
        (5..=7).contains(&passed(&answers)),
        "five, and one for each second that it took: {}",
        passed(&answers)
    );
    let refused = answers.iter().find(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).unwrap();
    assert_eq!(refused.problem(429), "rate_limited");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    let allowed = answers.iter().find(|answer| answer.status == StatusCode::OK).unwrap();
    assert_eq!(allowed.header("ratelimit-policy"), Some("\"token\";q=5;w=5"));
    assert!(allowed.header("ratelimit").unwrap().starts_with("\"token\";r="), "{allowed:?}");

    // Another token of the workspace has its own five, but the workspace has eight in all.
    let second = app.token_of(app.workspace, Scope::ALL).await;
    let answers = futures_util::future::join_all((0..10).map(|_| get(&replicas[0], &second))).await;
    assert!((2..=5).contains(&passed(&answers)), "{}", passed(&answers));
    let theirs = app.token_of(app.db.workspace("theirs").await, Scope::ALL).await;
    assert_eq!(passed(&[get(&replicas[1], &theirs).await]), 1, "others are not held up");
}

#[tokio::test]
async fn without_redis_each_keeps_the_limit_by_itself() {
    let app = App::new().await;
    let away = RedisSettings { url: "redis://127.0.0.1:1".to_owned().into(), ..redis::settings() };
    let api = Api::start_with(app.db.settings(), |settings| narrow(settings, &away)).await;
    let answers = futures_util::future::join_all((0..20).map(|_| get(&api, &app.token))).await;
    assert!((5..=8).contains(&passed(&answers)), "{}", passed(&answers));
    assert_eq!(
        answers.iter().find(|answer| answer.status != StatusCode::OK).unwrap().problem(429),
        "rate_limited"
    );
}

#[tokio::test]
async fn guessing_is_slow_and_holds_up_nobody_else() {
    let (app, redis) = (App::new().await, redis::settings());
    let api = Api::start_with(app.db.settings(), |settings| narrow(settings, &redis)).await;
    let wrong = crypto::new_token(TokenKind::Api).unwrap();
    let answers = futures_util::future::join_all((0..100).map(|_| get(&api, wrong.reveal()))).await;
    let unknown = answers.iter().filter(|answer| answer.status == StatusCode::UNAUTHORIZED).count();
    assert!((10..=12).contains(&unknown), "{unknown}");
    assert_eq!(get(&api, "nonsense").await.problem(429), "rate_limited");
    let me = api.request(Method::GET, "/v1/me").header(AUTHORIZATION, "Bearer nonsense");
    let me = api.send(me.body(Default::default()).unwrap()).await;
    assert_eq!(me.problem(429), "rate_limited", "also where only people are let in");
    assert_eq!(passed(&[get(&api, &app.token).await]), 1, "whoever has a token is served");
    let login = json!({ "email": "ada@example.com", "password": "wrong password" }).to_string();
    let log_in = || async {
        let request = api.request(Method::POST, "/v1/auth/login").header("content-type", "application/json");
        api.send(request.body(login.clone().into()).unwrap()).await
    };
    let answers = futures_util::future::join_all((0..20).map(|_| log_in())).await;
    assert!(
        answers.iter().all(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS
            || answer.status == StatusCode::UNAUTHORIZED)
    );
    assert!(answers.iter().any(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS));
}

#[tokio::test]
async fn guessing_through_a_proxy_holds_up_nobody_behind_it() {
    let (app, redis) = (App::new().await, redis::settings());
    let start = |proxies: &[&str]| {
        let proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        Api::start_with(app.db.settings(), |settings| {
            narrow(settings, &redis);
            settings.limits.proxies = proxies;
        })
    };
    let guess = async |api: &Api, forwarded_for: &str| {
        let request = api.request(Method::GET, "/v1/jobs").header(AUTHORIZATION, "Bearer nonsense");
        let request = request.header("x-forwarded-for", forwarded_for);
        api.send(request.body(Default::default()).unwrap()).await.status.as_u16()
    };
    let behind = start(&["127.0.0.0/8", "10.0.0.0/8"]).await;
    for _ in 0..12 {
        guess(&behind, "203.0.113.1").await;
    }
    assert_eq!(guess(&behind, "203.0.113.1").await, 429);
    assert_eq!(guess(&behind, "203.0.113.2").await, 401, "another client of the proxy");
    assert_eq!(
        guess(&behind, "203.0.113.3, 203.0.113.1").await,
        429,
        "what the client wrote itself is not believed"
    );
    assert_eq!(guess(&behind, "203.0.113.1, 10.1.2.3").await, 429, "a proxy behind a proxy");

    let direct = start(&[]).await;
    for n in 0..12 {
        guess(&direct, &format!("203.0.113.{n}")).await;
    }
    assert_eq!(guess(&direct, "203.0.113.200").await, 429, "without a proxy nobody is believed");
}

#[tokio::test]
async fn signing_up_is_slow_for_one_address() {
    let (app, redis) = (App::new().await, redis::settings());
    let api = Api::start_with(app.db.settings(), |settings| narrow(settings, &redis)).await;
    let sign_up = |n: usize| {
        let body = json!({ "email": format!("ada{n}@example.com"), "password": "correct horse battery" });
        let request = api.request(Method::POST, "/v1/auth/signup").header("content-type", "application/json");
        api.send(request.body(body.to_string().into()).unwrap())
    };
    for n in 0..3 {
        sign_up(n).await.expect(201);
    }
    assert_eq!(sign_up(3).await.problem(429), "rate_limited");
}
