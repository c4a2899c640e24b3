//! Users who create, change, pause and delete jobs all the while, and remember what they were told.

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
use uuid::Uuid;

use crate::{
    http::{ApiRequest, Reply, call, hang_up},
    load::{Kind, Load},
    time::Clock,
};

/// A change of a job that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub asked: Duration,
    pub answered: Duration,
    pub told: Told,
}

/// What its user knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// No good answer came: until `answered` it may come into force, or not.
    InDoubt,
    /// Acknowledged: the job fires from now on, or does not.
    Fires(bool),
}

/// What the users saw.
#[derive(Default)]
pub struct Seen {
    pub calls: usize,
    pub statuses: HashMap<u16, usize>,
    /// Answers that no user should get, and answers that were too long in coming.
    pub bad: Vec<String>,
    /// Requests to which nothing was answered at all.
    pub unanswered: Vec<String>,
    pub slowest: Duration,
    /// Jobs whose creation was acknowledged.
    pub created: Vec<Uuid>,
    /// Jobs whose deletion was asked for, whatever was answered.
    pub deleted: Vec<Uuid>,
    /// Executions that were asked for and acknowledged, with their jobs.
    pub asked_for: Vec<(Uuid, Uuid)>,
    /// Keys under which runs of a job were asked for, each up to three times.
    pub keys: HashMap<Uuid, usize>,
    pub changes: HashMap<Uuid, Vec<Change>>,
    pub hung_up: usize,
}

/// Stops when it is dropped.
pub struct Clients {
    seen: Arc<Mutex<Seen>>,
    stop: CancellationToken,
    running: TaskTracker,
}

const NONE_OVER: Duration = Duration::from_secs(10);

struct User {
    apis: Vec<SocketAddr>,
    token: String,
    target: String,
    seen: Arc<Mutex<Seen>>,
    clock: Clock,
    random: fastrand::Rng,
    /// Own jobs that are not deleted.
    jobs: Vec<Uuid>,
    /// Jobs of the load that may be paused and resumed.
    churned: Vec<Uuid>,
    /// Those of them that are paused, as far as the user knows.
    paused: HashSet<Uuid>,
    churns_at: Duration,
    turn: usize,
    pause: Duration,
}

/// Between two changes of a churned job a user makes about so many other requests: most of its fires are to be known for certain.
const BETWEEN_CHURNS: u32 = 30;

impl Clients {
    /// A user of each tenant, who makes a request about every `pause`.
    pub fn start(
        apis: &[SocketAddr],
        load: &Load,
        target: &str,
        clock: Clock,
        seed: u64,
        pause: Duration,
    ) -> Self {
        let clients =
            Self { seen: Arc::default(), stop: CancellationToken::new(), running: TaskTracker::new() };
        for (index, tenant) in load.tenants.iter().enumerate() {
            let churned = load.of_kind(Kind::Churned).filter(|job| job.tenant == index).map(|job| job.id);
            let user = User {
                apis: apis.to_vec(),
                token: tenant.token.clone(),
                target: target.to_owned(),
                seen: clients.seen.clone(),
                clock,
                random: fastrand::Rng::with_seed(seed ^ (index as u64) << 32),
                jobs: Vec::new(),
                churned: churned.collect(),
                paused: HashSet::new(),
                churns_at: Duration::ZERO,
                turn: index,
                pause,
            };
            let using = user.use_it(clients.stop.clone());
            tasks::spawn("user", clients.running.track_future(using));
        }
        clients
    }

