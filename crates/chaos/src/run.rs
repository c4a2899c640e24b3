//! One run: servers, processes, load, users, recorder; and, when all has come to rest, the proof.

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use hyper::Method;
use nix::sys::signal::Signal;
use serde_json::json;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use trigrun_core::domain::id::JobId;
use trigrun_testkit::process::binary;

use crate::{
    clients::{Clients, Seen},
    cluster::{Cluster, Layout, Role},
    http::{ApiRequest, call},
    load::{Kind, Load, LoadJob, Plan},
    proof::{self, Evidence, Finding},
    record::Record,
    recorder::Recorder,
    servers::{ServerFaults, Servers},
    time::Clock,
    watcher::Watcher,
};

/// Terminal states are final: whoever changes one is written down.
const WRITE_DOWN: &str = "
    create table lab_changed_terminal (what text not null);
    create function lab_changed_terminal() returns trigger language plpgsql as $$
    begin
        insert into lab_changed_terminal values (tg_table_name || ' ' || old.id || ' was ' || old.status || ', became ' || new.status);
        return new;
    end $$;
    create trigger lab_changed_terminal before update on executions for each row
        when (old.finished_at is not null) execute function lab_changed_terminal();
    create trigger lab_changed_terminal before update on notifications for each row
        when (old.finished_at is not null) execute function lab_changed_terminal();";

/// What is special about a scenario.
#[derive(Clone)]
pub struct Setup {
    pub server_faults: ServerFaults,
    pub layout: Layout,
    pub plan: Plan,
    /// About this long between two requests of a user; one user per tenant.
    pub users: Option<Duration>,
    /// So many jobs tell a channel of their ends.
    pub rules: usize,
    /// All must be over this long after the last fire.
    pub drains_within: Duration,
    pub seed: u64,
    /// The defect that is played, if any.
    pub mutant: Option<String>,
}

impl Setup {
    pub fn new(seed: u64) -> Self {
        Self {
            server_faults: ServerFaults::default(),
            layout: Layout::default(),
            plan: Plan::default(),
            users: Some(Duration::from_millis(150)),
            rules: 8,
            drains_within: Duration::from_secs(60),
            seed,
            mutant: None,
        }
    }
}

pub struct Run {
    pub clock: Clock,
    pub servers: Servers,
    pub cluster: Cluster,
    pub recorder: Recorder,
    pub load: Load,
    pub random: fastrand::Rng,
    clients: Option<Clients>,
    watcher: Watcher,
    drains_within: Duration,
    /// What is played: the scenario, and the defect if there is one.
    play: String,
    dir: PathBuf,
    /// Executors that stand still, and until when.
    still: Vec<(usize, Instant)>,
    /// Whether any ever did.
    stood_still: bool,
}

impl Run {
    pub async fn begin(name: &str, setup: Setup) -> anyhow::Result<Self> {
        let clock = Clock::start();
        // One of its own for each defect: two may be played at once.
        let play = setup.mutant.as_ref().map_or_else(|| name.to_owned(), |mutant| format!("{name}-{mutant}"));
        let dir = PathBuf::from("target/run").join(&play);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let servers = Servers::start(setup.server_faults).await?;
        let migrated = tokio::process::Command::new(binary("api"))
            .arg("migrate")
            .env("TRIGRUN__POSTGRES__URL", servers.postgres_url())
            .output()
            .await?;
        ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        servers.sql().await?.batch_execute(WRITE_DOWN).await?;
        let recorder = Recorder::start(&dir.join("recorder.log"), clock).await?;
        let (postgres, redis) = (servers.postgres_settings(), servers.redis_settings());
        let cluster = Cluster::start(setup.layout, postgres.clone(), redis, &dir.join("logs")).await?;
        let load = Load::make(setup.plan, &postgres, &recorder).await?;
        let watcher = Watcher::start(servers.postgres_url());
        let mut run = Self {
            clock,
            servers,
            cluster,
            recorder,
            load,
            random: fastrand::Rng::with_seed(setup.seed),
            clients: None,
            watcher,
            drains_within: setup.drains_within,
            play,
            dir,
            still: Vec::new(),
            stood_still: false,
        };
        run.make_rules(setup.rules).await?;
        run.clients = setup.users.map(|pause| {
            let target = run.recorder.url("/fast");
            Clients::start(&run.cluster.apis(), &run.load, &target, clock, setup.seed, pause)
        });
        Ok(run)
    }

