//! The tenants that must not notice anything: each asks for four runs a second, two pages a second, and has a job that fires each minute.

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trigrun_core::runtime::tasks;
use trigrun_testkit::{client::Response, due, stats::Samples};

use super::{
    accounts::{Account, Workspace, text},
    target::Target,
};
use crate::clock::Clock;

const RUN_INTERVAL: Duration = Duration::from_millis(250);
/// Of the requests for a run, each so many is for the job with a notification.
const NOTIFIED_EACH: u32 = 4;
/// Of the requests for a run, each so many comes with one for a page.
const PAGE_EACH: u32 = 2;
/// A victim waits this long for the API. A refused request counts as one that took this long.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_RUN_TIMEOUT: Duration = Duration::from_secs(60);
/// Accounts that try to be the neighbour: each has 20 workspaces, so that all miss one of 16 shards once in ten million.
const MAX_NEIGHBOURS: usize = 12;

#[derive(Clone, Debug)]
pub struct Victim {
    pub workspace: Workspace,
    job: String,
    notified_job: String,
    pub cron_job: String,
}

/// A neighbour in this shard, and a tenant in another one.
pub async fn settle(api: SocketAddr, shard: i16, target: &Target, host: &str) -> anyhow::Result<[Victim; 2]> {
    let mut neighbour = None;
    for number in 0..MAX_NEIGHBOURS {
        let account = Account::sign_up(api, &format!("neighbour-{number}")).await?;
        neighbour = account.workspace_where(|it| it == shard).await?;
        if neighbour.is_some() {
            break;
        }
    }
    let other = Account::sign_up(api, "other").await?.workspace_where(|it| it != shard).await?;
    let workspaces = neighbour.zip(other).context("workspaces are not spread over the shards")?;
    Ok([Victim::new(workspaces.0, target, host).await?, Victim::new(workspaces.1, target, host).await?])
}

impl Victim {
    /// `host` leads to the target, which gets one request per connection, so that each run connects anew.
    async fn new(workspace: Workspace, target: &Target, host: &str) -> anyhow::Result<Self> {
        let url = target.url_of(host, "/last");
        let job = workspace.job(json!({ "url": url })).await?;
        let notified_job = workspace.job(json!({ "url": url })).await?;
        let cron_job = workspace.cron(&url).await?;
        let channel = json!({ "name": "notified", "type": "webhook",
            "config": { "url": target.url_of(host, "/notify") } });
        let channel = workspace.post("/v1/notification-channels", &channel).await?;
        let rule = json!({ "channel_id": channel["id"], "event": "on_success" });
        workspace.post(&format!("/v1/jobs/{notified_job}/notification-rules"), &rule).await?;
        let victim = Self { workspace, job, notified_job, cron_job };
        // The first run opens connections and reads keys, which none of those that are measured has to do.
        let run =
            victim.workspace.post(&format!("/v1/jobs/{}/run-now", victim.notified_job), &json!({})).await;
        let run = text(&run?["id"])?;
        let notified = async || target.notified(&run).is_some();
        due::until("the first run is notified", FIRST_RUN_TIMEOUT, notified).await?;
        Ok(victim)
    }
}

/// A run that a victim asked for.
#[derive(Clone, Debug)]
struct Asked {
    /// `None` if the API did not accept it.
    execution: Option<String>,
    at: DateTime<Utc>,
    is_notified: bool,
}

#[derive(Default)]
struct Requests {
    asked: Vec<Asked>,
    latencies_ms: Vec<f64>,
    refused: Vec<String>,
}

/// The requests of all victims, from its start until [`Load::stop`].
pub struct Load {
    requests: Arc<Mutex<Requests>>,
    began: DateTime<Utc>,
    stop: CancellationToken,
    victims: Vec<JoinHandle<()>>,
}

/// What the victims asked for in a time.
pub struct Log {
    requests: Requests,
    began: DateTime<Utc>,
    ended: DateTime<Utc>,
}

/// In milliseconds.
pub struct Measured {
    /// From the scheduled time to the arrival at the target; of a run that has not arrived, its age.
    pub runs: Samples,
    /// From the arrival of a run to that of its notification; of one that has not arrived, its age.
    pub notifications: Samples,
    /// Of each response of the API.
    pub api: Samples,
    pub refused: Vec<String>,
}

impl Load {
    pub fn start(clock: Clock, victims: &[Victim]) -> Self {
        let (requests, stop) = (Arc::<Mutex<Requests>>::default(), CancellationToken::new());
        let loads = victims.iter().map(|victim| {
            let load = load(clock, victim.clone(), Arc::clone(&requests), stop.clone());
            tasks::spawn("victim", load)
        });
        Self { victims: loads.collect(), requests, began: clock.now(), stop }
    }