    /// Returns when the last request is answered, and what was seen.
    pub async fn stop(self) -> Seen {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
        std::mem::take(&mut *lock(&self.seen))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl User {
    async fn use_it(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.do_something().await;
            let pause = self.pause.mul_f64(0.5 + self.random.f64());
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    async fn do_something(&mut self) {
        if self.clock.elapsed() >= self.churns_at {
            self.churns_at = self.clock.elapsed() + self.pause * BETWEEN_CHURNS;
            return self.churn().await;
        }
        match self.random.u32(0..100) {
            0..36 => self.create().await,
            36..46 => self.rude().await,
            46..66 => self.patch().await,
            66..72 => self.change("pause").await,
            72..78 => self.change("resume").await,
            78..84 => self.run_now().await,
            84..89 => self.cancel().await,
            89..94 => self.delete().await,
            _ => self.read().await,
        }
    }

    fn one(&mut self) -> Option<Uuid> {
        (!self.jobs.is_empty()).then(|| self.jobs[self.random.usize(0..self.jobs.len())])
    }

    fn body(&mut self) -> Value {
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

    /// Asked again with the same key when no good answer came: that must not make two.
    async fn create(&mut self) {
        let (body, key) = (self.body(), format!("{:016x}", self.random.u64(..)));
        for _ in 0..3 {
            let reply = self.send(Method::POST, "/v1/jobs".into(), Some(&key), Some(body.clone())).await;
            match reply.status {
                Some(200 | 201) => {
                    if let Some(job) = id_of(&reply.body) {
                        lock(&self.seen).created.push(job);
                        self.jobs.push(job);
                    }
                    return;
                }
                None | Some(503) => tokio::time::sleep(Duration::from_millis(300)).await,
                // A run_at that has passed meanwhile.
                Some(_) => return,
            }
        }
    }

    /// Like [`User::create`]: one key, one run.
    async fn run_now(&mut self) {
        let Some(job) = self.one() else { return };
        *lock(&self.seen).keys.entry(job).or_default() += 1;
        let (path, key) =
            (format!("/v1/jobs/{}/run-now", JobId::from_uuid(job)), format!("{:016x}", self.random.u64(..)));
        for _ in 0..3 {
            let reply = self.send(Method::POST, path.clone(), Some(&key), None).await;
            if !matches!(reply.status, None | Some(503)) {
                let execution = reply.body["id"].as_str().and_then(|id| id.parse::<ExecutionId>().ok());
                lock(&self.seen).asked_for.extend(execution.map(|execution| (job, execution.uuid())));
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn rude(&mut self) {
        let (body, until) = (self.body(), self.random.usize(..));
        let api = self.api();
        lock(&self.seen).hung_up += 1;
        // Nobody at home is all that can go wrong.
        let _refused = hang_up(api, &self.token, "/v1/jobs", &body, until).await;
    }

    async fn churn(&mut self) {
        if self.churned.is_empty() {
            return;
        }
        let job = self.churned[self.random.usize(0..self.churned.len())];
        let what = if self.paused.insert(job) {
            "pause"
        } else {
            self.paused.remove(&job);
            "resume"
        };
        self.change_job(job, Method::POST, &format!("/{what}"), None).await;
    }

    async fn patch(&mut self) {
        let Some(job) = self.one() else { return };
        let patch = match self.random.u32(0..3) {
            0 => json!({ "name": "patched" }),
            1 => json!({ "request": { "timeout_seconds": self.random.u32(5..60) } }),
            _ => json!({ "kind": "cron", "schedule": { "cron": "*/2 * * * *" } }),
        };
        self.change_job(job, Method::PATCH, "", Some(patch)).await;
    }

    async fn change(&mut self, what: &str) {
        let Some(job) = self.one() else { return };
        self.change_job(job, Method::POST, &format!("/{what}"), None).await;
    }

    async fn delete(&mut self) {
        let Some(job) = self.one() else { return };
        self.jobs.retain(|own| *own != job);
        lock(&self.seen).deleted.push(job);
        self.change_job(job, Method::DELETE, "", None).await;
    }

    async fn cancel(&mut self) {
        let Some(job) = self.one() else { return };
        let reply = self
            .send(Method::GET, format!("/v1/jobs/{}/executions?limit=1", JobId::from_uuid(job)), None, None)
            .await;
        if let Some(execution) = reply.body["data"][0]["id"].as_str() {
            self.send(Method::POST, format!("/v1/executions/{execution}/cancel"), None, None).await;
        }
    }

    async fn read(&mut self) {
        let path = match self.one() {
            Some(job) if self.random.bool() => format!("/v1/jobs/{}/ledger", JobId::from_uuid(job)),
            Some(job) => format!("/v1/jobs/{}", JobId::from_uuid(job)),
            None => "/v1/executions".to_owned(),
        };
        self.send(Method::GET, path, None, None).await;
    }

    async fn change_job(&mut self, job: Uuid, method: Method, path: &str, body: Option<Value>) {
        let asked = self.clock.elapsed();
        let reply = self.send(method, format!("/v1/jobs/{}{path}", JobId::from_uuid(job)), None, body).await;
        let answered = self.clock.elapsed();
        let change = match (reply.status, path) {
            // It may still be under way.
            (None | Some(503), _) => {
                Some(Change { asked, answered: answered + NONE_OVER, told: Told::InDoubt })
            }
            (Some(200), "/pause") => Some(Change { asked, answered, told: Told::Fires(false) }),
            (Some(200), "/resume") => Some(Change { asked, answered, told: Told::Fires(true) }),
            // When it came into force stands in the job's history, if it changed anything.
            _ => None,
        };
        lock(&self.seen).changes.entry(job).or_default().extend(change);
    }

    fn api(&mut self) -> SocketAddr {
        self.turn += 1;
        self.apis[self.turn % self.apis.len()]
    }

    async fn send(&mut self, method: Method, path: String, key: Option<&str>, body: Option<Value>) -> Reply {
        let api = self.api();
        let what = format!("{method} {path}");
        let reply = call(api, ApiRequest { method, path, token: &self.token, key, body }).await;
        note(&mut lock(&self.seen), &what, &reply);
        reply
    }
}

/// Counts an answer, and keeps it when it is one that nobody should get.
pub fn note(seen: &mut Seen, what: &str, reply: &Reply) {
    seen.calls += 1;
    seen.slowest = seen.slowest.max(reply.took);
    if let Some(status) = reply.status {
        *seen.statuses.entry(status).or_default() += 1;
        if !matches!(status, 200..=299 | 400..=499 | 503) {
            seen.bad.push(format!("{what} was answered {status}: {}", reply.body));
        }
    } else {
        seen.unanswered.push(what.to_owned());
    }
    if reply.took > NONE_OVER {
        seen.bad.push(format!("{what} took {:.1} s", reply.took.as_secs_f64()));
    }
}

pub fn id_of(job: &Value) -> Option<Uuid> {
    job["id"].as_str()?.parse::<JobId>().ok().map(JobId::uuid)
}
