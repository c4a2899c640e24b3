//! How a command ends: exit codes, and errors for people.

use anstyle::{AnsiColor, Style};
use std::fmt::Write;
use trigrun_client::{Error, Problem};

pub const BOLD: Style = Style::new().bold();
pub const RED: Style = AnsiColor::Red.on_default();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const DIM: Style = Style::new().dimmed();

/// The exit codes. Scripts rely on them: a code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    /// Also of an invalid command line.
    Failed = 1,
    /// Only of `diff`.
    ChangesPending = 2,
    /// There is no token, or the server refuses it.
    Refused = 3,
    NotFound = 4,
    Conflict = 5,
    /// Too many requests, or the server cannot be reached.
    Busy = 6,
    RunFailed = 10,
    RunNotEnded = 11,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// What happened, without `error: `.
    pub text: String,
    /// Further lines, such as the fields that are wrong.
    pub lines: Vec<String>,
    /// The response of the API, which `-o json` prints instead.
    pub problem: Option<Box<Problem>>,
}

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self::with(Exit::Failed, text)
    }

    pub fn with(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), lines: Vec::new(), problem: None }
    }

    /// The failure of a call. `what` says what did not happen, such as `the job was not created`.
    pub fn of_call(what: &str, error: Error) -> Self {
        let exit = exit_of(&error);
        let Error::Problem(problem) = error else {
            return Self::with(exit, format!("{what}: {error}"));
        };
        let code = format!("({} {})", problem.status, problem.code);
        let text = match problem.errors.len() {
            0 => format!("{what}: {} {code}", problem.detail.trim_end_matches('.')),
            1 => format!("{what}: one field is wrong {code}"),
            fields => format!("{what}: {fields} fields are wrong {code}"),
        };
        let mut lines = field_lines(&problem);
        if let Some(seconds) = problem.retry_after.filter(|_| exit == Exit::Busy) {
            lines.push(format!("Try again in {seconds} s."));
        }
        if let Some(scope) = missing_scope(&problem) {
            lines.push(format!("A token that has it: trigrun tokens create NAME --scope {scope}"));
        }
        if let Some(id) = &problem.request_id {
            lines.push(format!("request {id}"));
        }
        Self { exit, text, lines, problem: Some(problem) }
    }

    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub fn is_code(&self, code: &str) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.code == code)
    }

    /// The text without colours.
    pub fn plain(&self) -> String {
        let lines = self.lines.iter().map(String::as_str);
        std::iter::once(self.text.as_str()).chain(lines).collect::<Vec<_>>().join("\n")
    }

    /// The text for a terminal.
    pub fn for_people(&self) -> String {
        let mut text = format!("{RED}error{RED:#}: {}", self.text);
        for line in &self.lines {
            // It only fails without memory.
            let _ = write!(text, "\n  {line}");
        }
        text
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Says what did not happen when a call fails.
pub trait OrFail<T> {
    fn or_fail(self, what: &str) -> Result<T, Failure>;
}

impl<T> OrFail<T> for Result<T, Error> {
    fn or_fail(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::of_call(what, error))
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::NotConnected { .. } | Error::Broken { .. } | Error::Timeout { .. } => Exit::Busy,
        _ => match error.status() {
            Some(401 | 403) => Exit::Refused,
            Some(404) => Exit::NotFound,
            Some(409 | 412) => Exit::Conflict,
            Some(429 | 502..=504) => Exit::Busy,
            _ => Exit::Failed,
        },
    }
}

fn field_lines(problem: &Problem) -> Vec<String> {
    let width = problem.errors.iter().map(|error| error.pointer.chars().count()).max().unwrap_or(0);
    let line = |error: &trigrun_client::FieldProblem| {
        let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!(" {hint}"));
        format!("{:width$}  {}{hint}", error.pointer, error.detail)
    };
    problem.errors.iter().map(line).collect()
}

fn missing_scope(problem: &Problem) -> Option<&str> {
    let mut words =
        problem.detail.split(|c: char| c.is_whitespace() || c == ',').map(|word| word.trim_end_matches('.'));
    let is_scope = |word: &&str| word.split_once(':').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
    (problem.code == "scope_missing").then(|| words.find(is_scope))?
}