    /// Waits until the load runs, and takes its level.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        ensure!(self.recorder.more_than(20, Duration::from_secs(30)).await, "the load does not run");
        self.pass(Duration::from_secs(3)).await;
        self.take_level();
        Ok(())
    }

    /// What the processes hold now is what they must come back to.
    pub fn take_level(&mut self) {
        self.watcher.level(&self.cluster);
    }

    /// The run's time goes on.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub fn say(&self, what: &str) {
        println!("[{} {:6.1} s] {what}", self.play, self.clock.elapsed().as_secs_f64());
    }

    /// Jobs that fail tell a webhook of each failure, others of each success.
    async fn make_rules(&self, count: usize) -> anyhow::Result<()> {
        let api = self.cluster.apis()[0];
        for (index, tenant) in self.load.tenants.iter().enumerate() {
            let mine: Vec<&LoadJob> = self.load.jobs.iter().filter(|job| job.tenant == index).collect();
            let wanted =
                mine.iter().filter(|job| matches!(job.kind, Kind::Failing | Kind::Fast | Kind::OneAtATime));
            let wanted: Vec<_> = wanted.take(count.div_ceil(self.load.tenants.len())).collect();
            if count == 0 || wanted.is_empty() {
                continue;
            }
            let channel = json!({ "name": "recorder", "type": "webhook", "config": { "url": self.recorder.url("/told") } });
            let make = |path: String, body| {
                call(
                    api,
                    ApiRequest {
                        method: Method::POST,
                        path,
                        token: &tenant.token,
                        key: None,
                        body: Some(body),
                    },
                )
            };
            let channel = make("/v1/notification-channels".into(), channel).await;
            ensure!(channel.status == Some(201), "no channel: {channel:?}");
            for job in wanted {
                let event = if job.kind == Kind::Failing { "on_failure" } else { "on_completion" };
                let path = format!("/v1/jobs/{}/notification-rules", JobId::from_uuid(job.id));
                let rule = make(path, json!({ "channel_id": channel.body["id"], "event": event })).await;
                ensure!(rule.status == Some(201), "no rule: {rule:?}");
            }
        }
        Ok(())
    }

    pub async fn kill(&mut self, role: Role, index: usize) -> anyhow::Result<()> {
        self.say(&format!("kill -9 {role} {index}"));
        self.cluster.kill(role, index).await
    }

    pub fn begin_again(&mut self, role: Role, index: usize) -> anyhow::Result<()> {
        self.cluster.begin(role, index)
    }

    /// An executor stands still (SIGSTOP) for that time; the run goes on meanwhile.
    pub fn stand_still(&mut self, index: usize, time: Duration) -> anyhow::Result<()> {
        self.say(&format!("SIGSTOP executor {index} for {:.1} s", time.as_secs_f64()));
        self.cluster.signal(Role::Executor, index, Signal::SIGSTOP)?;
        self.still.push((index, Instant::now() + time));
        self.stood_still = true;
        Ok(())
    }

    /// Wakes those executors whose time is over.
    pub fn wake(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let (over, still) = self.still.drain(..).partition(|(_, until)| *until <= now);
        self.still = still;
        for (index, _) in over {
            self.say(&format!("SIGCONT executor {index}"));
            self.cluster.signal(Role::Executor, index, Signal::SIGCONT)?;
        }
        Ok(())
    }

    pub fn is_still(&self, role: Role, index: usize) -> bool {
        role == Role::Executor && self.still.iter().any(|(still, _)| *still == index)
    }

    /// An executor that does not stand still.
    pub fn an_executor(&mut self) -> Option<usize> {
        let moving: Vec<usize> = (0..self.cluster.count(Role::Executor))
            .filter(|index| !self.is_still(Role::Executor, *index))
            .collect();
        (moving.len() > 1).then(|| moving[self.random.usize(0..moving.len())])
    }

    /// Lets everything come to rest, and looks at it.
    pub async fn finish(mut self) -> anyhow::Result<Outcome> {
        while let Some(last) = self.still.iter().map(|(_, until)| *until).max() {
            tokio::time::sleep_until(last.into()).await;
            self.wake()?;
        }
        let seen = match self.clients.take() {
            Some(clients) => clients.stop().await,
            None => Seen::default(),
        };
        let sql = self.servers.sql().await.context("Postgres is not there at the end")?;
        let until = now(&sql).await?;
        self.say("no more fires; waiting until all is over");
        self.all_planned(&sql, until).await?;
        // Those of the next moments are planned already: they run, and need not be.
        sql.batch_execute("delete from job_timers").await?;
        let drains = Instant::now();
        self.pass(Duration::from_secs(3)).await;
        let drained = proof::drained(&sql, self.drains_within).await?;
        let told = self.all_told(&sql).await?;
        self.say(&format!(
            "at rest after {:.1} s{}",
            drains.elapsed().as_secs_f64(),
            if drained && told { "" } else { "; not all is over" }
        ));
        let record = Record::read(&sql).await?;
        let hits = self.recorder.hits();
        let watcher = std::mem::replace(&mut self.watcher, Watcher::start(self.servers.postgres_url()));
        let watched = watcher.end(&self.cluster).await;
        let fallen = self.cluster.fallen();
        let works = self.apis_work().await;
        let evidence = Evidence {
            load: &self.load,
            until,
            seen: &seen,
            record: &record,
            hits: &hits,
            clock: self.clock,
            apis_lived: !self.cluster.has_ended(Role::Api),
            nobody_stood_still: !self.stood_still && !self.servers.has_stood_still(),
        };
        let mut findings = proof::all(&self, &evidence, watched).await?;
        findings.push(Finding::new("no process ends by itself", self.cluster.held().len(), fallen));
        findings.push(works);
        let Self { cluster, servers, load, clock, .. } = self;
        // What stands still in a run that failed may not end when asked to; the findings are more important.
        let ended = cluster.stop().await;
        findings.push(Finding::new(
            "every process ends when asked to",
            1,
            ended.err().map(|error| error.to_string()).into_iter().collect(),
        ));
        servers.stop().await;
        Ok(Outcome { findings, record, hits, seen, load, clock })
    }

    /// Whatever was done to them, the APIs serve when it is over.
    async fn apis_work(&self) -> Finding {
        let (apis, mut against) = (self.cluster.apis(), Vec::new());
        for api in &apis {
            let token = &self.load.tenants[0].token;
            let path = "/v1/jobs?limit=1".into();
            let reply =
                call(*api, ApiRequest { method: Method::GET, path, token, key: None, body: None }).await;
            if reply.status != Some(200) {
                against.push(format!("{api} answers {reply:?}"));
            }
        }
        Finding::new("the API works when all is over", apis.len(), against)
    }

    /// Waits until every fire up to then has its execution: a fault may have ended a moment ago.
    async fn all_planned(&self, sql: &tokio_postgres::Client, until: DateTime<Utc>) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.drains_within;
        let behind = "select count(*) from job_timers where next_run_at <= $1";
        while sql.query_one(behind, &[&until]).await?.get::<_, i64>(0) > 0 && Instant::now() < deadline {
            self.pass(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn all_told(&self, sql: &tokio_postgres::Client) -> anyhow::Result<bool> {
        let deadline = Instant::now() + self.drains_within;
        let open = "select count(*) from notifications where finished_at is null";
        while sql.query_one(open, &[]).await?.get::<_, i64>(0) > 0 {
            if Instant::now() > deadline {
                return Ok(false);
            }
            self.pass(Duration::from_millis(200)).await;
        }
        Ok(true)
    }

    /// A defect that a process noticed itself.
    pub fn logs(&self) -> anyhow::Result<Finding> {
        let (mut looked_at, mut against) = (0, Vec::new());
        for entry in fs::read_dir(self.dir.join("logs"))? {
            let path = entry?.path();
            for line in fs::read_to_string(&path)?.lines() {
                looked_at += 1;
                if line.contains("this is a defect") {
                    against.push(format!("{}: {line}", path.display()));
                }
            }
        }
        Ok(Finding::new("no panic and no defect in the logs", looked_at, against))
    }
}

pub async fn now(sql: &tokio_postgres::Client) -> anyhow::Result<DateTime<Utc>> {
    Ok(sql.query_one("select clock_timestamp()", &[]).await?.get(0))
}

/// What a run has shown.
pub struct Outcome {
    pub findings: Vec<Finding>,
    pub record: Record,
    pub hits: Vec<crate::recorder::Hit>,
    pub seen: Seen,
    pub load: Load,
    pub clock: Clock,
}

/// How long after its instant a request arrived, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lateness {
    pub count: usize,
    pub median: f64,
    pub p99: f64,
    pub worst: f64,
}

