//! Rate limits: shared by replicas, applied locally without Redis, and never at the cost of other callers.
//!
//! A limit refills while a test runs, so these tests compare what was allowed with what the elapsed time allows: `burst + elapsed / interval`
//! requests at most. That holds at any speed.

use futures_util::future::join_all;
use hyper::{Method, StatusCode, header::AUTHORIZATION};
use serde_json::json;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use trigrun_api::{LimitSettings, Settings};
use trigrun_core::{
    crypto,
    domain::access::{Scope, TokenKind},
    stream::{
        RedisSettings,
        limiter::{Limiter, MAX_PERMITS, Rate},
    },
};

use crate::{
    app::{Api, App, Response, redis_settings, refills},
    authorization::{Seeds, operations},
};

const TOKEN_BURST: usize = 5;
const WORKSPACE_BURST: usize = 8;
/// Of both limits.
const INTERVAL: Duration = Duration::from_secs(1);

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// One failure per minute, so that it does not refill during a test: the API ends each request after 10 s, and no test sends more than five
/// requests after the first failure.
fn narrow(settings: &mut Settings, redis: &RedisSettings) {
    settings.redis = redis.clone();
    settings.limits = LimitSettings {
        token_per_second: number(1),
        token_burst: number(5),
        workspace_per_second: number(1),
        workspace_burst: number(8),
        failures_per_minute: number(1),
        sign_ups_per_hour: number(3),
        proxies: Vec::new(),
    };
}

async fn get(api: &Api, token: &str) -> Response {
    let request = api.request(Method::GET, "/v1/jobs").header(AUTHORIZATION, format!("Bearer {token}"));
    api.send(request.body(Default::default()).unwrap()).await
}

fn allowed(responses: &[Response]) -> usize {
    responses.iter().filter(|response| response.status == StatusCode::OK).count()
}

fn limited(responses: &[Response]) -> &Response {
    responses
        .iter()
        .find(|response| response.status == StatusCode::TOO_MANY_REQUESTS)
        .expect("one is refused")
}

#[tokio::test]
async fn two_replicas_share_one_limit() {
    let (app, redis) = (App::new().await, redis_settings());
    let start = || Api::start_with(app.db.settings(), |settings| narrow(settings, &redis));
    let replicas = [start().await, start().await];
    let started = Instant::now();
    let responses = join_all((0..40).map(|at| get(&replicas[at % 2], &app.token))).await;
    let first = allowed(&responses);
    // Two separate limits would allow ten at once.
    assert!(first >= TOKEN_BURST, "a new token has its whole burst: {first}");
    assert!(first <= TOKEN_BURST + refills(started, INTERVAL), "{first} in {:?}", started.elapsed());
    let refused = limited(&responses);
    assert_eq!(refused.problem(429), "rate_limited");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    let ok = responses.iter().find(|response| response.status == StatusCode::OK).unwrap();
    assert_eq!(ok.header("ratelimit-policy"), Some("\"token\";q=5;w=5"));
    assert!(ok.header("ratelimit").unwrap().starts_with("\"token\";r="), "{ok:?}");

    // Another token of the workspace has its own five, but the workspace has eight in total. Each request of the first token also counted
    // against the workspace, and both refill at the same rate, so at least three are left.
    let second = app.token_of(app.workspace, Scope::ALL).await;
    let responses = join_all((0..10).map(|_| get(&replicas[0], &second))).await;
    let second = allowed(&responses);
    assert!(second >= WORKSPACE_BURST - TOKEN_BURST, "{second}");
    assert!(first + second <= WORKSPACE_BURST + refills(started, INTERVAL), "{first} and {second}");
    let theirs = app.token_of(app.db.workspace("theirs").await, Scope::ALL).await;
    assert_eq!(allowed(&[get(&replicas[1], &theirs).await]), 1, "another workspace has its own limit");
}

#[tokio::test]
async fn without_redis_each_replica_applies_the_limit_locally() {
    let app = App::new().await;
    let away = RedisSettings { url: "redis://127.0.0.1:1".to_owned().into(), ..redis_settings() };
    let api = Api::start_with(app.db.settings(), |settings| narrow(settings, &away)).await;
    let started = Instant::now();
    let responses = join_all((0..40).map(|_| get(&api, &app.token))).await;
    let allowed = allowed(&responses);
    assert!((TOKEN_BURST..=TOKEN_BURST + refills(started, INTERVAL)).contains(&allowed), "{allowed}");
    assert_eq!(limited(&responses).problem(429), "rate_limited");
}

