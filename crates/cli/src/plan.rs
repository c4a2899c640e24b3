//! The plan of an application, for people.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;

use crate::{
    exit::{BOLD, DIM, GREEN, RED, YELLOW},
    files::is_sensitive,
    node::Node,
    times::Clock,
};

const MAX_VALUE_CHARS: usize = 200;
const MAX_BODY_LINES: usize = 20;

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Plan {
    pub stack: String,
    pub summary: Summary,
    pub changes: Vec<Change>,
    pub paused: Vec<String>,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Summary {
    pub create: u64,
    pub update: u64,
    pub delete: u64,
    pub pause: u64,
    pub orphan: u64,
    pub unchanged: u64,
    pub failed: u64,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Change {
    pub key: String,
    pub id: Option<String>,
    pub version: Option<i64>,
    pub action: String,
    pub drifted: bool,
    pub fields: Vec<Field>,
    pub next_run_at: NextRun,
    pub problem: Option<Problem>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Field {
    pub pointer: String,
    pub before: Value,
    pub after: Value,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct NextRun {
    pub before: Option<Timestamp>,
    pub after: Option<Timestamp>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Problem {
    pub code: String,
    pub detail: String,
}

impl Summary {
    /// How many jobs an application would change.
    pub const fn pending(&self) -> u64 {
        self.create + self.update + self.delete + self.pause
    }

    pub const fn add(&mut self, other: Self) {
        self.create += other.create;
        self.update += other.update;
        self.delete += other.delete;
        self.pause += other.pause;
        self.orphan += other.orphan;
        self.unchanged += other.unchanged;
        self.failed += other.failed;
    }

    /// `1 to create, 7 unchanged`, or `1 created, 7 unchanged`.
    pub fn words(&self, is_done: bool) -> String {
        let verbs = match is_done {
            true => ["created", "updated", "deleted", "paused"],
            false => ["to create", "to update", "to delete", "to pause"],
        };
        let counts = [self.create, self.update, self.delete, self.pause].into_iter().zip(verbs);
        let others =
            [(self.orphan, "no longer in the files"), (self.unchanged, "unchanged"), (self.failed, "failed")];
        let words: Vec<String> = counts
            .chain(others)
            .filter(|(count, _)| *count > 0)
            .map(|(count, verb)| format!("{count} {verb}"))
            .collect();
        if words.is_empty() { "no jobs".to_owned() } else { words.join(", ") }
    }
}

/// The plan, below a line with the stack and the server. `jobs` are those of the files.
pub fn show(plan: &Plan, title: &str, jobs: &Node, clock: &Clock) -> String {
    let mut text = format!("{BOLD}{title}{BOLD:#}\n");
    let width = plan.changes.iter().map(|change| change.key.chars().count()).max().unwrap_or(0).min(40);
    for change in &plan.changes {
        let (sign, style) = match change.action.as_str() {
            "create" => ("+", GREEN),
            "update" => ("~", YELLOW),
            "pause" => ("‖", YELLOW),
            "delete" => ("-", RED),
            "orphan" => ("?", DIM),
            // Unchanged jobs are counted below.
            _ => continue,
        };
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "  {style}{sign} {:width$}{style:#}  {}", change.key, about(change, jobs, clock));
        text.truncate(text.trim_end().len());
        text.push('\n');
        for field in &change.fields {
            text.push_str(&show_field(field));
        }
        if change.action == "update" && change.next_run_at.before != change.next_run_at.after {
            let at = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), |at| clock.show(at));
            let _ = writeln!(
                text,
                "      next run  {} → {}",
                at(change.next_run_at.before),
                at(change.next_run_at.after)
            );
        }
        if let Some(problem) = &change.problem {
            let _ = writeln!(text, "      {RED}{}{RED:#} ({})", problem.detail, problem.code);
        }
    }
    if plan.summary.unchanged > 0 {
        let _ = writeln!(text, "  = {} unchanged", plan.summary.unchanged);
    }
    for key in &plan.paused {
        let _ = writeln!(text, "  {YELLOW}!{YELLOW:#} {key} stays paused: the file does not set its state");
    }
    text
}

fn about(change: &Change, jobs: &Node, clock: &Clock) -> String {
    let text = |path: &[&str]| jobs.get(&change.key).and_then(|job| job.at(path)).and_then(Node::as_str);
    match change.action.as_str() {
        "create" => {
            let next = change
                .next_run_at
                .after
                .map_or_else(String::new, |at| format!(", next run {}", clock.show(at)));
            let method = text(&["request", "method"]).unwrap_or("GET");
            format!("{method} {}{next}", text(&["request", "url"]).unwrap_or_default())
        }
        "update" if change.drifted => "changed outside of apply".to_owned(),
        "delete" => "its executions are deleted, too".to_owned(),
        "orphan" => "is not in the files; --prune deletes it".to_owned(),
        _ => String::new(),
    }
}

fn show_field(field: &Field) -> String {
    let name = field.pointer.trim_start_matches('/').replace('/', ".");
    if field.pointer == "/request/body"
        && let (Value::String(before), Value::String(after)) = (&field.before, &field.after)
    {
        return format!("      {name}  {} → {} bytes\n{}", before.len(), after.len(), lines(before, after));
    }
    let header = field.pointer.strip_prefix("/request/headers/").unwrap_or_default();
    let value = |value: &Value| match value {
        Value::Null => "–".to_owned(),
        Value::Array(rules) if field.pointer == "/notify" => cut(&show_rules(rules)),
        Value::String(text) if is_sensitive(header) && !text.contains("secret://") => "••••".to_owned(),
        value => cut(&value.to_string()),
    };
    format!("      {name}  {} → {}\n", value(&field.before), value(&field.after))
}

/// `on-call: on_failure after 3, mail: on_recovery`
fn show_rules(rules: &[Value]) -> String {
    let rule = |rule: &Value| {
        let text = |field: &str| rule[field].as_str().unwrap_or_default();
        let after =
            rule["after_failures"].as_u64().map_or_else(String::new, |count| format!(" after {count}"));
        format!("{}: {}{after}", text("channel"), text("event"))
    };
    match rules.is_empty() {
        true => "–".to_owned(),
        false => rules.iter().map(rule).collect::<Vec<_>>().join(", "),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The lines that only one of two texts has.
fn lines(before: &str, after: &str) -> String {
    let only = |of: &str, other: &str, sign: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        of.lines()
            .filter(|line| !other.contains(line))
            .map(|line| format!("        {sign} {}\n", cut(line)))
            .collect()
    };
    let mut lines = only(before, after, "-");
    lines.extend(only(after, before, "+"));
    if lines.len() > MAX_BODY_LINES {
        lines.truncate(MAX_BODY_LINES);
        lines.push("        …\n".to_owned());
    }
    lines.concat()
}
