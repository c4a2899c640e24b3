//! Suite N: quotas and limits, at two replicas and under many requests at once: what is allowed passes, and not one request more.

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

use trigrun_testkit::raw_http::{RawResponse, request};

use crate::{
    case::{Case, Suite},
    system::{SMALL_JOBS, SMALL_RUNS, SMALL_TOKENS, System, Tenant, text},
};

/// The default limits.
const BURST: u64 = 200;
const PER_SECOND: u64 = 50;
const WORKSPACE_BURST: u64 = 800;
const WORKSPACE_PER_SECOND: u64 = 200;
/// Tests of channels in a minute.
const TESTS: u64 = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// One case at a time: under the load of another, a replica does not wait for Redis and counts alone.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(Suite::Quotas, "a hundred requests for the last job", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            let tenant = newcomer(&system).await?;
            for _ in 1..SMALL_JOBS {
                call(&system, 0, &tenant.token, "POST", "/v1/jobs", &job()).await?.expect(201)?;
            }
            let job = job();
            let calls = (0..100).map(|n| call(&system, n, &tenant.token, "POST", "/v1/jobs", &job));
            one_passed(&try_join_all(calls).await?)?;
            let jobs = call(&system, 0, &tenant.token, "GET", "/v1/jobs", &Value::Null).await?.expect(200)?;
            ensure!(jobs["data"].as_array().map(Vec::len) == Some(SMALL_JOBS), "{jobs}");
            // A deletion makes room.
            let path = format!("/v1/jobs/{}", text(&jobs["data"][0]["id"])?);
            call(&system, 0, &tenant.token, "DELETE", &path, &Value::Null).await?.expect(204)?;
            call(&system, 1, &tenant.token, "POST", "/v1/jobs", &job).await?.expect(201).map(drop)
        }),
        Case::new(Suite::Quotas, "a hundred requests for the last token", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            let tenant = newcomer(&system).await?;
            let token = json!({ "name": "one more", "scopes": ["jobs:read"] });
            // There is one already.
            for _ in 2..SMALL_TOKENS {
                call(&system, 0, &tenant.session, "POST", "/v1/tokens", &token).await?.expect(201)?;
            }
            let calls = (0..100).map(|n| call(&system, n, &tenant.session, "POST", "/v1/tokens", &token));
            one_passed(&try_join_all(calls).await?)?;
            let tokens =
                call(&system, 0, &tenant.session, "GET", "/v1/tokens", &Value::Null).await?.expect(200)?;
            ensure!(tokens["data"].as_array().map(Vec::len) == Some(SMALL_TOKENS), "{tokens}");
            Ok(())
        }),
        Case::new(Suite::Quotas, "an import above the quota", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            let tenant = newcomer(&system).await?;
            let lines = "@yearly https://example.com/\n".repeat(SMALL_JOBS + 1);
            let import = json!({ "crontab": lines, "state": "paused", "atomic": true });
            let response = call(&system, 0, &tenant.token, "POST", "/v1/jobs/import", &import).await?;
            response.expect_problem(403, "quota_exceeded")?;
            let jobs = call(&system, 0, &tenant.token, "GET", "/v1/jobs", &Value::Null).await?.expect(200)?;
            ensure!(jobs["data"] == json!([]), "{jobs}");
            Ok(())
        }),
        Case::new(Suite::Quotas, "completed jobs and drafts count", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            let tenant = newcomer(&system).await?;
            for state in ["draft", "paused", "active", "draft"] {
                let mut job = job();
                job["state"] = json!(state);
                call(&system, 0, &tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)?;
            }
            call(&system, 1, &tenant.token, "POST", "/v1/jobs", &job())
                .await?
                .expect_problem(403, "quota_exceeded")
        }),
        Case::new(Suite::Quotas, "more run-nows than a minute allows", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            let tenant = newcomer(&system).await?;
            let job = call(&system, 0, &tenant.token, "POST", "/v1/jobs", &job()).await?.expect(201)?;
            let path = format!("/v1/jobs/{}/run-now", text(&job["id"])?);
            let began = Instant::now();
            let calls = (0..60).map(|n| call(&system, n, &tenant.token, "POST", &path, &Value::Null));
            passed(
                &few_at_a_time(calls).await?,
                202,
                "quota_exceeded",
                SMALL_RUNS as u64,
                per_minute(SMALL_RUNS, began),
            )
        }),
        Case::new(Suite::Quotas, "more one_time jobs than a minute allows", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            // They also count as jobs, so each is deleted.
            let tenant = newcomer(&system).await?;
            let request = json!({ "url": "http://nowhere.invalid/", "timeout_seconds": 1 });
            let once = json!({ "name": "once", "kind": "one_time", "request": request });
            let (began, mut responses) = (Instant::now(), Vec::new());
            for n in 0..SMALL_RUNS + 5 {
                let response = call(&system, n, &tenant.token, "POST", "/v1/jobs", &once).await?;
                if let Some(id) = response.json()["id"].as_str() {
                    call(&system, n, &tenant.token, "DELETE", &format!("/v1/jobs/{id}"), &Value::Null)
                        .await?;
                }
                responses.push(response);
            }
            passed(&responses, 201, "quota_exceeded", SMALL_RUNS as u64, per_minute(SMALL_RUNS, began))
        }),
        Case::new(Suite::Quotas, "a burst of one token at two replicas", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            let (tenant, neighbour) = (newcomer(&system).await?, newcomer(&system).await?);
            let began = Instant::now();
            let calls = (0..500).map(|n| call(&system, n, &tenant.token, "GET", "/v1/me", &Value::Null));
            let (responses, ()) = futures_util::try_join!(burst(calls), unaffected(&system, &neighbour))?;
            let max = BURST + refilled(began, PER_SECOND);
            shared(&responses, BURST, max)
        }),
        Case::new(Suite::Quotas, "a burst of a session at two replicas", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            let (tenant, began) = (newcomer(&system).await?, Instant::now());
            let calls = (0..400).map(|n| call(&system, n, &tenant.session, "GET", "/v1/me", &Value::Null));
            let responses = burst(calls).await?;
            shared(&responses, BURST, BURST + refilled(began, PER_SECOND))
        }),
        Case::new(Suite::Quotas, "a burst of a workspace's tokens", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            // Created at the unlimited API: more of them than the plan allows.
            let (tenant, neighbour) = (newcomer(&system).await?, newcomer(&system).await?);
            let tokens = try_join_all((0..6).map(|_| system.token(&tenant.session, &["jobs:read"]))).await?;
            let began = Instant::now();
            let calls = (0..1200).map(|n| call(&system, n, &tokens[n % 6], "GET", "/v1/me", &Value::Null));
            let (responses, ()) = futures_util::try_join!(burst(calls), unaffected(&system, &neighbour))?;
            let max = WORKSPACE_BURST + refilled(began, WORKSPACE_PER_SECOND);
            shared(&responses, WORKSPACE_BURST, max)
        }),
        Case::dialling(Suite::Quotas, "more tests of a channel than a minute allows", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            let tenant = newcomer(&system).await?;
            let channel = json!({ "name": "c", "type": "webhook", "config": { "url": "http://93.184.216.34/notified" } });
            let created = call(&system, 0, &tenant.token, "POST", "/v1/notification-channels", &channel)
                .await?
                .expect(201)?;
            let path = format!("/v1/notification-channels/{}/test", text(&created["id"])?);
            let began = Instant::now();
            let calls = (0..40).map(|n| call(&system, n, &tenant.token, "POST", &path, &Value::Null));
            passed(
                &few_at_a_time(calls).await?,
                202,
                "rate_limited",
                TESTS,
                per_minute(TESTS as usize, began),
            )
        }),
    ]
}