#[tokio::test]
async fn guessing_is_limited_and_does_not_affect_valid_tokens() {
    let (app, redis) = (App::new().await, redis_settings());
    let api = Api::start_with(app.db.settings(), |settings| narrow(settings, &redis)).await;
    let unknown = crypto::new_token(TokenKind::Api).unwrap();
    let responses = join_all((0..30).map(|_| get(&api, unknown.reveal()))).await;
    let guesses = responses.iter().filter(|response| response.status == StatusCode::UNAUTHORIZED).count();
    assert_eq!(guesses, 1);
    assert_eq!(get(&api, "nonsense").await.problem(429), "rate_limited");
    let me = api.request(Method::GET, "/v1/me").header(AUTHORIZATION, "Bearer nonsense");
    let me = api.send(me.body(Default::default()).unwrap()).await;
    assert_eq!(me.problem(429), "rate_limited", "also for operations that require a session");
    assert_eq!(allowed(&[get(&api, &app.token).await]), 1, "a valid token is accepted");
    let login = json!({ "email": "ada@example.com", "password": "wrong password" }).to_string();
    let log_in = || async {
        let request = api.request(Method::POST, "/v1/auth/login").header("content-type", "application/json");
        api.send(request.body(login.clone().into()).unwrap()).await
    };
    let responses = join_all((0..20).map(|_| log_in())).await;
    assert!(responses.iter().all(|response| response.status == StatusCode::TOO_MANY_REQUESTS
        || response.status == StatusCode::UNAUTHORIZED));
    assert_eq!(limited(&responses).problem(429), "rate_limited");
}

#[tokio::test]
async fn guessing_through_a_proxy_does_not_affect_its_other_clients() {
    let (app, redis) = (App::new().await, redis_settings());
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
    assert_eq!(guess(&behind, "203.0.113.1").await, 401);
    assert_eq!(guess(&behind, "203.0.113.1").await, 429);
    assert_eq!(guess(&behind, "203.0.113.2").await, 401, "another client of the proxy");
    assert_eq!(
        guess(&behind, "203.0.113.3, 203.0.113.1").await,
        429,
        "what the client wrote before the proxy's entry does not count"
    );
    assert_eq!(guess(&behind, "203.0.113.1, 10.1.2.3").await, 429, "a proxy behind a proxy");

    let direct = start(&[]).await;
    assert_eq!(guess(&direct, "203.0.113.1").await, 401);
    assert_eq!(
        guess(&direct, "203.0.113.200").await,
        429,
        "without a trusted proxy, the header does not count"
    );
}

/// With a large burst, a replica takes several requests of the limit at once.
#[tokio::test]
async fn what_replicas_take_at_once_is_not_lost() {
    const BURST: usize = 100;
    let (app, redis) = (App::new().await, redis_settings());
    let start = || {
        Api::start_with(app.db.settings(), |settings| {
            narrow(settings, &redis);
            settings.limits.token_burst = number(100);
            settings.limits.workspace_burst = number(1000);
        })
    };
    let replicas = [start().await, start().await];
    let started = Instant::now();
    // One after the other: none is held back, so each response says exactly how many are left.
    for sent in 1..=20 {
        let response = get(&replicas[0], &app.token).await;
        let limit = response.header("ratelimit").unwrap().to_owned();
        let left: usize = limit.split(['=', ';']).nth(2).unwrap().parse().unwrap();
        let exact = BURST - sent;
        assert!((exact..=exact + refills(started, INTERVAL)).contains(&left), "{sent}: {limit}");
    }
    let responses = join_all((0..300).map(|at| get(&replicas[at % 2], &app.token))).await;
    let allowed = 20 + allowed(&responses);
    let held_back = 2 * MAX_PERMITS as usize;
    assert!(allowed >= BURST - held_back, "{allowed}");
    assert!(allowed <= BURST + held_back + refills(started, INTERVAL), "{allowed}");
    assert_eq!(limited(&responses).problem(429), "rate_limited");
}