    /// Stops asking, and waits for the responses.
    pub async fn stop(self, clock: Clock) -> anyhow::Result<Log> {
        let ended = clock.now();
        self.stop.cancel();
        for victim in self.victims {
            victim.await?;
        }
        let requests = std::mem::take(&mut *lock(&self.requests));
        Ok(Log { requests, began: self.began, ended })
    }
}

fn lock(requests: &Mutex<Requests>) -> MutexGuard<'_, Requests> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps its pace however slow the responses are.
async fn load(clock: Clock, victim: Victim, requests: Arc<Mutex<Requests>>, stop: CancellationToken) {
    let mut pace = tokio::time::interval(RUN_INTERVAL);
    let mut sent = Vec::new();
    for number in 0u32.. {
        if stop.run_until_cancelled(pace.tick()).await.is_none() {
            break;
        }
        let is_notified = number % NOTIFIED_EACH == 0;
        let job = if is_notified { &victim.notified_job } else { &victim.job };
        let (client, path) = (victim.workspace.client(), format!("/v1/jobs/{job}/run-now"));
        let (client, kept) = (client.with_timeout(RESPONSE_TIMEOUT), Arc::clone(&requests));
        if number % PAGE_EACH == 0 {
            let (client, kept) = (client.clone(), Arc::clone(&requests));
            sent.push(tasks::spawn("victim's page", async move {
                let (began, at) = (Instant::now(), clock.now());
                keep(&kept, began, at, client.get("/v1/executions?limit=10").await);
            }));
        }
        sent.push(tasks::spawn("victim's run", async move {
            let (began, at) = (Instant::now(), clock.now());
            let response = keep(&kept, began, at, client.post(&path, &json!({})).await);
            let id = response.and_then(|response| text(&response.json().ok()?["id"]).ok());
            lock(&kept).asked.push(Asked { execution: id, at, is_notified });
        }));
        sent.retain(|request| !request.is_finished());
    }
    for request in sent {
        // It has a deadline; a panic has been logged.
        let _panicked = request.await;
    }
}

/// Keeps how long the response took; `None` if the request was refused.
fn keep(
    requests: &Mutex<Requests>,
    began: Instant,
    at: DateTime<Utc>,
    response: anyhow::Result<Response>,
) -> Option<Response> {
    let took = began.elapsed();
    let refused = match response {
        Ok(response) if response.status.is_success() => {
            lock(requests).latencies_ms.push(took.as_secs_f64() * 1000.0);
            return Some(response);
        }
        Ok(response) => format!("{} {}", response.status, response.text()),
        Err(error) => format!("{error:#}"),
    };
    let mut requests = lock(requests);
    requests.latencies_ms.push(RESPONSE_TIMEOUT.as_secs_f64() * 1000.0);
    requests.refused.push(format!("{at}: {refused}"));
    None
}

impl Log {
    /// Whether every run that was accepted has arrived, and every notification.
    pub fn has_arrived(&self, target: &Target) -> bool {
        let arrivals = target.arrivals();
        let arrived: HashSet<&str> = arrivals.iter().map(|arrival| arrival.execution.as_str()).collect();
        self.requests.asked.iter().all(|run| match &run.execution {
            Some(id) => arrived.contains(id.as_str()) && (!run.is_notified || target.notified(id).is_some()),
            None => true,
        })
    }

    pub fn measure(self, target: &Target, now: DateTime<Utc>) -> Measured {
        let arrivals = target.arrivals();
        let mut first = HashMap::new();
        for arrival in &arrivals {
            first.entry(arrival.execution.as_str()).or_insert(arrival);
        }
        let (mut runs, mut notifications) = (Vec::new(), Vec::new());
        for run in &self.requests.asked {
            let Some(id) = &run.execution else { continue };
            let arrived = first.remove(id.as_str());
            runs.push(arrived.map_or(ms(now - run.at), |arrival| ms(arrival.at - arrival.scheduled_for)));
            if let (true, Some(arrival)) = (run.is_notified, arrived) {
                notifications.push(ms(target.notified(id).unwrap_or(now) - arrival.at));
            }
        }
        // What is left are fires of the schedule.
        let fires = first.into_values().filter(|fire| (self.began..self.ended).contains(&fire.scheduled_for));
        runs.extend(fires.map(|fire| ms(fire.at - fire.scheduled_for)));
        Measured {
            runs: runs.into_iter().collect(),
            notifications: notifications.into_iter().collect(),
            api: self.requests.latencies_ms.into_iter().collect(),
            refused: self.requests.refused,
        }
    }
}

/// A run may arrive before its scheduled time has been read; that is not late.
fn ms(time: chrono::TimeDelta) -> f64 {
    (time.num_microseconds().unwrap_or(i64::MAX) as f64 / 1000.0).max(0.0)
}
