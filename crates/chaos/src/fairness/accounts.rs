//! Ordinary accounts: they sign up, make workspaces, jobs and runs through the API, and nothing else.

use anyhow::{Context, bail, ensure};
use hyper::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use trigrun_core::domain::{id::WorkspaceId, workspace::shard};
use trigrun_testkit::client::{Client, Request, Response};

const PASSWORD: &str = "correct horse battery";
/// A user may own this many.
pub const MAX_WORKSPACES: usize = 20;
/// With each, more than one of three has four workspaces in one shard.
const MAX_ACCOUNTS: usize = 30;
/// Tokens of a workspace: together they reach the limit of the workspace.
const TOKENS: usize = 4;
/// Requests of one attack that are sent at once.
const AT_ONCE: usize = 16;
/// After a refusal.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Clone, Debug)]
pub struct Account {
    pub api: SocketAddr,
    pub email: String,
    pub user: String,
    pub session: String,
    pub workspaces: Vec<Workspace>,
}

#[derive(Clone, Debug)]
pub struct Workspace {
    pub api: SocketAddr,
    pub id: String,
    pub shard: i16,
    pub tokens: Vec<String>,
}

/// What became of many requests: how many got each status; 0 is no response.
#[derive(Clone, Debug, Default)]
pub struct Statuses(pub BTreeMap<u16, usize>);

impl Statuses {
    pub fn accepted(&self) -> usize {
        self.0.iter().filter(|(status, _)| (200..300).contains(*status)).map(|(_, count)| count).sum()
    }

    pub fn count(&self, status: u16) -> usize {
        self.0.get(&status).copied().unwrap_or(0)
    }
}

impl Account {
    /// A new user with a workspace.
    pub async fn sign_up(api: SocketAddr, name: &str) -> anyhow::Result<Self> {
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "password": PASSWORD, "workspace_name": name });
        let created = expect(201, Client::new(api).post("/v1/auth/signup", &body).await?)?;
        let (session, user) = (text(&created["token"])?, text(&created["user"]["id"])?);
        let mut account = Self { api, email, user, session, workspaces: Vec::new() };
        account.enter(text(&created["workspace_id"])?).await?;
        Ok(account)
    }

    pub fn client(&self) -> Client {
        Client::new(self.api).with_token(&self.session)
    }

    /// A new user with all the workspaces that a user may have, and the shard in which at least `together` of them are.
    pub async fn crowded(api: SocketAddr, together: usize) -> anyhow::Result<(Self, i16)> {
        for number in 0..MAX_ACCOUNTS {
            let mut account = Self::sign_up(api, &format!("greedy-{number}")).await?;
            let mut created = Vec::new();
            let mut shards = BTreeMap::from([(account.workspaces[0].shard, 1)]);
            for _ in 1..MAX_WORKSPACES {
                let id = account.create().await?;
                *shards.entry(shard_of(&id)?).or_default() += 1;
                created.push(id);
            }
            let Some((shard, _)) = shards.into_iter().find(|(_, count)| *count >= together) else { continue };
            for id in created {
                account.enter(id).await?;
            }
            return Ok((account, shard));
        }
        bail!("workspaces are not spread over the shards by chance")
    }

    /// A workspace in a shard that has `wanted`, if this account may have enough of them to get one.
    pub async fn workspace_where(
        mut self,
        wanted: impl Fn(i16) -> bool,
    ) -> anyhow::Result<Option<Workspace>> {
        if !wanted(self.workspaces[0].shard) {
            for _ in 1..MAX_WORKSPACES {
                let id = self.create().await?;
                if wanted(shard_of(&id)?) {
                    self.workspaces.clear();
                    self.enter(id).await?;
                    break;
                }
            }
        }
        Ok(self.workspaces.pop().filter(|workspace| wanted(workspace.shard)))
    }

    async fn create(&self) -> anyhow::Result<String> {
        let body = json!({ "name": format!("one more of {}", self.email) });
        text(&expect(201, self.client().post("/v1/workspaces", &body).await?)?["id"])
    }

    /// Makes tokens for a workspace of this user.
    async fn enter(&mut self, id: String) -> anyhow::Result<()> {
        let mut tokens = Vec::new();
        for _ in 0..TOKENS {
            let token = Request::new(Method::POST, "/v1/tokens").json(&json!({ "name": "fairness" }));
            let token = token.header("trigrun-workspace", &id);
            tokens.push(text(&expect(201, self.client().send(token).await?)?["token"])?);
        }
        let shard = shard_of(&id)?;
        self.workspaces.push(Workspace { api: self.api, id, shard, tokens });
        Ok(())
    }

    pub fn in_shard(&self, shard: i16) -> Vec<&Workspace> {
        self.workspaces.iter().filter(|workspace| workspace.shard == shard).collect()
    }
}

