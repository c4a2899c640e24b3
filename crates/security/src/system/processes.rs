//! The product's processes: started, looked at, and replaced.

use anyhow::{Context, ensure};
use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    sync::PoisonError,
};
use trigrun_testkit::{keys, process::binary};

use super::{LOG_FILTER, System};
use crate::network::COLLECTOR;

impl System {
    pub(super) fn authority(&self) -> PathBuf {
        self.scratch.path().join("authority.pem")
    }

    pub(super) fn start_executor(&self, name: &str, log_filter: &str) -> anyhow::Result<()> {
        let trusted = ("SSL_CERT_FILE".to_owned(), self.authority().display().to_string());
        let log = (LOG_FILTER.to_owned(), log_filter.to_owned());
        self.spawn(name, "executor", [trusted, log])
    }

    /// From now on another executor runs everything, and logs at level trace.
    pub fn trace_executor(&self) -> anyhow::Result<()> {
        self.start_executor("traced-executor", "trace")?;
        let pid = self.pid("executor")?.to_string();
        // The shell's own kill: the program of that name is not on every machine.
        let told = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status()?;
        ensure!(told.success(), "the executor is not there");
        Ok(())
    }

    fn pid(&self, name: &str) -> anyhow::Result<u32> {
        let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = processes.iter().find(|(known, _)| known == name).and_then(|(_, child)| child.id());
        pid.with_context(|| format!("{name} does not run"))
    }

    pub(super) fn spawn(
        &self,
        name: &str,
        program: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<()> {
        let log = File::create(self.logs.join(format!("{name}.log")))?;
        let mut command = trigrun_embed::ends_with_us(&binary(program));
        command
            .env("TRIGRUN__POSTGRES__URL", self.postgres_url())
            .env("TRIGRUN__TELEMETRY__PROBES_ADDRESS", "127.0.0.1:0")
            .env("TRIGRUN__REDIS__URL", self.services.redis_url())
            // A line for every frame of a flood would be what takes the time.
            .env(LOG_FILTER, "info")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{COLLECTOR}"))
            .env("OTEL_BSP_SCHEDULE_DELAY", "200")
            // Whoever heeds these calls somebody inside.
            .envs(
                ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
                    .map(|name| (name, "http://10.0.0.1:3128")),
            )
            .envs(settings)
            .stdout(log.try_clone()?)
            .stderr(log);
        if program == "api" {
            command.env("TRIGRUN__SERVER__SIGN_UP", "open");
        }
        if program != "scheduler" {
            command.env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", keys::MASTER));
        }
        let child = tokio::process::Command::from(command).stdin(Stdio::null()).kill_on_drop(true).spawn()?;
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), child));
        Ok(())
    }

    /// Another scheduler, which tidies up as soon as it begins: those that run do so once a minute.
    pub fn tidy(&self) -> anyhow::Result<()> {
        self.spawn(&format!("scheduler-{}", self.number()), "scheduler", [])
    }

    /// How much memory a process holds, in MB. From /proc: proc_pid_status(5).
    pub fn resident_mb(&self, name: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid(name)?))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(resident.trim().trim_end_matches("kB").trim().parse::<u64>()? / 1024)
    }

    /// What all processes have logged so far.
    pub fn logged(&self) -> anyhow::Result<Vec<u8>> {
        let mut logged = Vec::new();
        for entry in fs::read_dir(&self.logs)? {
            logged.extend(fs::read(entry?.path())?);
        }
        Ok(logged)
    }
}
