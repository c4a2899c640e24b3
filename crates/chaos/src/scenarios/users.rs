//! What users do to the system, and to each other.

use anyhow::{Context, ensure};
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;
use trigrun_core::domain::id::JobId;
use trigrun_testkit::client::Request;
use uuid::Uuid;

use super::{Options, run};
use crate::{
    api::{Reply, call},
    clients::job_id,
    load::{Kind, Plan},
    proof::Finding,
    report::{Bound, Figure, Report},
    run::Run,
};

/// Users in a hurry, who disconnect in the middle of a tenth of their requests.
pub async fn hurried(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(25);
    let mut setup = options.setup();
    setup.client_pause = Some(Duration::from_millis(25));
    let ((), outcome) = run(name, setup, async |run| {
        run.wait(time).await;
        Ok(())
    })
    .await?;
    let clients = &outcome.clients;
    let slowest = clients.slowest.as_secs_f64();
    let figures = vec![
        Figure::new("requests to the API", clients.requests as f64, "", Bound::AtLeast(500.0)),
        Figure::new("disconnects at a random byte", clients.disconnects as f64, "", Bound::AtLeast(50.0)),
        Figure::new("slowest response of the API", slowest, "s", Bound::AtMost(10.0)),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// Concurrent clients of each job.
const RACERS: usize = 4;
const REQUESTS_PER_RACER: usize = 12;

/// Several clients patch, pause, resume, cancel, run and delete the same job, some fifty times a second, while it runs.
pub async fn race(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(25);
    let mut setup = options.setup();
    setup.plan = Plan { jobs: 12, only: Some(Kind::Toggled), workspaces: 2, ..Plan::default() };
    // The ordinary clients pause and resume the load's jobs; the racers have their own.
    setup.client_pause = Some(Duration::from_millis(20));
    let ((jobs, replies, took), mut outcome) = run(name, setup, async |run| {
        let (mut jobs, mut replies) = (Vec::new(), Vec::new());
        let from = run.clock.elapsed();
        while run.clock.elapsed() < from + time {
            let job = create_job(run, "/slow/30").await?;
            jobs.push(job);
            let racers: Vec<_> = (0..RACERS).map(|_| run.random.fork()).collect();
            let race =
                racers.into_iter().enumerate().map(|(racer, random)| race_on(run, job, random, racer == 0));
            replies.extend(join_all(race).await.into_iter().flatten());
            replies.push(delete(run, 0, job).await);
        }
        Ok((jobs, replies, run.clock.elapsed() - from))
    })
    .await?;
    let is_expected = |status: &Option<u16>| matches!(status, Some(200..=299 | 404 | 409));
    let bad = replies.iter().filter(|(_, status)| !is_expected(status));
    let bad = bad.map(|(request, status)| format!("{request} got {status:?}")).collect();
    let left = jobs.iter().filter(|job| outcome.record.versions.contains_key(*job));
    let left: Vec<String> = left.map(|job| format!("job {job} still exists")).collect();
    outcome.findings.push(Finding::new("racing requests get 2xx, 404 or 409", replies.len(), bad));
    outcome.findings.push(Finding::new("deleted jobs do not exist", jobs.len(), left));
    let per_second = replies.len() as f64 / took.as_secs_f64();
    let figures = vec![
        Figure::new("racing changes", replies.len() as f64, "", Bound::AtLeast(200.0)),
        Figure::new("changes of one job", per_second, "a second", Bound::AtLeast(50.0)),
    ];
    Ok(Report::new(name, options.seed, outcome, figures))
}

/// A request and its status.
type Replied = (String, Option<u16>);

/// The requests of one racer. One racer deletes the job before the others are done.
async fn race_on(run: &Run, job: Uuid, mut random: fastrand::Rng, deletes: bool) -> Vec<Replied> {
    let mut replies = Vec::new();
    for number in 0..REQUESTS_PER_RACER {
        if deletes && number == REQUESTS_PER_RACER * 2 / 3 {
            replies.push(delete(run, 1, job).await);
        }
        replies.extend(random_change(run, &mut random, job).await);
    }
    replies
}

async fn create_job(run: &Run, target: &str) -> anyhow::Result<Uuid> {
    let job = json!({ "name": "raced", "kind": "one_time", "request": { "url": run.recorder.url(target) } });
    let created = send(run, 0, Method::POST, "/v1/jobs".into(), Some(job)).await;
    ensure!(created.status == Some(201), "{created:?}");
    job_id(&created.body).with_context(|| format!("no id in {}", created.body))
}

async fn delete(run: &Run, api: usize, job: Uuid) -> Replied {
    let deleted = send(run, api, Method::DELETE, path(job, ""), None).await;
    (format!("DELETE {job}"), deleted.status)
}

/// `None` if there was no execution to cancel.
async fn random_change(run: &Run, random: &mut fastrand::Rng, job: Uuid) -> Option<Replied> {
    let (method, path, body) = match random.u32(0..6) {
        0 => (Method::PATCH, path(job, ""), Some(json!({ "name": "patched" }))),
        1 => (Method::POST, path(job, "/pause"), None),
        2 => (Method::POST, path(job, "/resume"), None),
        3 => {
            let list = send(run, 0, Method::GET, path(job, "/executions?limit=1"), None).await;
            let id = list.body["data"][0]["id"].as_str()?;
            (Method::POST, format!("/v1/executions/{id}/cancel"), None)
        }
        _ => (Method::POST, path(job, "/run-now"), None),
    };
    let request = format!("{method} {path}");
    Some((request, send(run, random.usize(0..2), method, path, body).await.status))
}

fn path(job: Uuid, rest: &str) -> String {
    format!("/v1/jobs/{}{rest}", JobId::from_uuid(job))
}

async fn send(run: &Run, api: usize, method: Method, path: String, body: Option<Value>) -> Reply {
    let request = Request::new(method, path);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    call(run.cluster.apis()[api], &run.load.tenants[0].token, request).await
}
