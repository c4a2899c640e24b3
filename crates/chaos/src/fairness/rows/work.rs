//! Attacks by how much one request asks the API, or an executor, to do.

use chrono::TimeDelta;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use trigrun_testkit::client::{Client, Request};

use super::super::{
    accounts::{Statuses, Workspace, send_each},
    seen::{Measure, Seen},
    stage::Stage,
    target::Target,
};

/// Items of a batch, jobs of a bulk action, and jobs of a conversion.
const MAX_ITEMS: usize = 1000;
/// A thousand of these are just below the limit of a batch, 8 MiB.
const BODY_BYTES: usize = 7500;
/// Of each of the thousand lines of a source: together just below the limit, 4 MiB.
const LINE_BYTES: usize = 4000;
/// An account may have this many at a time.
const MAX_STREAMS: usize = 16;
/// Longer than it takes to ask for all.
const STREAM_SECONDS: u32 = 25;
const STREAMS: usize = 120;
/// Fewer than a workspace may have rules.
const TAGS: usize = 10;
/// Tests that a workspace may ask for in a minute.
const TESTS: usize = 10;

/// Sends `count` requests, 16 at a time, with the tokens of these workspaces in turn. An attack that the API refuses shows nothing, so it must
/// accept a tenth of them.
async fn attack(
    stage: &Stage,
    measure: Measure,
    workspaces: &[&Workspace],
    count: usize,
    request: impl Fn(usize) -> Request,
    targets: &[&Target],
) -> anyhow::Result<Seen> {
    let client = |number: usize| {
        let (round, at) = (number / workspaces.len(), number % workspaces.len());
        let tokens = &workspaces[at].tokens;
        Client::new(stage.api).with_token(&tokens[round % tokens.len()])
    };
    let mut accepted = 0;
    let attack = async {
        let to_send = |number| (client(number), request(number));
        let statuses = send_each(count, stage.scale.attack, to_send).await;
        println!("  responses by status: {:?}", statuses.0);
        accepted = statuses.accepted();
        Ok(())
    };
    let seen = stage.under(measure, attack, targets).await?;
    Ok(seen.rule(accepted * 10 >= count, format!("{accepted} of {count} requests were accepted")))
}

fn job(number: usize, cron: &str, body: &str) -> Value {
    json!({ "name": format!("job {number}"), "kind": "cron", "schedule": { "cron": cron },
        "request": { "url": "https://example.com/", "method": "POST", "body": body } })
}

fn batch(cron: &str, body: &str) -> Value {
    json!({ "items": (0..MAX_ITEMS).map(|number| job(number, cron, body)).collect::<Vec<_>>() })
}

pub async fn large_batches(stage: &Stage) -> anyhow::Result<Seen> {
    let batch = batch("@yearly", &"x".repeat(BODY_BYTES));
    let request = |_| Request::new(Method::POST, "/v1/jobs/batch").json(&batch);
    attack(stage, Measure::Api, &stage.neighbours(), stage.scale.of(40, 8), request, &[]).await
}

pub async fn conversions(stage: &Stage) -> anyhow::Result<Seen> {
    let token = "x".repeat(LINE_BYTES - 100);
    let line =
        format!("*/5 * * * * curl -fsS -m 60 -H 'Authorization: Bearer {token}' https://example.com/\n");
    let convert = json!({ "source": line.repeat(MAX_ITEMS) });
    let request = |_| Request::new(Method::POST, "/v1/jobs/convert").json(&convert);
    attack(stage, Measure::Api, &stage.neighbours(), stage.scale.of(100, 16), request, &[]).await
}

/// Jobs that fire each minute of a month to come: they are counted by a forecast, and do not run.
pub async fn forecasts(stage: &Stage) -> anyhow::Result<Seen> {
    let greedy = stage.greedy();
    let at = stage.clock.now() + TimeDelta::days(60);
    let cron = format!("* * * {} *", at.format("%-m"));
    for _ in 0..stage.scale.of(10, 2) {
        greedy.post("/v1/jobs/batch", &batch(&cron, "")).await?;
    }
    let (from, to) = (at.format("%Y-%m-01T00:00:00Z"), at.format("%Y-%m-08T00:00:00Z"));
    let paths = [
        format!("/v1/forecast?from={from}&to={to}&step=60"),
        format!("/v1/upcoming?to={to}&limit=250"),
        "/v1/stats".to_owned(),
    ];
    let request = |number: usize| Request::new(Method::GET, &paths[number % paths.len()]);
    attack(stage, Measure::Api, &[greedy], stage.scale.of(300, 24), request, &[]).await
}

/// Each of ten tags has a rule, and is added to the jobs and removed from them in turn.
pub async fn bulk_changes(stage: &Stage) -> anyhow::Result<Seen> {
    let greedy = stage.greedy();
    for _ in 0..stage.scale.of(5, 1) {
        greedy.post("/v1/jobs/batch", &batch("@yearly", "")).await?;
    }
    let channel =
        json!({ "name": "all", "type": "webhook", "config": { "url": "https://example.com/notify" } });
    let channel = greedy.post("/v1/notification-channels", &channel).await?;
    let tag = |number: usize| format!("t{}", number % TAGS);
    for number in 0..TAGS {
        let rule = json!({ "channel_id": channel["id"], "event": "on_failure", "selector": "tag", "value": tag(number) });
        greedy.post("/v1/notification-rules", &rule).await?;
    }
    let request = |number: usize| {
        let action = if (number / TAGS).is_multiple_of(2) { "add_tags" } else { "remove_tags" };
        let change = json!({ "action": action, "tags": [tag(number)], "filter": { "state": "active" } });
        Request::new(Method::POST, "/v1/jobs/bulk").json(&change)
    };
    attack(stage, Measure::Api, &[greedy], stage.scale.of(200, 12), request, &[]).await
}

pub async fn event_streams(stage: &Stage) -> anyhow::Result<Seen> {
    let mut open = 0;
    let attack = async {
        let workspaces = stage.greedy.workspaces.iter();
        let tokens = workspaces.flat_map(|workspace| &workspace.tokens).cycle().take(STREAMS);
        let streams = tokens.map(async |token| {
            let client = Client::new(stage.api).with_token(token);
            client.get(&format!("/v1/stream?seconds={STREAM_SECONDS}")).await
        });
        let mut statuses = Statuses::default();
        for response in join_all(streams).await {
            let status = response.map_or(0, |response| response.status.as_u16());
            *statuses.0.entry(status).or_default() += 1;
        }
        println!("  responses by status: {:?}", statuses.0);
        open = statuses.count(200);
        Ok(())
    };
    let seen = stage.under(Measure::Api, attack, &[]).await?;
    Ok(seen.rule((1..=MAX_STREAMS).contains(&open), format!("{open} streams at a time")))
}

pub async fn request_tests(stage: &Stage) -> anyhow::Result<Seen> {
    let target = stage.target().await?;
    let test = json!({ "request": { "url": target.url("/hang"), "timeout_seconds": 300 } });
    let workspaces: Vec<&Workspace> = stage.greedy.workspaces.iter().collect();
    let request = |_| Request::new(Method::POST, "/v1/tests").json(&test);
    attack(stage, Measure::Runs, &workspaces, workspaces.len() * TESTS, request, &[&target]).await
}
