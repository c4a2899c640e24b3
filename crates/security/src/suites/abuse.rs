//! Family N: quotas and limits, asked for by many at once, at two replicas: what is allowed passes, and not one more.

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

use crate::{
    case::{Case, Family},
    system::{SMALL_JOBS, SMALL_RUNS, SMALL_TOKENS, System, Tenant, text},
    wire::{Reply, call},
};

/// By default, a token may ask so often at once, and again so often in each second.
const BURST: u64 = 200;
const PER_SECOND: u64 = 50;
const WORKSPACE_BURST: u64 = 800;
const WORKSPACE_PER_SECOND: u64 = 200;
/// Tests of channels in a minute.
const TESTS: u64 = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// One case at a time: under the load of another, a replica would not wait for Redis, and count by itself.
static TURN: Mutex<()> = Mutex::const_new(());

pub fn cases() -> Vec<Case> {
    vec![
        Case::asks(Family::Abuse, "a hundred come for the last job", |system| async move {
            let _turn = TURN.lock().await;
            let tenant = newcomer(&system).await?;
            for _ in 1..SMALL_JOBS {
                ask(&system, 0, &tenant.token, "POST", "/v1/jobs", &job()).await?.expect(201)?;
            }
            let job = job();
            let tried = (0..100).map(|n| ask(&system, n, &tenant.token, "POST", "/v1/jobs", &job));
            last_place(&try_join_all(tried).await?)?;
            let jobs = ask(&system, 0, &tenant.token, "GET", "/v1/jobs", &Value::Null).await?.expect(200)?;
            ensure!(jobs["data"].as_array().map(Vec::len) == Some(SMALL_JOBS), "{jobs}");
            // Whoever makes room has room.
            let path = format!("/v1/jobs/{}", text(&jobs["data"][0]["id"])?);
            ask(&system, 0, &tenant.token, "DELETE", &path, &Value::Null).await?.expect(204)?;
            ask(&system, 1, &tenant.token, "POST", "/v1/jobs", &job).await?.expect(201).map(drop)
        }),
        Case::asks(Family::Abuse, "a hundred come for the last token", |system| async move {
            let _turn = TURN.lock().await;
            let tenant = newcomer(&system).await?;
            let token = json!({ "name": "one more", "scopes": ["jobs:read"] });
            // There is one already.
            for _ in 2..SMALL_TOKENS {
                ask(&system, 0, &tenant.session, "POST", "/v1/tokens", &token).await?.expect(201)?;
            }
            let tried = (0..100).map(|n| ask(&system, n, &tenant.session, "POST", "/v1/tokens", &token));
            last_place(&try_join_all(tried).await?)?;
            let tokens =
                ask(&system, 0, &tenant.session, "GET", "/v1/tokens", &Value::Null).await?.expect(200)?;
            ensure!(tokens["data"].as_array().map(Vec::len) == Some(SMALL_TOKENS), "{tokens}");
            Ok(())
        }),
        Case::asks(Family::Abuse, "an import beyond the quota", |system| async move {
            let _turn = TURN.lock().await;
            let tenant = newcomer(&system).await?;
            let lines = "@yearly https://example.com/\n".repeat(SMALL_JOBS + 1);
            let import = json!({ "crontab": lines, "state": "paused", "atomic": true });
            let reply = ask(&system, 0, &tenant.token, "POST", "/v1/jobs/import", &import).await?;
            reply.expect_problem(403, "quota_exceeded")?;
            let jobs = ask(&system, 0, &tenant.token, "GET", "/v1/jobs", &Value::Null).await?.expect(200)?;
            ensure!(jobs["data"] == json!([]), "{jobs}");
            Ok(())
        }),
        Case::asks(Family::Abuse, "completed jobs and drafts count", |system| async move {
            let _turn = TURN.lock().await;
            let tenant = newcomer(&system).await?;
            for state in ["draft", "paused", "active", "draft"] {
                let mut job = job();
                job["state"] = json!(state);
                ask(&system, 0, &tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)?;
            }
            ask(&system, 1, &tenant.token, "POST", "/v1/jobs", &job())
                .await?
                .expect_problem(403, "quota_exceeded")
        }),
        Case::asks(Family::Abuse, "run-nows beyond those of a minute", |system| async move {
            let _turn = TURN.lock().await;
            let tenant = newcomer(&system).await?;
            let job = ask(&system, 0, &tenant.token, "POST", "/v1/jobs", &job()).await?.expect(201)?;
            let path = format!("/v1/jobs/{}/run-now", text(&job["id"])?);
            let asked = Instant::now();
            let tried = (0..60).map(|n| ask(&system, n, &tenant.token, "POST", &path, &Value::Null));
            passed(
                &in_turn(tried).await?,
                202,
                "quota_exceeded",
                SMALL_RUNS as u64,
                minutely(SMALL_RUNS, asked),
            )
        }),
        Case::asks(Family::Abuse, "one_time jobs beyond those of a minute", |system| async move {
            let _turn = TURN.lock().await;
            // They count as jobs, too: each is deleted.
            let tenant = newcomer(&system).await?;
            let request = json!({ "url": "http://nowhere.invalid/", "timeout_seconds": 1 });
            let once = json!({ "name": "once", "kind": "one_time", "request": request });
            let (asked, mut replies) = (Instant::now(), Vec::new());
            for n in 0..SMALL_RUNS + 5 {
                let reply = ask(&system, n, &tenant.token, "POST", "/v1/jobs", &once).await?;
                if let Some(id) = reply.json()["id"].as_str() {
                    ask(&system, n, &tenant.token, "DELETE", &format!("/v1/jobs/{id}"), &Value::Null).await?;
                }
                replies.push(reply);
            }
            passed(&replies, 201, "quota_exceeded", SMALL_RUNS as u64, minutely(SMALL_RUNS, asked))
        }),
        Case::asks(Family::Abuse, "a burst of one token at two replicas", |system| async move {
            let _turn = TURN.lock().await;
            let (tenant, neighbour) = (newcomer(&system).await?, newcomer(&system).await?);
            let asked = Instant::now();
            let tried = (0..500).map(|n| ask(&system, n, &tenant.token, "GET", "/v1/me", &Value::Null));
            let (replies, ()) = futures_util::try_join!(burst(tried), unaffected(&system, &neighbour))?;
            let most = BURST + refilled(asked, PER_SECOND);
            shared(&replies, BURST, most)
        }),
        Case::asks(Family::Abuse, "a burst of a session at two replicas", |system| async move {
            let _turn = TURN.lock().await;
            let (tenant, asked) = (newcomer(&system).await?, Instant::now());
            let tried = (0..400).map(|n| ask(&system, n, &tenant.session, "GET", "/v1/me", &Value::Null));
            let replies = burst(tried).await?;
            shared(&replies, BURST, BURST + refilled(asked, PER_SECOND))
        }),
        Case::asks(Family::Abuse, "a burst of a workspace's tokens", |system| async move {
            let _turn = TURN.lock().await;
            // Made where nothing is limited: more of them than the plan allows.
            let (tenant, neighbour) = (newcomer(&system).await?, newcomer(&system).await?);
            let tokens = try_join_all((0..6).map(|_| system.token(&tenant.session, &["jobs:read"]))).await?;
            let asked = Instant::now();
            let tried = (0..1200).map(|n| ask(&system, n, &tokens[n % 6], "GET", "/v1/me", &Value::Null));
            let (replies, ()) = futures_util::try_join!(burst(tried), unaffected(&system, &neighbour))?;
            let most = WORKSPACE_BURST + refilled(asked, WORKSPACE_PER_SECOND);
            shared(&replies, WORKSPACE_BURST, most)
        }),
        Case::dials(Family::Abuse, "tests of a channel beyond those of a minute", |system| async move {
            let _turn = TURN.lock().await;
            let tenant = newcomer(&system).await?;
            let channel =
                json!({ "name": "c", "type": "webhook", "config": { "url": "http://93.184.216.34/told" } });
            let made = ask(&system, 0, &tenant.token, "POST", "/v1/notification-channels", &channel)
                .await?
                .expect(201)?;
            let path = format!("/v1/notification-channels/{}/test", text(&made["id"])?);
            let asked = Instant::now();
            let tried = (0..40).map(|n| ask(&system, n, &tenant.token, "POST", &path, &Value::Null));
            passed(&in_turn(tried).await?, 202, "rate_limited", TESTS, minutely(TESTS as usize, asked))
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
async fn ask(
    system: &System,
    n: usize,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<Reply> {
    let api: SocketAddr = system.small_apis[n % 2];
    let mut headers = vec![format!("authorization: Bearer {token}")];
    if body.is_null() {
        return call(api, method, path, &headers, b"").await;
    }
    headers.push("content-type: application/json".into());
    call(api, method, path, &headers, body.to_string().as_bytes()).await
}

/// One has got it, all others are told why not.
fn last_place(replies: &[Reply]) -> anyhow::Result<()> {
    let (got, others): (Vec<&Reply>, Vec<&Reply>) = replies.iter().partition(|reply| reply.status == 201);
    for reply in others {
        reply.expect_problem(403, "quota_exceeded")?;
    }
    ensure!(got.len() == 1, "{} got the last place", got.len());
    Ok(())
}

/// What came back since then, at so many a second.
fn refilled(asked: Instant, per_second: u64) -> u64 {
    asked.elapsed().as_millis() as u64 * per_second / 1000 + 1
}

fn minutely(most: usize, asked: Instant) -> u64 {
    most as u64 + asked.elapsed().as_secs() * most as u64 / MINUTE.as_secs() + 1
}

/// Of a burst. While Redis is late, a replica counts by itself: its answers say so, and it lets no more pass than a burst of its own.
fn shared(replies: &[Reply], burst: u64, most: u64) -> anyhow::Result<()> {
    let by_itself =
        |reply: &&Reply| reply.status == 200 && reply.header("ratelimit") == Some("\"token\";r=0;t=1");
    let alone = replies.iter().filter(by_itself).count() as u64;
    ensure!(alone <= 2 * burst, "{alone} passed where Redis was not asked");
    passed(replies, 200, "rate_limited", burst, most + alone)
}

/// As many at a time as two replicas of a busy machine answer before they shed load.
async fn burst(
    calls: impl Iterator<Item = impl Future<Output = anyhow::Result<Reply>>>,
) -> anyhow::Result<Vec<Reply>> {
    stream::iter(calls).buffered(200).try_collect().await
}

/// A few at a time.
async fn in_turn(
    calls: impl Iterator<Item = impl Future<Output = anyhow::Result<Reply>>>,
) -> anyhow::Result<Vec<Reply>> {
    stream::iter(calls).buffered(10).try_collect().await
}

/// At least `least` and at most `most` passed, all others are told for how long to wait.
fn passed(replies: &[Reply], status: u16, code: &str, least: u64, most: u64) -> anyhow::Result<()> {
    let (passed, others): (Vec<&Reply>, Vec<&Reply>) =
        replies.iter().partition(|reply| reply.status == status);
    for reply in others {
        reply.expect_problem(429, code)?;
        let wait: u64 = reply.header("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=60).contains(&wait), "{wait}");
    }
    let passed = passed.len() as u64;
    ensure!((least..=most).contains(&passed), "{passed} of {} passed: {least} to {most} may", replies.len());
    Ok(())
}

/// Somebody else, who asks now and then meanwhile.
async fn unaffected(system: &Arc<System>, tenant: &Tenant) -> anyhow::Result<()> {
    for n in 0..20 {
        ask(system, n, &tenant.token, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
    }
    Ok(())
}