#[tokio::test]
async fn sign_ups_of_one_address_are_limited() {
    let (app, redis) = (App::new().await, redis_settings());
    let api = Api::start_with(app.db.settings(), |settings| narrow(settings, &redis)).await;
    let sign_up = |n: usize| {
        let body = json!({ "email": format!("ada{n}@example.com"), "password": "correct horse battery" });
        let request = api.request(Method::POST, "/v1/auth/signup").header("content-type", "application/json");
        api.send(request.body(body.to_string().into()).unwrap())
    };
    for n in 0..3 {
        sign_up(n).await.expect(201);
    }
    // The next one is allowed twenty minutes after the first.
    assert_eq!(sign_up(3).await.problem(429), "rate_limited");
}

/// Operations without a limit per caller, and why.
const NOT_LIMITED: [(&str, &str); 17] = [
    ("get_instance", "it reads Postgres only until there is a user"),
    ("livez", "probes send no token, and it does nothing"),
    ("readyz", "probes send no token, and it shares one look at Postgres"),
    ("version", "the response is constant"),
    ("openapi", "the response is constant"),
    ("openapi_3_0", "the response is constant"),
    ("docs", "the response is constant"),
    ("get_documentation_page", "the response is constant"),
    ("overview", "the response is constant"),
    ("jobs_schema", "the response is constant"),
    ("list_problem_types", "the response is constant"),
    ("get_problem_type", "the response is constant"),
    ("sign_up", "limited by network: sign_ups_of_one_address_are_limited"),
    ("create_verification", "limited by network and by address: verifications"),
    ("reset_password", "unknown secrets are limited by network: verifications"),
    ("confirm_email", "unknown secrets are limited by network: verifications"),
    ("log_in", "wrong passwords are limited, right ones must not be: security::connections::guessing"),
];

/// Uses up a limit for an hour, as requests would.
async fn use_up<const N: usize>(redis: &RedisSettings, group: &str, names: [&str; N]) {
    let hour = Rate { interval: Duration::from_secs(3600), burst: number(1) };
    Limiter::new(redis, [hour; N]).unwrap().check(group, names).await;
}

#[tokio::test]
async fn every_operation_is_limited_for_tokens_and_for_sessions() {
    let redis = redis_settings();
    let app = App::start_with(|settings| {
        settings.redis = redis.clone();
        // So small that the API asks Redis for each request.
        settings.limits.token_burst = number(10);
        settings.limits.workspace_burst = number(10);
    })
    .await;
    let redis = app.db.redis(&redis).await;
    let seeds = Seeds::new(&app).await;
    let session = app.session("owner").await;
    let me = async |token: &str| app.send_as(token, Method::GET, "/v1/me", &[], "").await.expect(200);
    let (token_id, user) =
        (me(&app.token).await["token_id"].clone(), me(&session).await["user"]["id"].clone());
    // Sessions first: their limit does not affect tokens of the workspace.
    use_up(&redis, user.as_str().unwrap(), ["user"]).await;
    me(&app.token).await;
    let mut not_limited: Vec<String> = NOT_LIMITED.iter().map(|(id, _)| (*id).to_owned()).collect();
    for token in [&session, &app.token] {
        if token == &app.token {
            use_up(&redis, &app.workspace.to_string(), [token_id.as_str().unwrap(), "workspace"]).await;
        }
        for operation in operations() {
            if NOT_LIMITED.iter().any(|(id, _)| *id == operation.id) {
                not_limited.retain(|id| *id != operation.id);
                continue;
            }
            let (path, body) = (operation.path_to(&seeds), operation.body(&seeds));
            let response = app.send_as(token, operation.method.clone(), &path, &[], &body).await;
            assert_eq!(response.problem(429), "rate_limited", "{}", operation.id);
            // Also if it selects a workspace that it may not use.
            let other = [("trigrun-workspace", "ws_01h455vb4pex5vsknk084sn02q")];
            let response = app.send_as(token, operation.method.clone(), &path, &other, &body).await;
            assert_eq!(response.problem(429), "rate_limited", "{}", operation.id);
        }
    }
    assert!(not_limited.is_empty(), "no such operations: {not_limited:?}");
}
