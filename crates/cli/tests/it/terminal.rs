//! On a terminal: colours, hidden prompts, confirmations. `script` (util-linux) makes the terminal.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::system::{System, Workspace, number, until};

struct Terminal {
    child: Child,
    stdin: ChildStdin,
    seen: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(workspace: &Workspace, line: &str, environment: &[(&str, &str)]) -> Self {
        let command = format!("stty cols 200; exec {} {line}", env!("CARGO_BIN_EXE_trigrun"));
        let mut script = Command::new("script");
        script
            .args(["-qefc", &command, "/dev/null"])
            .current_dir(&workspace.directory)
            .envs(environment.iter().copied());
        script.env("TERM", "xterm-256color").env("TZ", "UTC").env_remove("NO_COLOR").env_remove("CI");
        let mut child = script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is missing: apt-get install bsdutils");
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let seen = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut part) {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..read]));
            }
        });
        Self { child, stdin, seen }
    }

    fn wait_for(&self, text: &str) {
        until(&format!("the terminal shows {text}"), || self.seen.lock().unwrap().contains(text));
    }

    fn answer(&mut self, text: &str) {
        writeln!(self.stdin, "{text}").unwrap();
    }

    /// The exit code, and everything that was shown.
    fn end(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap();
        (code, self.seen.lock().unwrap().clone())
    }
}

fn of(workspace: &Workspace) -> [(&str, &str); 2] {
    [("TRIGRUN_URL", &workspace.url), ("TRIGRUN_TOKEN", &workspace.token)]
}

#[test]
fn a_table_has_a_header_colours_and_relative_times() {
    let workspace = Workspace::new();
    workspace.run("jobs create a --cron @daily --url https://example.com/").ok();
    let terminal = Terminal::start(&workspace, "jobs list", &of(&workspace));
    terminal.wait_for("in ");
    let (code, seen) = terminal.end();
    assert_eq!(code, 0);
    assert!(seen.contains("KEY") && seen.contains("\u{1b}[32mactive") && seen.contains("UTC, in "), "{seen}");
}

#[test]
fn a_plan_is_confirmed_and_refused_when_a_job_has_changed_meanwhile() {
    let workspace = Workspace::new();
    let file = |minutes| {
        format!(
            "stack: s\njobs:\n  a: {{schedule: {{every_n_minutes: {minutes}}}, request: {{url: https://example.com/}}}}\n"
        )
    };
    workspace.write("jobs.yaml", &file(15));
    let mut terminal = Terminal::start(&workspace, "apply -f jobs.yaml", &of(&workspace));
    terminal.wait_for("1 to create. Apply? [y/N]");
    terminal.answer("n");
    assert_eq!(terminal.end().0, 1);
    assert_eq!(workspace.job_count(), 0);
    workspace.run("apply -f jobs.yaml --yes").ok();

    workspace.write("jobs.yaml", &file(20));
    let mut terminal = Terminal::start(&workspace, "apply -f jobs.yaml", &of(&workspace));
    terminal.wait_for("Apply? [y/N]");
    workspace.run("jobs update a --every 30m").ok();
    terminal.answer("y");
    let (code, seen) = terminal.end();
    assert_eq!(code, 5, "{seen}");
    assert!(seen.contains("plan_stale"), "{seen}");
    assert_eq!(workspace.job("a", "/schedule/every_n_minutes"), 30);

    let mut terminal = Terminal::start(&workspace, "apply -f jobs.yaml", &of(&workspace));
    terminal.wait_for("Apply? [y/N]");
    terminal.answer("y");
    assert_eq!(terminal.end().0, 0);
    assert_eq!(workspace.job("a", "/schedule/every_n_minutes"), 20);
}

#[test]
fn a_log_in_with_a_password_keeps_a_token_and_hides_the_password() {
    let workspace = Workspace::new();
    let (email, password) = (format!("person-{}@example.com", number()), "correct horse staple");
    System::shared().sign_up(&email, password);
    let file = workspace.directory.join("config.toml");
    let environment = [("TRIGRUN_CONFIG", file.to_str().unwrap()), ("TRIGRUN_URL", "")];
    let mut terminal = Terminal::start(&workspace, &format!("login --url {}", workspace.url), &environment);
    terminal.wait_for("E-mail address");
    terminal.answer(&email);
    terminal.wait_for("Password");
    terminal.answer(password);
    let (code, seen) = terminal.end();
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains(password) && !seen.contains("trg_"), "{seen}");
    assert!(seen.contains("cli on ") && seen.contains(file.to_str().unwrap()), "{seen}");
    let config = workspace.read("config.toml");
    assert!(config.contains("trg_") && config.contains("expires_at"), "{config}");
    let me = crate::system::trigrun("", "").args(["whoami", "-o", "json"]).env("TRIGRUN_CONFIG", &file).ok();
    assert!(!me.contains("workspace:admin") && me.contains("jobs:write"), "{me}");
}
