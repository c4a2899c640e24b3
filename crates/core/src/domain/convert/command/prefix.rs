//! What stands in front of a program: users, limits, locks, shells.

use std::{iter::Peekable, vec::IntoIter};

use super::{program, unknown_program};
use crate::domain::{convert::builder::Builder, invalid::Invalid};

/// What is left of a command.
pub(super) enum Stripped {
    /// Its name, without a folder, and its arguments.
    Program(String, Vec<String>),
    /// The text of `sh -c`.
    Shell(String),
}

/// Programs that run another one, with their options that take a value.
const WRAPPERS: [(&str, &str); 13] = [
    ("sudo", "ugphCDRT"),
    ("doas", "uC"),
    ("env", "uCS"),
    ("nice", "n"),
    ("ionice", "cnp"),
    ("nohup", ""),
    ("exec", "a"),
    ("command", ""),
    ("time", "fo"),
    ("chronic", ""),
    ("setsid", ""),
    ("timeout", "ks"),
    ("flock", "wE"),
];
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "busybox"];

pub(super) fn is_prefix(name: &str) -> bool {
    SHELLS.contains(&name) || WRAPPERS.iter().any(|(known, _)| *known == name)
}

/// `NAME=value`
pub(in crate::domain::convert) fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, value))
}

pub(super) fn strip(words: Vec<String>, job: &mut Builder) -> Result<Stripped, Invalid> {
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let name = program(&word).to_owned();
        if let Some((variable, _)) = assignment(&word) {
            variable_set(variable, job);
        } else if word == "$" || word == "%" {
            job.no_meaning(word.as_str(), "It is the prompt of a shell.");
        } else if SHELLS.contains(&name.as_str()) {
            return shell(&name, words.collect());
        } else if let Some((_, with_value)) = WRAPPERS.iter().find(|(known, _)| *known == name) {
            let mut options = Vec::new();
            while let Some(option) = words.next_if(|word| word.starts_with('-') && word.len() > 1) {
                let value = takes_value(&option, with_value).then(|| words.next()).flatten();
                options.push((option, value));
            }
            match name.as_str() {
                "timeout" => timeout(words.next(), job)?,
                "flock" => {
                    if let Some(script) = flock(&options, &mut words, job) {
                        return Ok(Stripped::Shell(script));
                    }
                }
                _ => job.no_meaning(name.as_str(), "TrigRun runs no program that this could act on."),
            }
        } else {
            return Ok(Stripped::Program(name, words.collect()));
        }
    }
    Err(Invalid::new("command_empty", "The line has no command.")
        .hint("Write a curl or wget command, or a URL."))
}

/// Whether the value of an option is the next word.
fn takes_value(option: &str, with_value: &str) -> bool {
    let mut letters = option.strip_prefix('-').unwrap_or_default().chars();
    let first = letters.next().unwrap_or('-');
    match first {
        '-' => matches!(option, "--user" | "--group" | "--signal" | "--kill-after" | "--wait" | "--timeout"),
        _ => with_value.contains(option.chars().last().unwrap_or('-')),
    }
}

fn variable_set(name: &str, job: &mut Builder) {
    if name.to_ascii_lowercase().ends_with("_proxy") {
        let detail = format!("{name} sets a proxy. TrigRun calls the target without one.");
        job.lost(name, Invalid::new("proxy", detail));
    } else {
        job.no_meaning(name, "TrigRun runs no program that could read this variable.");
    }
}

/// `60`, `1.5m`, `2h`
fn timeout(duration: Option<String>, job: &mut Builder) -> Result<(), Invalid> {
    let text = duration.unwrap_or_default();
    let unit = match text.chars().last() {
        Some('m') => 60.0,
        Some('h') => 3600.0,
        Some('d') => 86_400.0,
        _ => 1.0,
    };
    let number: Option<f64> = text.trim_end_matches(['s', 'm', 'h', 'd']).parse().ok();
    let seconds = number.filter(|number| number.is_finite() && *number >= 0.0).ok_or_else(|| {
        Invalid::new("command_option", "The time of timeout is not a number, with s, m, h or d after it.")
    })?;
    // 0 is no limit.
    if seconds > 0.0 {
        job.timeout("timeout", seconds * unit);
    }
    Ok(())
}

/// A lock keeps the command from running twice at once. Returns the text of `-c`.
fn flock(
    options: &[(String, Option<String>)],
    words: &mut Peekable<IntoIter<String>>,
    job: &mut Builder,
) -> Option<String> {
    let is_short = |option: &str, letter: char| !option.starts_with("--") && option.contains(letter);
    let gives_up = options.iter().any(|(option, _)| {
        is_short(option, 'n') || matches!(option.as_str(), "--nb" | "--nonblock" | "--nonblocking")
    });
    if let Some((option, _)) = options.iter().find(|(option, _)| {
        is_short(option, 'w') || option.starts_with("--wait") || option.starts_with("--timeout")
    }) {
        let detail = "flock waits for a limited time; the job waits until the one before has ended.";
        job.lost(option.as_str(), Invalid::new("flock_wait", detail));
    }
    job.draft.never_at_once(gives_up.then_some("skip"));
    // The file of the lock.
    words.next();
    words.next_if(|word| word == "-c" || word == "--command").and_then(|_| words.next())
}

fn shell(name: &str, words: Vec<String>) -> Result<Stripped, Invalid> {
    let is_c = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    // `busybox wget …`
    if name == "busybox" && words.first().is_some_and(|first| super::is_client(first)) {
        let mut words = words.into_iter();
        let client = words.next().unwrap_or_default();
        return Ok(Stripped::Program(client, words.collect()));
    }
    match words.as_slice() {
        [options @ .., script]
            if options.last().is_some_and(is_c) && options.iter().all(|o| o.starts_with('-')) =>
        {
            Ok(Stripped::Shell(script.clone()))
        }
        _ => Err(unknown_program(name)),
    }
}
