//! What users do to the system, and to each other.

use anyhow::ensure;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;
use std::time::Duration;
use trigrun_core::domain::id::JobId;
use uuid::Uuid;

use super::{Ask, play};
use crate::{
    clients::id_of,
    http::{ApiRequest, call},
    load::{Kind, Plan},
    proof::Finding,
    report::{Bound, Figure, Verdict},
    run::Run,
};

/// Users in a hurry; a tenth of all they do is to hang up in the middle of a request.
pub async fn hurried(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(25);
    let mut setup = ask.setup();
    setup.users = Some(Duration::from_millis(25));
    let ((), outcome) = play(name, setup, async |run| {
        run.pass(time).await;
        Ok(())
    })
    .await?;
    let figures = vec![
        Figure::new("requests to the API", outcome.seen.calls as f64, "", Bound::AtLeast(500.0)),
        Figure::new(
            "clients that hung up at a random byte",
            outcome.seen.hung_up as f64,
            "",
            Bound::AtLeast(50.0),
        ),
        Figure::new(
            "slowest answer of the API",
            outcome.seen.slowest.as_secs_f64(),
            "s",
            Bound::AtMost(10.0),
        ),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// So many race each other for each job, with so many requests each.
const RACERS: usize = 4;
const REQUESTS: usize = 12;

/// Jobs that are patched, paused, resumed, cancelled, run and deleted by several at once, some fifty times a second, while they run
/// and finish.
pub async fn race(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(25);
    let mut setup = ask.setup();
    setup.plan = Plan { jobs: 12, only: Some(Kind::Churned), workspaces: 2, ..Plan::default() };
    // The users of the mix churn these jobs; the racers here do the rest, to jobs of their own.
    setup.users = Some(Duration::from_millis(20));
    let ((raced, replies, took), mut outcome) = play(name, setup, async |run| {
        let (mut raced, mut replies) = (Vec::new(), Vec::new());
        let from = run.clock.elapsed();
        while run.clock.elapsed() < from + time {
            let job = one_time(run, "/slow/30").await?;
            raced.push(job);
            let racers: Vec<_> = (0..RACERS).map(|_| run.random.fork()).collect();
            let race =
                racers.into_iter().enumerate().map(|(racer, random)| race_for(run, job, random, racer == 0));
            replies.extend(join_all(race).await.into_iter().flatten());
            let deleted =
                call(run.cluster.apis()[0], request(run, Method::DELETE, path(job, ""), None)).await;
            replies.push((format!("DELETE {job}"), deleted.status));
        }
        Ok((raced, replies, run.clock.elapsed() - from))
    })
    .await?;
    let as_it_must = |status: &Option<u16>| matches!(status, Some(200..=299 | 404 | 409));
    let bad = replies.iter().filter(|(_, status)| !as_it_must(status));
    let bad = bad.map(|(what, status)| format!("{what} was answered {status:?}")).collect();
    let left = raced.iter().filter(|job| outcome.record.versions.contains_key(*job));
    let left: Vec<String> = left.map(|job| format!("job {job} is still there")).collect();
    outcome.findings.push(Finding::new("a race is answered 2xx, 404 or 409", replies.len(), bad));
    outcome.findings.push(Finding::new("what was deleted is gone", raced.len(), left));
    let each_second = replies.len() as f64 / took.as_secs_f64();
    let figures = vec![
        Figure::new("changes that raced", replies.len() as f64, "", Bound::AtLeast(200.0)),
        Figure::new("changes of one job", each_second, "a second", Bound::AtLeast(50.0)),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// What one racer does to a job; one of them deletes it before the others have ended.
async fn race_for(
    run: &Run,
    job: Uuid,
    mut random: fastrand::Rng,
    deletes: bool,
) -> Vec<(String, Option<u16>)> {
    let mut replies = Vec::new();
    for number in 0..REQUESTS {
        if deletes && number == REQUESTS * 2 / 3 {
            let deleted =
                call(run.cluster.apis()[1], request(run, Method::DELETE, path(job, ""), None)).await;
            replies.push((format!("DELETE {job}"), deleted.status));
        }
        replies.extend(race_one(run, &mut random, job).await);
    }
    replies
}

async fn one_time(run: &Run, target: &str) -> anyhow::Result<Uuid> {
    let body = json!({ "name": "raced", "kind": "one_time", "request": { "url": run.recorder.url(target) } });
    let created =
        call(run.cluster.apis()[0], request(run, Method::POST, "/v1/jobs".into(), Some(body))).await;
    ensure!(created.status == Some(201), "{created:?}");
    id_of(&created.body).ok_or_else(|| anyhow::anyhow!("no id in {}", created.body))
}

/// Nothing, when there was nothing to cancel.
async fn race_one(run: &Run, random: &mut fastrand::Rng, job: Uuid) -> Option<(String, Option<u16>)> {
    let (method, path, body) = match random.u32(0..6) {
        0 => (Method::PATCH, path(job, ""), Some(json!({ "name": "patched" }))),
        1 => (Method::POST, path(job, "/pause"), None),
        2 => (Method::POST, path(job, "/resume"), None),
        3 => {
            let list = call(
                run.cluster.apis()[0],
                request(run, Method::GET, path(job, "/executions?limit=1"), None),
            )
            .await;
            let id = list.body["data"][0]["id"].as_str()?;
            (Method::POST, format!("/v1/executions/{id}/cancel"), None)
        }
        _ => (Method::POST, path(job, "/run-now"), None),
    };
    let what = format!("{method} {path}");
    let api = run.cluster.apis()[random.usize(0..2)];
    Some((what, call(api, request(run, method, path, body)).await.status))
}

fn path(job: Uuid, rest: &str) -> String {
    format!("/v1/jobs/{}{rest}", JobId::from_uuid(job))
}

fn request(run: &Run, method: Method, path: String, body: Option<serde_json::Value>) -> ApiRequest<'_> {
    ApiRequest { method, path, token: &run.load.tenants[0].token, key: None, body }
}