fn shard_of(workspace: &str) -> anyhow::Result<i16> {
    Ok(shard(workspace.parse::<WorkspaceId>().ok().context("not the id of a workspace")?))
}

impl Workspace {
    pub fn client(&self) -> Client {
        Client::new(self.api).with_token(&self.tokens[0])
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let response = self.client().post(path, body).await?;
        ensure!(response.status.is_success(), "{path}: {} {}", response.status, response.text());
        response.json()
    }

    /// A job that fires each minute; returns its id.
    pub async fn cron(&self, url: &str) -> anyhow::Result<String> {
        let job = json!({ "name": "each minute", "kind": "cron", "schedule": { "cron": "* * * * *" },
            "request": { "url": url } });
        text(&self.post("/v1/jobs", &job).await?["id"])
    }

    /// A job that runs only when it is asked to; returns its id.
    pub async fn job(&self, request: Value) -> anyhow::Result<String> {
        let job = json!({ "name": "on request", "kind": "cron", "schedule": { "cron": "0 0 1 1 *" },
            "request": request });
        text(&self.post("/v1/jobs", &job).await?["id"])
    }
}

/// Asks for `runs` runs of each of these jobs, in turn, as fast as the limits allow, until all are accepted or the time is over.
pub async fn run_each(jobs: &[(&Workspace, String)], runs: usize, timeout: Duration) -> Statuses {
    let paths: Vec<String> = jobs.iter().map(|(_, job)| format!("/v1/jobs/{job}/run-now")).collect();
    let sender = |_| {
        async |number: usize| {
            let (at, round) = (number % jobs.len(), number / jobs.len());
            let workspace = jobs[at].0;
            let client = Client::new(workspace.api).with_token(&workspace.tokens[round % TOKENS]);
            client.send(Request::new(Method::POST, &paths[at])).await.ok()
        }
    };
    send_all(jobs.len() * runs, timeout, true, sender).await
}

/// Sends `count` requests, each with its client.
pub async fn send_each(
    count: usize,
    timeout: Duration,
    request: impl Fn(usize) -> (Client, Request),
) -> Statuses {
    let request = &request;
    let sender = |_| {
        async move |number: usize| {
            let (client, request) = request(number);
            client.send(request).await.ok()
        }
    };
    send_all(count, timeout, false, sender).await
}

/// Sends `count` requests over connections that are kept, for each of these clients in turn.
pub async fn flood(
    clients: &[Client],
    count: usize,
    timeout: Duration,
    request: impl Fn(usize) -> Request,
) -> Statuses {
    let request = &request;
    let sender = |at: usize| {
        let client = clients[at % clients.len()].clone();
        let connection = tokio::sync::Mutex::new(None);
        async move |number: usize| {
            let mut kept = connection.lock().await;
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => client.connect().await.ok()?,
            };
            let response = connection.send(request(number)).await.ok()?;
            *kept = Some(connection);
            Some(response)
        }
    };
    send_all(count, timeout, false, sender).await
}

/// Sends `count` requests, some at a time, each by the sender of its place. With `insist`, one that is refused is sent again until the time
/// is over.
async fn send_all<S: AsyncFn(usize) -> Option<Response>>(
    count: usize,
    timeout: Duration,
    insist: bool,
    sender: impl Fn(usize) -> S,
) -> Statuses {
    let (next, statuses) = (AtomicUsize::new(0), Mutex::new(Statuses::default()));
    let deadline = Instant::now() + timeout;
    let sending = (0..AT_ONCE).map(|at| {
        let (send, next, statuses) = (sender(at), &next, &statuses);
        async move {
            loop {
                let number = next.fetch_add(1, SeqCst);
                if number >= count {
                    return;
                }
                while Instant::now() < deadline {
                    let status = send(number).await.map_or(0, |response| response.status.as_u16());
                    *statuses.lock().unwrap_or_else(PoisonError::into_inner).0.entry(status).or_default() +=
                        1;
                    let is_done = (200..300).contains(&status) || !insist;
                    // Without a response, the API may have been killed and be on its way back.
                    if !is_done || status == 0 {
                        tokio::time::sleep(RETRY_INTERVAL).await;
                    }
                    if is_done {
                        break;
                    }
                }
            }
        }
    });
    futures_util::future::join_all(sending).await;
    statuses.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The body of a response with this status.
pub fn expect(status: u16, response: Response) -> anyhow::Result<Value> {
    ensure!(response.status == status, "expected {status}, got {} {}", response.status, response.text());
    response.json()
}

pub fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is not text"))
}
