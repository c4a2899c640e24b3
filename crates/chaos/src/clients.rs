//! Simulated users, who create, change, pause and delete jobs all the time and record every response.

use hyper::Method;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trigrun_core::{
    domain::id::{ExecutionId, JobId},
    runtime::tasks,
};
use trigrun_testkit::client::Request;
use uuid::Uuid;

use crate::{
    api::{Reply, call, disconnect},
    clock::Clock,
    load::{Kind, Load},
};

/// A requested change of a job.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub requested: Duration,
    pub responded: Duration,
    pub effect: Effect,
}

/// What the client knows of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// No response, or a 503: the change may come into force until `responded`, or not at all.
    InDoubt,
    /// Acknowledged: the job fires from now on, or does not.
    Active(bool),
}

/// Everything that the clients recorded.
#[derive(Default)]
pub struct ClientLog {
    pub requests: usize,
    /// Responses that no client should get, and responses that took too long.
    pub bad: Vec<String>,
    /// Requests without a response.
    pub unanswered: Vec<String>,
    pub slowest: Duration,
    /// Jobs whose creation was acknowledged.
    pub created: Vec<Uuid>,
    /// Jobs whose deletion was requested, whatever the response.
    pub deleted: Vec<Uuid>,
    /// Acknowledged runs: job and execution.
    pub runs: Vec<(Uuid, Uuid)>,
    /// Idempotency keys used for runs of a job, each up to three times.
    pub keys: HashMap<Uuid, usize>,
    pub changes: HashMap<Uuid, Vec<Change>>,
    pub disconnects: usize,
}

/// Stops when it is dropped.
pub struct Clients {
    log: Arc<Mutex<ClientLog>>,
    stop: CancellationToken,
    running: TaskTracker,
}

const MAX_RESPONSE_TIME: Duration = Duration::from_secs(10);
const RETRY_INTERVAL: Duration = Duration::from_millis(300);
const MAX_ATTEMPTS: usize = 3;
/// Requests of a client between two changes of a toggled job: the outcome of most of its fires must be certain.
const REQUESTS_PER_TOGGLE: u32 = 30;

struct User {
    apis: Vec<SocketAddr>,
    token: String,
    target: String,
    log: Arc<Mutex<ClientLog>>,
    clock: Clock,
    random: fastrand::Rng,
    /// Jobs created by this user and not deleted.
    jobs: Vec<Uuid>,
    /// Jobs of the load that may be paused and resumed.
    toggled: Vec<Uuid>,
    /// Those of them that are paused, as far as the user knows.
    paused: HashSet<Uuid>,
    next_toggle: Duration,
    next_api: usize,
    pause: Duration,
}

impl Clients {
    /// Starts a user in each tenant, who sends a request about every `pause`.
    pub fn start(
        apis: &[SocketAddr],
        load: &Load,
        target: &str,
        clock: Clock,
        seed: u64,
        pause: Duration,
    ) -> Self {
        let clients =
            Self { log: Arc::default(), stop: CancellationToken::new(), running: TaskTracker::new() };
        for (index, tenant) in load.tenants.iter().enumerate() {
            let toggled = load.of_kind(Kind::Toggled).filter(|job| job.tenant == index).map(|job| job.id);
            let user = User {
                apis: apis.to_vec(),
                token: tenant.token.clone(),
                target: target.to_owned(),
                log: clients.log.clone(),
                clock,
                random: fastrand::Rng::with_seed(seed ^ (index as u64) << 32),
                jobs: Vec::new(),
                toggled: toggled.collect(),
                paused: HashSet::new(),
                next_toggle: Duration::ZERO,
                next_api: index,
                pause,
            };
            let running = user.run(clients.stop.clone());
            tasks::spawn("user", clients.running.track_future(running));
        }
        clients
    }

