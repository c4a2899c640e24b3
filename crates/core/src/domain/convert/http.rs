//! Files of requests as the REST Client of VS Code reads them (`.http`, `.rest`).

use std::collections::BTreeMap;

use super::{
    builder::Builder,
    command::{self, Context},
    draft::When,
    finding::{Place, cut},
    output::Output,
};
use crate::domain::{invalid::Invalid, variables};

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"];
/// How often variables may name each other, and how long a text may become.
const MAX_ROUNDS: usize = 8;
const MAX_TEXT_BYTES: usize = 512 * 1024;

type Variables = BTreeMap<String, String>;

/// A request between two lines `###`.
#[derive(Default)]
struct Block<'a> {
    name: Option<&'a str>,
    /// With their numbers.
    lines: Vec<(usize, &'a str)>,
}

pub(super) fn read(text: &str, output: &mut Output<'_>) {
    let variables = variables_of(text, output);
    let (mut block, mut blocks) = (Block::default(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("###") {
            blocks.push(std::mem::take(&mut block));
            block.name = Some(title.trim_matches(['#', ' '])).filter(|name| !name.is_empty());
        } else {
            block.lines.push((index + 1, line));
        }
    }
    blocks.push(block);
    for block in blocks {
        block.read(&variables, output);
    }
}

/// `@name = value`, anywhere in the file.
fn variables_of(text: &str, output: &mut Output<'_>) -> Variables {
    let mut variables = Variables::new();
    for (index, line) in text.lines().enumerate() {
        if let Some((name, value)) = variable(line) {
            variables.insert(name.to_owned(), value.to_owned());
            output.no_meaning(
                Place::Line(index + 1),
                name,
                "Its value is written into the requests that use it.",
            );
        }
    }
    variables
}

fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('@')?.split_once('=')?;
    (!name.trim().contains(char::is_whitespace)).then(|| (name.trim(), value.trim()))
}

impl<'a> Block<'a> {
    fn read(mut self, variables: &Variables, output: &mut Output<'_>) {
        // What stands above the request line: comments, settings and variables.
        let is_comment = |line: &str| line.starts_with('#') || line.starts_with("//");
        let start = self.lines.iter().position(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !is_comment(line) && variable(line).is_none()
        });
        let head: Vec<_> = self.lines.drain(..start.unwrap_or(self.lines.len())).collect();
        let mut lost = Vec::new();
        for (number, line) in head.into_iter().filter(|(_, line)| is_comment(line.trim())) {
            let text = line.trim().trim_start_matches(['#', '/']).trim();
            match text.strip_prefix("@name").map(str::trim) {
                Some(name) if !name.is_empty() => self.name = Some(name.trim_start_matches('=').trim()),
                _ if text.starts_with("@prompt") => lost.push(text),
                _ => output.no_meaning(
                    Place::Line(number),
                    line,
                    "It is a comment, or a setting of the editor.",
                ),
            }
        }
        let Some((number, first)) = self.lines.first().copied() else { return };
        output.job(Place::Line(number), first, |job| {
            (job.draft.when, job.draft.state) = (When::OneTime, Some("draft"));
            if let Some(name) = self.name {
                job.name(name);
            }
            for text in lost {
                job.lost(text, Invalid::new("prompt", "The editor asks for this value; a job cannot ask."));
            }
            self.request(variables, job)
        });
    }

    fn request(&self, variables: &Variables, job: &mut Builder) -> Result<(), Invalid> {
        let (_, first) = self.lines[0];
        if first.trim_start().starts_with("curl ") {
            let text = self.lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
            let none = |_: &str| None;
            return command::read(text.trim(), Context { variables: &none, stdin: None }, job);
        }
        let mut lines = self.lines.iter().map(|(number, line)| (*number, *line)).peekable();
        lines.next();
        let mut line = first.trim().to_owned();
        // A query over several lines.
        while let Some((_, more)) = lines.next_if(|(_, line)| line.trim_start().starts_with(['?', '&'])) {
            line.push_str(more.trim());
        }
        let (method, url) = request_line(&line);
        job.draft.request.method = command::method(method)?;
        job.url(&filled(url, variables)?)?;
        for (number, line) in lines.by_ref() {
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            header(number, line, variables, job)?;
        }
        let body: Vec<&str> = lines.map(|(_, line)| line).collect();
        job.draft.request.body = self::body(&body, variables, job)?;
        Ok(())
    }
}

