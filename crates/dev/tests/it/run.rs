//! `trigrun-dev` as a process: it says where it is, does what it says, and leaves nothing behind.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of its own.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trigrun-dev-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Processes with this directory in their command line or for their working directory, apart from `trigrun-dev`.
    fn processes(&self) -> Vec<String> {
        let mark = self.0.to_str().unwrap();
        let of = |pid: &str| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let is_in = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&self.0));
            ((is_in || command.contains(mark)) && !command.contains("trigrun-dev")).then_some(command)
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter_map(|pid| of(&pid)).collect()
    }

    /// Waits until none of them is left.
    fn is_left(&self) {
        let give_up = Instant::now() + PATIENCE;
        while !self.processes().is_empty() {
            assert!(Instant::now() < give_up, "left behind: {:#?}", self.processes());
            std::thread::yield_now();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays is temporary.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    /// What it and its processes log.
    log: PathBuf,
}

impl Running {
    pub fn start(place: &Place, command: &str) -> Self {
        let log = place.0.join("log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_trigrun-dev"))
            .arg(command)
            .args(["--port", "0", "--dir"])
            .arg(&place.0)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, log }
    }

    /// The value of `export NAME=value`, once that is printed.
    pub fn exported(&mut self, name: &str) -> String {
        let start = format!("export {name}=");
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "it ended before it said {name}: {}",
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

/// A GET by hand; the answer from its status line on.
fn get(url: &str, path: &str, token: &str) -> String {
    let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_serves_until_it_is_asked_to_end_and_leaves_nothing_running() {
    let place = Place::new("run");
    for _ in 0..2 {
        let mut running = Running::start(&place, "run");
        let (url, token) = (running.exported("TRIGRUN_URL"), running.exported("TRIGRUN_TOKEN"));
        assert!(
            get(&url, "/v1/jobs", &token).starts_with("HTTP/1.1 200"),
            "the second start finds the data again"
        );
        assert!(get(&url, "/readyz", "").starts_with("HTTP/1.1 200"));
        assert!(place.processes().len() > 1, "the servers are there: {:?}", place.processes());
        running.signal("-INT");
        assert!(running.ended().success());
        assert_eq!(place.processes(), Vec::<String>::new());
    }
}

#[test]
fn also_when_it_is_killed() {
    let place = Place::new("killed");
    let mut running = Running::start(&place, "run");
    running.exported("TRIGRUN_TOKEN");
    running.signal("-KILL");
    assert!(!running.ended().success());
    place.is_left();
}

#[test]
fn the_demo_runs_one_job_of_each_kind() {
    let place = Place::new("demo");
    let mut running = Running::start(&place, "demo");
    let mut printed = String::new();
    running.output.read_to_string(&mut printed).unwrap();
    let (ended, logged) = (running.ended(), running.logged());
    assert!(ended.success(), "{printed}{logged}");
    assert!(printed.contains("lateness: median"), "{printed}");
    let complaints: Vec<_> =
        logged.lines().filter(|line| ["WARN", "ERROR"].iter().any(|level| line.contains(level))).collect();
    assert_eq!(complaints, [""; 0], "a minute in which nothing fails is a quiet one");
    let report = fs::read_to_string(place.0.join("demo.json")).unwrap();
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
    place.is_left();
}