    /// Waits for the last responses.
    pub async fn stop(self) -> ClientLog {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
        std::mem::take(&mut *lock(&self.log))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn lock(log: &Mutex<ClientLog>) -> MutexGuard<'_, ClientLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl User {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.act().await;
            let pause = self.pause.mul_f64(0.5 + self.random.f64());
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    async fn act(&mut self) {
        if self.clock.elapsed() >= self.next_toggle {
            self.next_toggle = self.clock.elapsed() + self.pause * REQUESTS_PER_TOGGLE;
            return self.toggle().await;
        }
        match self.random.u32(0..100) {
            0..36 => self.create().await,
            36..46 => self.disconnect().await,
            46..66 => self.patch().await,
            66..72 => self.change("pause").await,
            72..78 => self.change("resume").await,
            78..84 => self.run_now().await,
            84..89 => self.cancel().await,
            89..94 => self.delete().await,
            _ => self.read().await,
        }
    }

    fn random_job(&mut self) -> Option<Uuid> {
        (!self.jobs.is_empty()).then(|| self.jobs[self.random.usize(0..self.jobs.len())])
    }

    fn new_job(&mut self) -> Value {
        let request = json!({ "url": self.target });
        let soon = (self.clock.now() + chrono::TimeDelta::milliseconds(self.random.i64(500..4000)))
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        match self.random.u32(0..4) {
            0 => json!({ "name": "once", "kind": "one_time", "request": request }),
            1 => {
                json!({ "name": "at", "kind": "scheduled", "schedule": { "run_at": soon }, "request": request })
            }
            2 => {
                json!({ "name": "cron", "kind": "cron", "schedule": { "cron": "* * * * *" }, "request": request })
            }
            _ => {
                json!({ "name": "every", "kind": "recurring", "schedule": { "every_n_minutes": 1 }, "request": request })
            }
        }
    }

    /// Repeats the request with the same key if it gets no response or a 503: that must not create two jobs.
    async fn create(&mut self) {
        let (body, key) = (self.new_job(), self.new_key());
        for _ in 0..MAX_ATTEMPTS {
            let reply = self.send(Method::POST, "/v1/jobs".into(), Some(&key), Some(body.clone())).await;
            match reply.status {
                Some(200 | 201) => {
                    if let Some(job) = job_id(&reply.body) {
                        lock(&self.log).created.push(job);
                        self.jobs.push(job);
                    }
                    return;
                }
                None | Some(503) => tokio::time::sleep(RETRY_INTERVAL).await,
                // For example, a run_at in the past by now.
                Some(_) => return,
            }
        }
    }

    /// Like [`User::create`]: one key, one run.
    async fn run_now(&mut self) {
        let Some(job) = self.random_job() else { return };
        *lock(&self.log).keys.entry(job).or_default() += 1;
        let (path, key) = (format!("/v1/jobs/{}/run-now", JobId::from_uuid(job)), self.new_key());
        for _ in 0..MAX_ATTEMPTS {
            let reply = self.send(Method::POST, path.clone(), Some(&key), None).await;
            if !matches!(reply.status, None | Some(503)) {
                let execution = reply.body["id"].as_str().and_then(|id| id.parse::<ExecutionId>().ok());
                lock(&self.log).runs.extend(execution.map(|execution| (job, execution.uuid())));
                return;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    fn new_key(&mut self) -> String {
        format!("{:016x}", self.random.u64(..))
    }

    /// Closes the connection at a random byte of a request.
    async fn disconnect(&mut self) {
        let (body, length) = (self.new_job(), self.random.usize(..));
        let api = self.api();
        lock(&self.log).disconnects += 1;
        // The only possible error is a refused connection.
        let _refused = disconnect(api, &self.token, "/v1/jobs", &body, length).await;
    }

    async fn toggle(&mut self) {
        if self.toggled.is_empty() {
            return;
        }
        let job = self.toggled[self.random.usize(0..self.toggled.len())];
        let action = if self.paused.insert(job) {
            "pause"
        } else {
            self.paused.remove(&job);
            "resume"
        };
        self.change_job(job, Method::POST, &format!("/{action}"), None).await;
    }

    async fn patch(&mut self) {
        let Some(job) = self.random_job() else { return };
        let patch = match self.random.u32(0..3) {
            0 => json!({ "name": "patched" }),
            1 => json!({ "request": { "timeout_seconds": self.random.u32(5..60) } }),
            _ => json!({ "kind": "cron", "schedule": { "cron": "*/2 * * * *" } }),
        };
        self.change_job(job, Method::PATCH, "", Some(patch)).await;
    }

    async fn change(&mut self, action: &str) {
        let Some(job) = self.random_job() else { return };
        self.change_job(job, Method::POST, &format!("/{action}"), None).await;
    }

    async fn delete(&mut self) {
        let Some(job) = self.random_job() else { return };
        self.jobs.retain(|own| *own != job);
        lock(&self.log).deleted.push(job);
        self.change_job(job, Method::DELETE, "", None).await;
    }

    async fn cancel(&mut self) {
        let Some(job) = self.random_job() else { return };
        let path = format!("/v1/jobs/{}/executions?limit=1", JobId::from_uuid(job));
        let reply = self.send(Method::GET, path, None, None).await;
        if let Some(execution) = reply.body["data"][0]["id"].as_str() {
            self.send(Method::POST, format!("/v1/executions/{execution}/cancel"), None, None).await;
        }
    }

    async fn read(&mut self) {
        let path = match self.random_job() {
            Some(job) if self.random.bool() => format!("/v1/jobs/{}/ledger", JobId::from_uuid(job)),
            Some(job) => format!("/v1/jobs/{}", JobId::from_uuid(job)),
            None => "/v1/executions".to_owned(),
        };
        self.send(Method::GET, path, None, None).await;
    }

    async fn change_job(&mut self, job: Uuid, method: Method, path: &str, body: Option<Value>) {
        let requested = self.clock.elapsed();
        let reply = self.send(method, format!("/v1/jobs/{}{path}", JobId::from_uuid(job)), None, body).await;
        let responded = self.clock.elapsed();
        let change = match (reply.status, path) {
            // It may still be in progress.
            (None | Some(503), _) => {
                Some(Change { requested, responded: responded + MAX_RESPONSE_TIME, effect: Effect::InDoubt })
            }
            (Some(200), "/pause") => Some(Change { requested, responded, effect: Effect::Active(false) }),
            (Some(200), "/resume") => Some(Change { requested, responded, effect: Effect::Active(true) }),
            // If it changed anything, the job's history says from when on.
            _ => None,
        };
        lock(&self.log).changes.entry(job).or_default().extend(change);
    }

    fn api(&mut self) -> SocketAddr {
        self.next_api += 1;
        self.apis[self.next_api % self.apis.len()]
    }

    async fn send(&mut self, method: Method, path: String, key: Option<&str>, body: Option<Value>) -> Reply {
        let api = self.api();
        let name = format!("{method} {path}");
        let mut request = Request::new(method, path);
        if let Some(key) = key {
            request = request.idempotency_key(key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = call(api, &self.token, request).await;
        lock(&self.log).add(&name, &reply);
        reply
    }
}

impl ClientLog {
    /// Counts a response, and keeps it if no client should get it.
    fn add(&mut self, request: &str, reply: &Reply) {
        self.requests += 1;
        self.slowest = self.slowest.max(reply.took);
        if let Some(status) = reply.status {
            if !matches!(status, 200..=299 | 400..=499 | 503) {
                self.bad.push(format!("{request} got {status}: {}", reply.body));
            }
        } else {
            self.unanswered.push(request.to_owned());
        }
        if reply.took > MAX_RESPONSE_TIME {
            self.bad.push(format!("{request} took {:.1} s", reply.took.as_secs_f64()));
        }
    }
}

pub fn job_id(job: &Value) -> Option<Uuid> {
    job["id"].as_str()?.parse::<JobId>().ok().map(JobId::uuid)
}