/// The method is GET if there is only a URL; the version of HTTP does not matter.
fn request_line(line: &str) -> (&str, &str) {
    let (method, url) = match line.split_once(char::is_whitespace) {
        Some((method, url)) if METHODS.contains(&method.to_ascii_uppercase().as_str()) => {
            (method, url.trim())
        }
        _ => ("GET", line),
    };
    let version = url.rfind(" HTTP/").unwrap_or(url.len());
    (method, url[..version].trim())
}

fn header(number: usize, line: &str, variables: &Variables, job: &mut Builder) -> Result<(), Invalid> {
    if line.starts_with('#') || line.starts_with("//") {
        job.no_meaning(line, "It is a comment.");
        return Ok(());
    }
    let Some((name, value)) = line.split_once(':') else {
        let detail = format!("Line {number} is not a header, which is a name, a colon and a value.");
        return Err(Invalid::new("http_header", detail).hint("Put an empty line above the body."));
    };
    let value = filled(value.trim(), variables)?;
    if !name.trim().eq_ignore_ascii_case("authorization") {
        return job.header(name.trim(), &value);
    }
    // The editor encodes user and password.
    let words: Vec<&str> = value.split_whitespace().collect();
    match words.as_slice() {
        ["Digest" | "AWS" | "digest" | "aws", ..] => {
            let detail = "The request signs its credentials in the editor; a job sends them as they are.";
            Err(Invalid::new("command_auth", detail).hint("Use Basic or Bearer."))
        }
        ["Basic" | "basic", user, password] => job.basic(&format!("{user}:{password}")),
        ["Basic" | "basic", pair] if pair.contains(':') => job.basic(pair),
        _ => job.header("Authorization", &value),
    }
}

fn body(lines: &[&str], variables: &Variables, job: &mut Builder) -> Result<Option<String>, Invalid> {
    let mut kept = Vec::new();
    for line in lines {
        let trimmed = line.trim();
        if trimmed.starts_with("< ") || trimmed.starts_with("<@") {
            return Err(Invalid::new("command_file", "The body is a file, which is not here.")
                .hint("Write the text of the file into the request."));
        }
        if trimmed.starts_with("> {%") || trimmed.starts_with(">> ") {
            job.lost(trimmed, Invalid::new("script", "A script reads the response; TrigRun runs none."));
            break;
        }
        if variable(line).is_none() {
            kept.push(*line);
        }
    }
    let text = kept.join("\n");
    let text = text.trim_matches(['\r', '\n']);
    if text.trim().is_empty() { Ok(None) } else { filled(text, variables).map(Some) }
}

/// The text with the variables of the file, and with those of the editor that TrigRun has too.
fn filled(text: &str, variables: &Variables) -> Result<String, Invalid> {
    let mut text = text.to_owned();
    for _ in 0..MAX_ROUNDS {
        let (mut filled, mut rest, mut is_changed) =
            (String::with_capacity(text.len()), text.as_str(), false);
        while let Some((before, after)) = rest.split_once("{{") {
            filled.push_str(before);
            let Some((name, after)) = after.split_once("}}") else {
                filled.push_str("{{");
                rest = after;
                continue;
            };
            let value = value_of(name.trim(), variables)?;
            is_changed |= !value.starts_with("{{");
            filled.push_str(&value);
            rest = after;
            if filled.len() > MAX_TEXT_BYTES {
                return Err(Invalid::new("shell_too_long", "The variables make the request too long."));
            }
        }
        filled.push_str(rest);
        text = filled;
        if !is_changed {
            return Ok(text);
        }
    }
    Err(Invalid::new("http_variable", "The variables of the file name each other without an end."))
}

fn value_of(name: &str, variables: &Variables) -> Result<String, Invalid> {
    let is_known = |name: &str| variables::NAMES.iter().any(|(known, _)| *known == name);
    match (name, variables.get(name)) {
        (_, Some(value)) => Ok(value.clone()),
        ("$guid", _) => Ok("{{uuid}}".to_owned()),
        ("$timestamp", _) => Ok("{{timestamp}}".to_owned()),
        _ if is_known(name) => Ok(format!("{{{{{name}}}}}")),
        _ => {
            let detail = format!("The value of the variable {} is unknown here.", cut(name, 60));
            Err(Invalid::new("http_variable", detail).hint("Write its value into the file: @name = value."))
        }
    }
}
