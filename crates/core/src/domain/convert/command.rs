//! Reads a command that makes one request: curl or wget, with what usually stands around it.

mod curl;
mod options;
mod prefix;
mod wget;

pub(super) use curl::method;
pub(super) use prefix::assignment;

use super::{
    builder::Builder,
    words::{Token, Variables, tokens},
};
use crate::domain::invalid::Invalid;

/// What a command is read with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) variables: Variables<'a>,
    /// The text that cron gives to the command.
    pub(super) stdin: Option<&'a str>,
}

/// How many shells may call each other: `sh -c "sh -c …"`.
const MAX_DEPTH: usize = 3;

/// Reads a command into a job: its request, its attempts and its limits.
///
/// Codes of refusals: those of [`tokens`], and `command_empty`, `command_program`, `command_chain`, `command_option`, `command_url`,
/// `command_file`, `command_method`, `command_auth`, and those of headers and URLs.
pub(super) fn read(text: &str, context: Context<'_>, job: &mut Builder) -> Result<(), Invalid> {
    read_nested(text, context, job, MAX_DEPTH)
}

/// Whether the text begins with a program that this module reads, or with what may stand in front of one.
pub(super) fn is_command(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    words.next().is_some_and(|first| {
        let name = program(first);
        is_client(name) || prefix::is_prefix(name) || prefix::assignment(first).is_some()
    })
}

/// The words of a command, which are its program and its arguments.
pub(super) fn read_words(words: Vec<String>, context: Context<'_>, job: &mut Builder) -> Result<(), Invalid> {
    read_program(words, context, job, MAX_DEPTH)
}

fn read_nested(text: &str, context: Context<'_>, job: &mut Builder, depth: usize) -> Result<(), Invalid> {
    let words = simple(tokens(text, context.variables)?, job)?;
    read_program(words, context, job, depth)
}

fn read_program(
    words: Vec<String>,
    context: Context<'_>,
    job: &mut Builder,
    depth: usize,
) -> Result<(), Invalid> {
    match prefix::strip(words, job)? {
        prefix::Stripped::Shell(script) if depth > 0 => read_nested(&script, context, job, depth - 1),
        prefix::Stripped::Shell(_) => Err(unknown_program("sh")),
        prefix::Stripped::Program(name, arguments) => {
            match name.as_str() {
                "curl" | "curl.exe" => curl::read(arguments, context.stdin, job)?,
                "wget" | "wget2" | "wget.exe" => wget::read(arguments, context.stdin, job)?,
                other => return Err(unknown_program(other)),
            }
            job.warn_of_variables();
            Ok(())
        }
    }
}

/// Reports a text that cron gives to the command, and that no request has.
fn unsent(stdin: Option<&str>, job: &mut Builder) {
    if let Some(stdin) = stdin.filter(|stdin| !stdin.is_empty()) {
        let detail = "The command is given a text that it does not send.";
        job.lost(stdin, Invalid::new("stdin", detail));
    }
}

fn is_client(name: &str) -> bool {
    matches!(name, "curl" | "curl.exe" | "wget" | "wget2" | "wget.exe")
}

/// The name of a program, without its folder.
fn program(word: &str) -> &str {
    word.rsplit(['/', '\\']).next().unwrap_or(word)
}

fn unknown_program(name: &str) -> Invalid {
    let name = super::finding::cut(name, 60);
    let detail = format!("The command runs {name}. TrigRun runs no programs: it makes HTTP requests.");
    Invalid::new("command_program", detail)
        .hint("Let a server run it when a URL is called, and call that URL.")
}

/// The one command among the tokens. What does nothing to its request may stand around it.
fn simple(tokens: Vec<Token>, job: &mut Builder) -> Result<Vec<String>, Invalid> {
    let (mut commands, mut operators) = (vec![Vec::new()], Vec::new());
    for token in tokens {
        match token {
            Token::Word(word) => commands.last_mut().into_iter().for_each(|last| last.push(word.clone())),
            Token::Redirection(file) => {
                job.no_meaning(file.as_str(), "TrigRun keeps the response with the execution.");
            }
            Token::Comment(comment) => job.no_meaning(format!("# {comment}").as_str(), "It is a comment."),
            Token::Operator(operator) => {
                operators.push(operator);
                commands.push(Vec::new());
            }
        }
    }
    while commands.len() > 1 {
        if is_harmless_end(operators.last().copied(), commands.last().map(Vec::as_slice)) {
            let words = commands.pop().unwrap_or_default().join(" ");
            let text = format!("{} {words}", operators.pop().unwrap_or_default());
            job.no_meaning(text.trim(), "A job has no exit status that another command could read.");
        } else if let (Some(";" | "&&"), true) = (operators.first().copied(), is_pause(&commands[0], job)) {
            commands.remove(0);
            operators.remove(0);
        } else {
            return Err(chain(&operators));
        }
    }
    Ok(commands.pop().unwrap_or_default())
}

/// `|| true`, a `;` or `&` at the end.
fn is_harmless_end(operator: Option<&str>, command: Option<&[String]>) -> bool {
    let words: Vec<&str> = command.into_iter().flatten().map(String::as_str).collect();
    match operator {
        Some(";" | "&" | "the end of a line") => words.is_empty(),
        Some("||") => matches!(words.as_slice(), ["true" | ":"] | ["exit", _]),
        _ => false,
    }
}

/// A command before the request that only waits, or changes the directory.
fn is_pause(words: &[String], job: &mut Builder) -> bool {
    let text = words.join(" ");
    match words.first().map(|word| program(word)) {
        Some("sleep") => {
            let detail = "The command waits before the request; the job does not.";
            job.lost(text.as_str(), Invalid::new("sleep", detail).hint("Move the schedule by this time."));
            true
        }
        Some("cd") => {
            job.no_meaning(text.as_str(), "A request has no directory.");
            true
        }
        _ => false,
    }
}

fn chain(operators: &[&str]) -> Invalid {
    let operator = operators.first().copied().unwrap_or_default();
    let detail = format!("The line has several commands, joined by {operator}. A job makes one request.");
    Invalid::new("command_chain", detail).hint("Write each request on its own line, without a pipe.")
}

#[cfg(test)]
mod tests;
