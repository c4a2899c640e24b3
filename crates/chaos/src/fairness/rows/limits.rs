//! Attacks on limits: ways around a rate limit, a quota, a number of workspaces, and a loop through our own API.

use anyhow::{Context, ensure};
use chrono::{SecondsFormat, TimeDelta};
use hyper::Method;
use serde_json::json;
use std::time::Duration;
use trigrun_testkit::client::{Client, Request};

use super::super::{
    accounts::{Account, MAX_WORKSPACES, expect, flood, text},
    seen::{Measure, Seen},
    stage::{SMALL_PLAN_EXECUTIONS, Stage},
};

const SESSION_REQUESTS: usize = 3000;
const MOVES: usize = 40;
const MOVE_INTERVAL: Duration = Duration::from_millis(250);
/// An accomplice may own 20 workspaces, too.
const HANDED_OVER_TO_ONE: usize = 10;
/// Of a chain of runs that cause each other, three are allowed; some more are not a loop without end.
const MAX_CHAIN: i64 = 10;

/// The limits are those of a token: 200 at once, then 50 a second. The API answers more than that, also a debug build.
pub async fn session_operations(stage: &Stage) -> anyhow::Result<Seen> {
    let account = stage.account().await?;
    let mut limited = 0;
    let attack = async {
        let request = |_| Request::new(Method::GET, "/v1/workspaces");
        let clients = vec![account.client(); 4];
        let statuses = flood(&clients, SESSION_REQUESTS, stage.scale.attack, request).await;
        println!("  responses by status: {:?}", statuses.0);
        limited = statuses.count(429);
        Ok(())
    };
    let seen = stage.under(Measure::Api, attack, &[]).await?;
    Ok(seen.rule(limited > 0, format!("{limited} requests were limited")))
}

pub async fn moved_jobs(stage: &Stage) -> anyhow::Result<Seen> {
    let (target, account) = (stage.target().await?, stage.account().await?);
    let workspace = &account.workspaces[0];
    let plan = "update workspaces set plan = 'small' where id = $1";
    stage.sql.execute(plan, &[&stage.uuid(workspace)?]).await?;
    let soon = || {
        let at = stage.clock.now() + TimeDelta::seconds(1);
        json!({ "run_at": at.to_rfc3339_opts(SecondsFormat::Millis, true) })
    };
    let job = json!({ "name": "moved", "kind": "scheduled", "schedule": soon(),
        "request": { "url": target.url("/") } });
    let job = text(&workspace.post("/v1/jobs", &job).await?["id"])?;
    let mut statuses = Vec::new();
    let mut pace = tokio::time::interval(MOVE_INTERVAL);
    let began = stage.clock.now();
    let attack = async {
        for _ in 0..MOVES {
            pace.tick().await;
            let patch = Request::new(Method::PATCH, format!("/v1/jobs/{job}"));
            let patch = patch.json(&json!({ "schedule": soon() }));
            statuses.push(workspace.client().send(patch).await?.status.as_u16());
        }
        Ok(())
    };
    let seen = stage.under(Measure::Api, attack, &[]).await?;
    let passed = statuses.iter().filter(|status| **status == 200).count() as i64;
    let limited = statuses.iter().filter(|status| **status == 429).count();
    ensure!(passed as usize + limited == MOVES, "other responses than 200 and 429: {statuses:?}");
    let quota: i64 = SMALL_PLAN_EXECUTIONS.parse()?;
    // What the quota has regained since then.
    let regained = (stage.clock.now() - began).num_seconds() * quota / 60 + 1;
    let text = format!("{passed} of {MOVES} moves passed under a quota of {quota} a minute");
    Ok(seen.rule((1..=quota + regained).contains(&passed), text))
}

pub async fn handed_over_workspaces(stage: &Stage) -> anyhow::Result<Seen> {
    let founder = stage.account().await?;
    let mut made = founder.workspaces.len();
    let attack = async {
        let mut accomplice = stage.account().await?;
        for number in 0..MAX_WORKSPACES + 5 {
            let name = json!({ "name": format!("handed over {number}") });
            let response = founder.client().post("/v1/workspaces", &name).await?;
            if response.status == 409 {
                break;
            }
            let workspace = text(&expect(201, response)?["id"])?;
            made += 1;
            if number % HANDED_OVER_TO_ONE == HANDED_OVER_TO_ONE - 1 {
                accomplice = stage.account().await?;
            }
            hand_over(&founder, &accomplice, &workspace).await?;
        }
        Ok(())
    };
    let seen = stage.under(Measure::Api, attack, &[]).await?;
    Ok(seen.rule(made <= MAX_WORKSPACES, format!("one person made {made} workspaces")))
}

async fn hand_over(founder: &Account, accomplice: &Account, workspace: &str) -> anyhow::Result<()> {
    let invite = Request::new(Method::POST, "/v1/members").header("trigrun-workspace", workspace);
    let invite = invite.json(&json!({ "email": accomplice.email, "role": "owner" }));
    let invitation = expect(201, founder.client().send(invite).await?)?;
    let accept = json!({ "invitation": invitation["invitation"] });
    expect(200, accomplice.client().post("/v1/invitations/accept", &accept).await?)?;
    let leave = Request::new(Method::DELETE, format!("/v1/members/{}", founder.user));
    let left = founder.client().send(leave.header("trigrun-workspace", workspace)).await?;
    expect(204, left).map(drop)
}

pub async fn own_api_loop(stage: &Stage) -> anyhow::Result<Seen> {
    let account = stage.account().await?;
    let workspace = &account.workspaces[0];
    let job = workspace.job(json!({ "url": "https://example.com/" })).await?;
    let path = format!("/v1/jobs/{job}");
    let request = json!({ "url": format!("http://{}{path}/run-now", stage.api), "method": "POST",
        "headers": { "Authorization": format!("Bearer {}", workspace.tokens[0]) } });
    let patch = Request::new(Method::PATCH, &path).json(&json!({ "request": request }));
    expect(200, workspace.client().send(patch).await?)?;
    let id = stage.uuid(workspace)?;
    let mut runs = 0;
    let attack = async {
        workspace.post(&format!("{path}/run-now"), &json!({})).await?;
        tokio::time::sleep(stage.scale.window).await;
        let count = "select count(*) from all_executions where workspace_id = $1";
        runs = stage.sql.query_one(count, &[&id]).await?.get(0);
        let client = Client::new(stage.api).with_token(&workspace.tokens[0]);
        // The loop ends with its job.
        let deleted = client.send(Request::new(Method::DELETE, &path)).await;
        deleted.context("the job cannot be deleted").map(drop)
    };
    let seen = stage.under(Measure::Runs, attack, &[]).await?;
    Ok(seen.rule(runs <= MAX_CHAIN, format!("one run led to {runs}")))
}
