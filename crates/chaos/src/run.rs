//! One run: servers, processes, load, clients, recording target; and the proof at the end.

mod lateness;
mod setup;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use hyper::Method;
use nix::sys::signal::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio_postgres::Client;
use trigrun_testkit::{
    client::Request,
    due::{self, Overdue},
};

pub use self::{lateness::Lateness, setup::Setup};
use crate::{
    OUTPUT_DIR,
    api::call,
    clients::{ClientLog, Clients},
    clock::Clock,
    cluster::{Cluster, Role},
    load::Load,
    proof::{self, Evidence, Finding},
    record::Record,
    recorder::Recorder,
    servers::Servers,
    watcher::Watcher,
};

/// Terminal states are final: a trigger records every violation.
const RECORD_TERMINAL_CHANGES: &str = "
    create table chaos_terminal_changes (what text not null);
    create function chaos_record_terminal_change() returns trigger language plpgsql as $$
    begin
        insert into chaos_terminal_changes
        values (tg_table_name || ' ' || old.id || ' was ' || old.status || ', became ' || new.status);
        return new;
    end $$;
    create trigger chaos_terminal_change before update on executions for each row execute function chaos_record_terminal_change();
    create trigger chaos_terminal_change before update on notifications for each row
        when (old.finished_at is not null) execute function chaos_record_terminal_change();";

/// The load runs once this many requests have arrived.
const SETTLED_REQUESTS: usize = 20;
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);
/// After settling, before the level is taken.
const SETTLE_TIME: Duration = Duration::from_secs(3);
/// Fires that were planned ahead still run after the last timer was deleted.
const PLANNED_AHEAD: Duration = Duration::from_secs(3);

pub struct Run {
    pub clock: Clock,
    pub servers: Servers,
    pub cluster: Cluster,
    pub recorder: Recorder,
    pub load: Load,
    pub random: fastrand::Rng,
    clients: Option<Clients>,
    watcher: Watcher,
    drain_timeout: Duration,
    /// The scenario, and the mutant if there is one.
    name: String,
    dir: PathBuf,
    /// Executors that are stopped by SIGSTOP, and until when.
    paused: Vec<(usize, Instant)>,
    /// Whether an executor ever was.
    was_paused: bool,
}

impl Run {
    pub async fn start(scenario: &str, setup: Setup) -> anyhow::Result<Self> {
        let clock = Clock::start();
        // Two mutants may run at the same time.
        let name = setup
            .mutant
            .as_ref()
            .map_or_else(|| scenario.to_owned(), |mutant| format!("{scenario}-{mutant}"));
        let dir = Path::new(OUTPUT_DIR).join(&name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let servers = Servers::start(setup.server_faults).await?;
        servers.migrate(None).await?;
        servers.sql().await?.batch_execute(RECORD_TERMINAL_CHANGES).await?;
        let recorder = Recorder::start(&dir.join("requests.log"), clock).await?;
        let (postgres, redis) = (servers.postgres_settings(), servers.redis_settings());
        let cluster = Cluster::start(setup.layout, postgres.clone(), redis, &dir.join("logs")).await?;
        let load = Load::create(setup.plan, &postgres, &recorder).await?;
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
            drain_timeout: setup.drain_timeout,
            name,
            dir,
            paused: Vec::new(),
            was_paused: false,
        };
        run.create_rules(setup.jobs_with_rules).await?;
        run.clients = setup.client_pause.map(|pause| {
            let target = run.recorder.url("/fast");
            Clients::start(&run.cluster.apis(), &run.load, &target, clock, setup.seed, pause)
        });
        Ok(run)
    }