impl Outcome {
    /// Of first attempts of the load that were due in `from..to` of the run's time, by the recorder's watch. Jobs that wait for each
    /// other are left out.
    pub fn lateness(&self, from: Duration, to: Duration) -> Lateness {
        let wanted = |kind: Kind| kind.limit().is_none() && kind != Kind::Churned;
        let jobs: std::collections::HashSet<_> =
            self.load.jobs.iter().filter(|job| wanted(job.kind)).map(|job| job.id).collect();
        let (from, to) = (self.clock.wall(from), self.clock.wall(to));
        let late = self.hits.iter().filter(|hit| hit.number == 1 && jobs.contains(&hit.job));
        let late = late.filter(|hit| from <= hit.scheduled_for && hit.scheduled_for < to);
        lateness(late.map(|hit| self.clock.wall(hit.arrived) - hit.scheduled_for))
    }
}

pub fn lateness(late: impl Iterator<Item = TimeDelta>) -> Lateness {
    let mut late: Vec<f64> =
        late.filter_map(|late| late.num_microseconds()).map(|late| late as f64 / 1000.0).collect();
    late.sort_by(f64::total_cmp);
    let at = |part: f64| late.get(((late.len() as f64 * part) as usize).min(late.len().saturating_sub(1)));
    Lateness {
        count: late.len(),
        median: at(0.5).copied().unwrap_or_default(),
        p99: at(0.99).copied().unwrap_or_default(),
        worst: late.last().copied().unwrap_or_default(),
    }
}