async fn newcomer(system: &System) -> anyhow::Result<Tenant> {
    system.sign_up(&format!("newcomer-{}", system.number())).await
}

fn job() -> Value {
    let request = json!({ "url": "http://nowhere.invalid/", "timeout_seconds": 1 });
    json!({ "name": "one more", "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "request": request,
        "retry_policy": { "max_attempts": 1 } })
}

/// At one replica or the other.
async fn call(
    system: &System,
    n: usize,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<RawResponse> {
    let api: SocketAddr = system.small_apis[n % 2];
    let mut headers = vec![format!("authorization: Bearer {token}")];
    if body.is_null() {
        return request(api, method, path, &headers, b"").await;
    }
    headers.push("content-type: application/json".into());
    request(api, method, path, &headers, body.to_string().as_bytes()).await
}

/// One request passed, all others exceeded the quota.
fn one_passed(responses: &[RawResponse]) -> anyhow::Result<()> {
    let (passed, refused): (Vec<&RawResponse>, Vec<&RawResponse>) =
        responses.iter().partition(|response| response.status == 201);
    for response in refused {
        response.expect_problem(403, "quota_exceeded")?;
    }
    ensure!(passed.len() == 1, "{} passed", passed.len());
    Ok(())
}

/// What a limit of this rate has regained since then.
fn refilled(began: Instant, per_second: u64) -> u64 {
    began.elapsed().as_millis() as u64 * per_second / 1000 + 1
}

fn per_minute(max: usize, began: Instant) -> u64 {
    max as u64 + began.elapsed().as_secs() * max as u64 / MINUTE.as_secs() + 1
}

/// Of a burst. While Redis is late, a replica counts alone: its responses say so, and it lets at most one burst pass.
fn shared(responses: &[RawResponse], burst: u64, max: u64) -> anyhow::Result<()> {
    let counted_alone = |response: &&RawResponse| {
        response.status == 200 && response.header("ratelimit") == Some("\"token\";r=0;t=1")
    };
    let alone = responses.iter().filter(counted_alone).count() as u64;
    ensure!(alone <= 2 * burst, "{alone} passed without Redis");
    passed(responses, 200, "rate_limited", burst, max + alone)
}

/// As many at a time as two replicas on a busy machine handle before they shed load.
async fn burst(
    calls: impl Iterator<Item = impl Future<Output = anyhow::Result<RawResponse>>>,
) -> anyhow::Result<Vec<RawResponse>> {
    stream::iter(calls).buffered(200).try_collect().await
}

/// A few at a time.
async fn few_at_a_time(
    calls: impl Iterator<Item = impl Future<Output = anyhow::Result<RawResponse>>>,
) -> anyhow::Result<Vec<RawResponse>> {
    stream::iter(calls).buffered(10).try_collect().await
}

/// Between `min` and `max` passed, and all others have a valid Retry-After.
fn passed(responses: &[RawResponse], status: u16, code: &str, min: u64, max: u64) -> anyhow::Result<()> {
    let (passed, limited): (Vec<&RawResponse>, Vec<&RawResponse>) =
        responses.iter().partition(|response| response.status == status);
    for response in limited {
        response.expect_problem(429, code)?;
        let wait: u64 = response.header("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=60).contains(&wait), "{wait}");
    }
    let passed = passed.len() as u64;
    ensure!((min..=max).contains(&passed), "{passed} of {} passed, not {min} to {max}", responses.len());
    Ok(())
}

/// Another tenant, who calls the API at the same time.
async fn unaffected(system: &Arc<System>, tenant: &Tenant) -> anyhow::Result<()> {
    for n in 0..20 {
        call(system, n, &tenant.token, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
    }
    Ok(())
}