    /// Waits until the load runs, and takes the level of the processes' usage.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        ensure!(self.recorder.more_than(SETTLED_REQUESTS, SETTLE_TIMEOUT).await, "the load does not run");
        self.wait(SETTLE_TIME).await;
        self.take_level();
        Ok(())
    }

    /// Takes the current usage of the processes as the level to which they must return.
    pub fn take_level(&mut self) {
        self.watcher.take_level(&self.cluster);
    }

    pub async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub fn log(&self, message: &str) {
        println!("[{} {:6.1} s] {message}", self.name, self.clock.elapsed().as_secs_f64());
    }

    pub fn kill(&mut self, role: Role, index: usize) -> anyhow::Result<()> {
        self.log(&format!("kill -9 {role} {index}"));
        self.cluster.kill(role, index)
    }

    pub fn kill_all(&mut self, role: Role) -> anyhow::Result<()> {
        (0..self.cluster.count(role)).try_for_each(|index| self.kill(role, index))
    }

    pub fn restart_all(&mut self, role: Role) -> anyhow::Result<()> {
        (0..self.cluster.count(role)).try_for_each(|index| self.cluster.restart(role, index))
    }

    /// Stops an executor by SIGSTOP for this long; does not wait for the end of it.
    pub fn pause_executor(&mut self, index: usize, time: Duration) -> anyhow::Result<()> {
        self.log(&format!("SIGSTOP executor {index} for {:.1} s", time.as_secs_f64()));
        self.cluster.signal(Role::Executor, index, Signal::SIGSTOP)?;
        self.paused.push((index, Instant::now() + time));
        self.was_paused = true;
        Ok(())
    }

    /// Resumes the executors whose pause is over.
    pub fn resume_executors(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let (over, paused) = self.paused.drain(..).partition(|(_, until)| *until <= now);
        self.paused = paused;
        for (index, _) in over {
            self.log(&format!("SIGCONT executor {index}"));
            self.cluster.signal(Role::Executor, index, Signal::SIGCONT)?;
        }
        Ok(())
    }

    /// Resumes all executors now.
    pub fn end_pauses(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        self.paused.iter_mut().for_each(|(_, until)| *until = now);
        self.resume_executors()
    }

    pub fn is_paused(&self, role: Role, index: usize) -> bool {
        role == Role::Executor && self.paused.iter().any(|(paused, _)| *paused == index)
    }

    /// An executor that is not paused; `None` rather than the last one.
    pub fn random_executor(&mut self) -> Option<usize> {
        let running: Vec<usize> = (0..self.cluster.count(Role::Executor))
            .filter(|index| !self.is_paused(Role::Executor, *index))
            .collect();
        (running.len() > 1).then(|| running[self.random.usize(0..running.len())])
    }

    /// Lets everything end, and checks the invariants.
    pub async fn finish(mut self) -> anyhow::Result<Outcome> {
        while let Some(last) = self.paused.iter().map(|(_, until)| *until).max() {
            tokio::time::sleep_until(last.into()).await;
            self.resume_executors()?;
        }
        let clients = match self.clients.take() {
            Some(clients) => clients.stop().await,
            None => ClientLog::default(),
        };
        let sql = self.servers.sql().await.context("Postgres does not respond at the end")?;
        let until = now(&sql).await?;
        self.log("no more fires; waiting until all executions have ended");
        self.wait_for_plans(&sql, until).await?;
        // Fires after `until` that are planned already still run, but need not.
        sql.batch_execute("delete from job_timers").await?;
        let began = Instant::now();
        self.wait(PLANNED_AHEAD).await;
        let executions_ended = self.executions_end(&sql).await?;
        let all_ended = self.notifications_end(&sql).await? && executions_ended;
        let rest = if all_ended { "" } else { "; some have not ended" };
        self.log(&format!("idle after {:.1} s{rest}", began.elapsed().as_secs_f64()));
        let record = Record::read(&sql).await?;
        let hits = self.recorder.hits();
        let watcher = std::mem::replace(&mut self.watcher, Watcher::start(self.servers.postgres_url()));
        let watched = watcher.end(&self.cluster).await;
        let exits = self.cluster.unexpected_exits();
        let apis_respond = self.apis_respond().await;
        let evidence = Evidence {
            load: &self.load,
            until,
            clients: &clients,
            record: &record,
            hits: &hits,
            clock: self.clock,
            no_api_stopped: !self.cluster.was_stopped(Role::Api),
            nothing_paused: !self.was_paused && !self.servers.was_frozen(),
        };
        let mut findings = proof::all(&self.servers, &self.recorder, &evidence, watched).await?;
        let logged = self.logged()?;
        findings.push(check_logs(&logged));
        findings.push(Finding::new("no process exits by itself", self.cluster.usages().len(), exits));
        findings.push(apis_respond);
        let Self { cluster, servers, load, clock, .. } = self;
        // After a failed run, a process may hang; the other findings matter more.
        let stopped = cluster.stop().await;
        findings.push(Finding::new(
            "every process ends after SIGTERM",
            1,
            stopped.err().map(|error| format!("{error:#}")).into_iter().collect(),
        ));
        servers.stop().await;
        Ok(Outcome { findings, record, hits, logged, clients, load, clock })
    }

    /// Whatever happened to them, the APIs respond at the end.
    async fn apis_respond(&self) -> Finding {
        let (apis, mut violations) = (self.cluster.apis(), Vec::new());
        for api in &apis {
            let token = &self.load.tenants[0].token;
            let reply = call(*api, token, Request::new(Method::GET, "/v1/jobs?limit=1")).await;
            if reply.status != Some(200) {
                violations.push(format!("{api} responds with {reply:?}"));
            }
        }
        Finding::new("the API works at the end", apis.len(), violations)
    }

    /// Waits until every fire up to `until` has its execution: a fault may have ended a moment ago.
    async fn wait_for_plans(&self, sql: &Client, until: DateTime<Utc>) -> anyhow::Result<()> {
        let late = "select count(*) from job_timers where next_run_at <= $1";
        let planned = async || Ok(sql.query_one(late, &[&until]).await?.get::<_, i64>(0) == 0);
        // A fire without an execution is found by the proof.
        in_time(due::try_until("every fire is planned", self.drain_timeout, planned).await).map(drop)
    }

    async fn executions_end(&self, sql: &Client) -> anyhow::Result<bool> {
        let ended = async || Ok(sql.query_one(crate::record::OPEN, &[]).await?.get::<_, i64>(0) == 0);
        in_time(due::try_until("every execution ends", self.drain_timeout, ended).await)
    }

    async fn notifications_end(&self, sql: &Client) -> anyhow::Result<bool> {
        let open = "select count(*) from notifications where finished_at is null";
        let ended = async || Ok(sql.query_one(open, &[]).await?.get::<_, i64>(0) == 0);
        in_time(due::try_until("every notification ends", self.drain_timeout, ended).await)
    }

    /// What the processes logged, each line with its file.
    fn logged(&self) -> anyhow::Result<Vec<String>> {
        let mut logged = Vec::new();
        for entry in fs::read_dir(self.dir.join("logs"))? {
            let path = entry?.path();
            let text = fs::read_to_string(&path)?;
            logged.extend(text.lines().map(|line| format!("{}: {line}", path.display())));
        }
        Ok(logged)
    }
}

