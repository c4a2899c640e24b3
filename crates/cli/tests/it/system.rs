//! A running system, workspaces in it, and the command line as its user starts it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Only ends a test that hangs.
const TIMEOUT: Duration = Duration::from_secs(600);
/// A user may create this many workspaces.
const MAX_WORKSPACES: usize = 18;

/// A system of its own. It ends when its standard input ends, also if the tests are killed.
pub struct System {
    child: Child,
    pub url: String,
    pub directory: PathBuf,
}

impl System {
    pub fn start(name: &str) -> Self {
        let directory = directory(name);
        let log = fs::File::create(directory.join("log")).unwrap();
        let mut child = Command::new(dev_binary())
            .args(["exec", "--port", "0", "--log", "error", "--dir"])
            .arg(directory.join("data"))
            .args(["--", "sh", "-c", "echo $TRIGRUN_URL; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(!url.is_empty(), "{}", fs::read_to_string(directory.join("log")).unwrap());
        Self { child, url: url.trim().to_owned(), directory }
    }

    /// The system that the tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<System> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("shared"))
    }

    /// Postgres and its processes.
    pub fn postgres(&self) -> Vec<String> {
        let file = fs::read_to_string(self.directory.join("data/postgres/postmaster.pid")).unwrap();
        let parent = file.lines().next().unwrap().to_owned();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &parent]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        children.split_whitespace().map(str::to_owned).chain([parent]).collect()
    }

    /// A session of a new user.
    pub fn sign_up(&self, email: &str, password: &str) -> String {
        let body = format!(r#"{{"email": "{email}", "password": "{password}", "workspace_name": "first"}}"#);
        let run =
            trigrun(&self.url, "").args(["api", "POST", "/v1/auth/signup", "--input", "-"]).stdin(&body);
        text(&run.in_time(), "/token")
    }

    /// A new workspace, with a token that may do everything in it.
    pub fn workspace(&self) -> Workspace {
        static SESSION: Mutex<Option<(String, String, usize)>> = Mutex::new(None);
        let mut session = SESSION.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_usable =
            session.as_ref().is_some_and(|(url, _, made)| *url == self.url && *made < MAX_WORKSPACES);
        if !is_usable {
            let email = format!("user-{}@example.com", number());
            *session = Some((self.url.clone(), self.sign_up(&email, "correct horse battery"), 0));
        }
        let (_, token, made) = session.as_mut().unwrap();
        *made += 1;
        let name = format!("workspace-{}", number());
        let run =
            trigrun(&self.url, token).args(["api", "POST", "/v1/workspaces", "-f", &format!("name={name}")]);
        let id = text(&run.in_time(), "/id");
        let run = trigrun(&self.url, token).args([
            "--workspace",
            &id,
            "api",
            "POST",
            "/v1/tokens",
            "-f",
            "name=test",
        ]);
        let token = text(&run.in_time(), "/token");
        Workspace { url: self.url.clone(), token, name, directory: directory(&id) }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has ended, or the operating system ends it with this process.
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn dev_binary() -> PathBuf {
    if let Some(path) = env::var_os("TRIGRUN_DEV_BINARY") {
        return path.into();
    }
    let built = PathBuf::from(env!("CARGO_BIN_EXE_trigrun")).with_file_name("trigrun-dev");
    assert!(
        built.exists(),
        "{} is missing: build the whole workspace first, or set TRIGRUN_DEV_BINARY",
        built.display()
    );
    built
}

/// A number that no other test has.
pub fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A new directory.
pub fn directory(name: &str) -> PathBuf {
    let directory = env::temp_dir().join(format!("trigrun-cli-{}-{}-{name}", std::process::id(), number()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A workspace that only one test uses.
pub struct Workspace {
    pub url: String,
    pub token: String,
    pub name: String,
    /// The working directory of its commands.
    pub directory: PathBuf,
}

impl Workspace {
    pub fn new() -> Self {
        System::shared().workspace()
    }

    /// `trigrun` with these arguments, separated by spaces; `'…'` keeps spaces.
    pub fn run(&self, line: &str) -> Run {
        trigrun(&self.url, &self.token).in_directory(&self.directory).args(words(line))
    }

    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.directory.join(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap()
    }

    /// A field of a job.
    pub fn job(&self, key: &str, pointer: &str) -> serde_json::Value {
        let job: serde_json::Value =
            serde_json::from_str(&self.run(&format!("jobs get {key} -o json")).ok()).unwrap();
        job.pointer(pointer).cloned().unwrap_or_default()
    }

    /// How many jobs there are.
    pub fn job_count(&self) -> usize {
        self.run("jobs list --limit 0 -o id").ok().lines().count()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // It is in the temporary directory, so remaining files do no harm.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// A command to run.
pub struct Run {
    pub command: Command,
    stdin: Option<String>,
}

/// `trigrun` without a configuration, unless the test gives one.
pub fn trigrun(url: &str, token: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trigrun"));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", env::var_os("PATH").unwrap())
        .env("TZ", "UTC");
    for (name, value) in [("TRIGRUN_URL", url), ("TRIGRUN_TOKEN", token)] {
        if !value.is_empty() {
            command.env(name, value);
        }
    }
    Run { command, stdin: None }
}

impl Run {
    pub fn args<S: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn in_directory(mut self, directory: &std::path::Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    pub fn output(mut self) -> Ended {
        self.once()
    }

    fn once(&mut self) -> Ended {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that fails at once does not read it.
        let _ = stdin.write_all(self.stdin.as_deref().unwrap_or_default().as_bytes());
        drop(stdin);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Ended {
            code: status.code().expect("it ended by itself"),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Its standard output, after it has succeeded.
    pub fn ok(self) -> String {
        self.ends_with(0).stdout
    }

    /// Its standard output. A busy machine may make the system unavailable for a while.
    fn in_time(mut self) -> String {
        let mut stdout = String::new();
        until(&format!("{:?}", self.command.get_args().collect::<Vec<_>>()), || {
            let ended = self.once();
            assert!(matches!(ended.code, 0 | 6), "{}", ended.stderr);
            stdout = ended.stdout;
            ended.code == 0
        });
        stdout
    }

    /// Checks its exit code.
    pub fn ends_with(self, code: i32) -> Ended {
        let command = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        let ended = self.output();
        assert_eq!(ended.code, code, "{command}\n{}\n{}", ended.stdout, ended.stderr);
        ended
    }
}

pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Checks that standard error has all of these.
    pub fn reports(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.stderr.contains(text), "no {text:?} in\n{}", self.stderr);
        }
        self
    }

    /// Checks that standard output has all of these.
    pub fn prints(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.stdout.contains(text), "no {text:?} in\n{}", self.stdout);
        }
        self
    }
}

/// A text of JSON.
pub fn text(json: &str, pointer: &str) -> String {
    let value: serde_json::Value =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    value
        .pointer(pointer)
        .and_then(|value| value.as_str())
        .unwrap_or_else(|| panic!("no {pointer} in {json}"))
        .to_owned()
}

/// Waits until the condition is true.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < TIMEOUT, "{what}: not within {} s", TIMEOUT.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}
