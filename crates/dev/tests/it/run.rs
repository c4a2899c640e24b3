//! `trigrun-dev` as a process: it prints its address, serves, and leaves no process running.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::Duration,
};
use trigrun_testkit::{due, raw_http};

/// Only ends a test that hangs.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A temporary directory, removed on drop.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trigrun-dev-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The processes with this directory in their command line or as their working directory, except `trigrun-dev`.
    fn processes(&self) -> Vec<String> {
        let path = self.0.to_str().unwrap();
        let of = |pid: &str| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let is_in = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&self.0));
            ((is_in || command.contains(path)) && !command.contains("trigrun-dev")).then_some(command)
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter_map(|pid| of(&pid)).collect()
    }

    /// Waits until none of these processes is left.
    async fn wait_until_unused(&self) {
        let ended = due::until("no process is left", TIMEOUT, async || self.processes().is_empty()).await;
        assert!(ended.is_ok(), "still running: {:#?}", self.processes());
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It is in the temporary directory, so remaining files do no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The log of the process and its children.
    log: PathBuf,
}

impl Running {
    pub fn start(directory: &Directory, command: &str) -> Self {
        let log = directory.0.join("log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_trigrun-dev"))
            .arg(command)
            .args(["--port", "0", "--dir"])
            .arg(&directory.0)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, log }
    }

    /// Waits for the line `export NAME=value`, and returns the value.
    pub fn exported(&mut self, name: &str) -> String {
        let start = format!("export {name}=");
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "it ended before it printed {name}: {}",
                self.logged()
            );
            if let Some(value) = line.trim().strip_prefix(&start) {
                return value.to_owned();
            }
        }
    }

    fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of a GET.
async fn get(url: &str, path: &str, token: &str) -> u16 {
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let headers = [format!("authorization: Bearer {token}")];
    raw_http::request(address, "GET", path, &headers, b"").await.unwrap().status
}

#[tokio::test]
async fn it_serves_until_sigint_and_leaves_no_process_running() {
    let directory = Directory::new("run");
    for _ in 0..2 {
        let mut running = Running::start(&directory, "run");
        let (url, token) = (running.exported("TRIGRUN_URL"), running.exported("TRIGRUN_TOKEN"));
        assert_eq!(get(&url, "/v1/jobs", &token).await, 200, "the second start finds the data again");
        assert_eq!(get(&url, "/readyz", "").await, 200);
        assert!(directory.processes().len() > 1, "the servers run: {:?}", directory.processes());
        running.signal("-INT");
        assert!(running.ended().success());
        assert_eq!(directory.processes(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_killed_system_leaves_no_process_running() {
    let directory = Directory::new("killed");
    let mut running = Running::start(&directory, "run");
    running.exported("TRIGRUN_TOKEN");
    running.signal("-KILL");
    assert!(!running.ended().success());
    directory.wait_until_unused().await;
}

#[tokio::test]
async fn the_demo_runs_one_job_of_each_kind() {
    let directory = Directory::new("demo");
    let mut running = Running::start(&directory, "demo");
    let mut printed = String::new();
    running.output.read_to_string(&mut printed).unwrap();
    let (ended, logged) = (running.ended(), running.logged());
    assert!(ended.success(), "{printed}{logged}");
    assert!(printed.contains("lateness: median"), "{printed}");
    let warnings: Vec<_> =
        logged.lines().filter(|line| ["WARN", "ERROR"].iter().any(|level| line.contains(level))).collect();
    assert_eq!(warnings, [""; 0], "nothing fails, so nothing is logged");
    let report = fs::read_to_string(directory.0.join("demo.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let executions = report["executions"].as_array().unwrap();
    let sources: Vec<_> = executions.iter().map(|execution| execution["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["one_time", "schedule", "schedule", "schedule"]);
    for execution in executions {
        assert_eq!(
            (&execution["status"], &execution["attempts"][0]["status_code"]),
            (&"succeeded".into(), &200.into())
        );
        assert!(execution["attempts"][0]["timing"]["total_ms"].as_f64().unwrap() > 0.0);
    }
    directory.wait_until_unused().await;
}
