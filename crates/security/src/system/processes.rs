//! The product's processes: which ones run, with which settings, and what is read from them.

use anyhow::ensure;
use nix::sys::signal::Signal;
use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::net::TcpStream;
use trigrun_testkit::{cluster::Cluster, due, process::Role};

use super::System;
use crate::network::COLLECTOR;

const LOG_FILTER: &str = "TRIGRUN__TELEMETRY__LOG_FILTER";
const EGRESS_ALLOW: &str = "TRIGRUN__EGRESS__ALLOW";
/// What the plan of the small APIs allows.
pub const SMALL_JOBS: usize = 4;
pub const SMALL_TOKENS: usize = 4;
/// Executions in a minute.
pub const SMALL_RUNS: usize = 10;

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// An executor finishes its requests in flight before it ends.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// The executor with which the tests begin.
pub(super) const FIRST_EXECUTOR: &str = "executor";

type Environment = Vec<(String, String)>;

fn variables<const N: usize>(of: [(&str, String); N]) -> Environment {
    of.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl System {
    pub(super) async fn start_processes(&self) -> anyhow::Result<()> {
        let limits = ["TOKEN_PER_SECOND", "TOKEN_BURST", "WORKSPACE_PER_SECOND", "WORKSPACE_BURST"]
            .into_iter()
            .chain(["FAILURES_PER_MINUTE", "SIGN_UPS_PER_HOUR"]);
        let unlimited: Environment =
            limits.map(|limit| (format!("TRIGRUN__LIMITS__{limit}"), "1000000".to_owned())).collect();
        let address = |address: SocketAddr| ("TRIGRUN__SERVER__ADDRESS", address.to_string());
        let probes = ("TRIGRUN__TELEMETRY__PROBES_ADDRESS", self.probes.to_string());
        self.start_process("api", Role::Api, [unlimited.clone(), variables([address(self.api), probes])])?;
        let trace = || (LOG_FILTER, "trace".to_owned());
        let traced = variables([address(self.traced_api), trace()]);
        self.start_process("traced-api", Role::Api, [unlimited, traced])?;
        let plan = |limit: &str, most: usize| (format!("TRIGRUN__PLANS__DEFAULT__{limit}"), most.to_string());
        let small = vec![
            plan("JOBS", SMALL_JOBS),
            plan("TOKENS", SMALL_TOKENS),
            plan("EXECUTIONS_PER_MINUTE", SMALL_RUNS),
        ];
        for (api, name) in self.small_apis.into_iter().zip(["small-api", "other-small-api"]) {
            self.start_process(name, Role::Api, [small.clone(), variables([address(api)])])?;
        }
        self.start_process("scheduler", Role::Scheduler, [variables([trace()])])?;
        let authority = self.targets.as_ref().map(|targets| targets.authority.certificate_pem());
        fs::write(self.authority(), authority.unwrap_or_default())?;
        self.start_executor(FIRST_EXECUTOR, &[])?;
        let apis = self.cluster().addresses();
        for api in apis {
            let listens = async || TcpStream::connect(api).await.is_ok();
            due::until(&format!("an API listens on {api}"), START_TIMEOUT, listens).await?;
        }
        Ok(())
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        lock(&self.cluster)
    }

    fn authority(&self) -> PathBuf {
        self.scratch.path().join("authority.pem")
    }

    fn start_executor(&self, name: &str, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let trusted = variables([("SSL_CERT_FILE", self.authority().display().to_string())]);
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.start_process(name, Role::Executor, [trusted, settings.collect()])
    }

    fn start_process<const N: usize>(
        &self,
        name: &str,
        role: Role,
        settings: [Environment; N],
    ) -> anyhow::Result<()> {
        // The kit allows loopback targets. Here nothing is allowed unless the environment of this program says so.
        let allow = std::env::var_os(EGRESS_ALLOW).unwrap_or_else(|| OsString::from("[]"));
        let mut environment = variables([
            // A line for each frame of a flood would take most of the time.
            (LOG_FILTER, "info".to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{COLLECTOR}")),
            ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
        ]);
        // A process that obeys these calls a private address.
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
        environment.extend(proxies.map(|name| (name.to_owned(), "http://10.0.0.1:3128".to_owned())));
        if role != Role::Scheduler {
            environment.extend(variables([(EGRESS_ALLOW, allow.to_string_lossy().into_owned())]));
        }
        if role == Role::Api {
            environment.extend(variables([("TRIGRUN__SERVER__SIGN_UP", "open".to_owned())]));
        }
        environment.extend(settings.into_iter().flatten());
        self.cluster().start(name, role, environment)
    }

    /// From now on another executor runs everything, and logs at level `trace`.
    pub async fn trace_executor(&self) -> anyhow::Result<()> {
        self.replace_executor("traced-executor", &[(LOG_FILTER, "trace")]).await
    }

    /// From now on another executor, with these settings, runs everything: the one before has ended.
    pub async fn replace_executor(&self, name: &str, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        self.start_executor(name, settings)?;
        let before = std::mem::replace(&mut *lock(&self.executor), name.to_owned());
        self.cluster().signal(&before, Signal::SIGTERM)?;
        let ended = async || self.cluster().has_ended(&before).unwrap_or(true);
        Ok(due::until(&format!("{before} ends"), END_TIMEOUT, ended).await?)
    }

    /// The same, with this limit of open files.
    pub async fn replace_executor_with_files(
        &self,
        name: &str,
        max_files: u64,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        self.launch_executors_with_files(Some(max_files));
        let replaced = self.replace_executor(name, settings).await;
        self.launch_executors_with_files(None);
        replaced
    }

    /// An executor with this limit of open files that ends by itself; what it has logged.
    pub async fn failing_executor(&self, name: &str, max_files: u64) -> anyhow::Result<String> {
        self.launch_executors_with_files(Some(max_files));
        let started = self.start_executor(name, &[]);
        self.launch_executors_with_files(None);
        started?;
        let ended = async || self.cluster().has_ended(name).unwrap_or(true);
        due::until(&format!("{name} ends"), END_TIMEOUT, ended).await?;
        self.cluster().log(name)
    }

    fn launch_executors_with_files(&self, max_files: Option<u64>) {
        let limit = max_files.map(|files| format!("--nofile={files}:{files}"));
        let command: Vec<&str> = limit.iter().flat_map(|limit| ["prlimit", limit.as_str()]).collect();
        self.cluster().set_launcher(Role::Executor, &command);
    }

    /// Sets the limit of open files of the executor that runs everything (prlimit(1)). Files that are open stay open.
    pub fn limit_files(&self, soft: u64) -> anyhow::Result<()> {
        let pid = self.cluster().pid(&self.executor())?.to_string();
        let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={soft}:")]).status()?;
        ensure!(limited.success(), "prlimit ended with {limited}");
        Ok(())
    }

    /// The name of the executor that runs everything.
    pub fn executor(&self) -> String {
        lock(&self.executor).clone()
    }

    /// What the executor that runs everything has logged.
    pub fn executor_log(&self) -> anyhow::Result<String> {
        self.cluster().log(&self.executor())
    }

    /// Starts another scheduler, which runs the retention pass at once: the one that runs does so once a minute.
    pub fn run_retention(&self) -> anyhow::Result<()> {
        self.start_process(&format!("scheduler-{}", self.number()), Role::Scheduler, [])
    }

    pub fn resident_mb(&self, name: &str) -> anyhow::Result<u64> {
        Ok(self.cluster().usage(name)?.resident_mb)
    }

    /// What is resident now, from which on the peak is measured.
    pub fn reset_peak(&self, name: &str) -> anyhow::Result<u64> {
        self.cluster().reset_peak(name)?;
        self.resident_mb(name)
    }

    pub fn peak_mb(&self, name: &str) -> anyhow::Result<u64> {
        Ok(self.cluster().usage(name)?.peak_mb)
    }

    /// Everything that the processes have logged.
    pub fn logs(&self) -> anyhow::Result<Vec<u8>> {
        self.cluster().logs()
    }
}