/// Errors and panics that a process logged.
fn check_logs(logged: &[String]) -> Finding {
    let unexpected = logged.iter().filter(|line| is_unexpected(line)).cloned().collect();
    Finding::new("no panic and no unexpected error in the logs", logged.len(), unexpected)
}

/// The level `error` means that TrigRun is wrong or that an operator must act. Of the faults here, only a paused executor, whose session
/// expires, causes one.
fn is_unexpected(line: &str) -> bool {
    let is_error = line.contains("\"level\":\"ERROR\"") && !line.contains("expired by a scheduler");
    is_error || line.contains("panicked at")
}

/// Whether a wait ended before its deadline.
fn in_time(waited: anyhow::Result<()>) -> anyhow::Result<bool> {
    match waited {
        Ok(()) => Ok(true),
        Err(error) if error.is::<Overdue>() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn now(sql: &Client) -> anyhow::Result<DateTime<Utc>> {
    Ok(sql.query_one("select clock_timestamp()", &[]).await?.get(0))
}

/// Everything that a run has shown.
pub struct Outcome {
    pub findings: Vec<Finding>,
    pub record: Record,
    pub hits: Vec<crate::recorder::Hit>,
    pub logged: Vec<String>,
    pub clients: ClientLog,
    pub load: Load,
    pub clock: Clock,
}
