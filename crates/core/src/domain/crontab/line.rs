//! One line of a crontab: what it is, and where its expression ends.

use super::{Cron, Invalid, LINE_MAX};

/// How much of a line that is too long is shown again, in characters.
const EXCERPT: usize = 100;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Blank, or a comment.
    Nothing,
    /// `CRON_TZ=Europe/Berlin`
    Zone(&'a str),
    /// An expression, its fields separated by one space, and what follows it.
    Fires { expression: String, rest: &'a str },
}

/// Tells what a line is. It has no space around it.
pub(super) fn read(text: &str) -> Result<Line<'_>, Invalid> {
    if text.is_empty() || text.starts_with('#') {
        return Ok(Line::Nothing);
    }
    if text.len() > LINE_MAX {
        return Err(Invalid::new("crontab_line_too_long", format!("A line has at most {LINE_MAX} bytes.")));
    }
    match assignment(text) {
        Some(("CRON_TZ" | "TZ", value)) => Ok(Line::Zone(value)),
        Some((name, _)) => {
            let detail = format!("{name} is a variable, and TrigRun runs no commands that could read it.");
            Err(Invalid::new("crontab_variable", detail).hint("Only CRON_TZ and TZ are understood."))
        }
        None => Ok(split(text)),
    }
}

/// The URL of a line: what follows its expression, if anything does.
pub(super) fn url(rest: &str) -> Result<Option<&str>, Invalid> {
    let mut words = words(rest);
    let Some(first) = words.next() else { return Ok(None) };
    let Some(second) = words.next() else { return Ok(Some(first)) };
    if is_url(first) {
        let hint =
            if second.starts_with('#') { "A comment stands on a line of its own." } else { "Leave it out." };
        return Err(
            Invalid::new("crontab_trailing", "Something follows the URL, which ends the line.").hint(hint)
        );
    }
    Err(command(self::words(rest).find(|word| is_url(word))))
}

/// The line, or the beginning of one that is too long.
pub(super) fn excerpt(text: &str) -> String {
    if text.len() <= LINE_MAX {
        return text.to_owned();
    }
    text.chars().take(EXCERPT).chain(['…']).collect()
}

/// `NAME=value` as crontab(5) has it: space around the `=`, and quotes around both, change nothing. No expression
/// looks like this: its first field has no letters.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let name = unquoted(name.trim());
    let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| (name, unquoted(value.trim())))
}

fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

fn split(text: &str) -> Line<'_> {
    let count = expression_length(&words(text).collect::<Vec<_>>());
    let mut rest = text;
    let mut fields = Vec::with_capacity(count);
    while fields.len() < count {
        let (field, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        fields.push(field);
        rest = after.trim_start_matches([' ', '\t']);
    }
    Line::Fires { expression: fields.join(" "), rest }
}

/// How many of the words of a line are its expression. Five, or one shorthand, unless it is plain that there are fewer
/// or more: then the error is about their number, and not about a field that happens to stand in the wrong place.
fn expression_length(words: &[&str]) -> usize {
    if words[0].starts_with('@') {
        return 1;
    }
    let fields = words.iter().take_while(|word| is_like_a_field(word)).count();
    match words.iter().position(|word| is_url(word)) {
        Some(before) if before < 5 || before == fields => before,
        None if fields > 5 => fields,
        _ => words.len().min(5),
    }
}

/// Begins as only fields begin, or is one by its names.
fn is_like_a_field(word: &str) -> bool {
    let is_named = |expression: String| Cron::parse(&expression, "UTC").is_ok();
    if word.starts_with(|char: char| char.is_ascii_digit() || char == '*' || char == '?') {
        return word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*?/,-#".contains(&byte));
    }
    is_named(format!("0 0 * {word} *")) || is_named(format!("0 0 * * {word}"))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t']).filter(|word| !word.is_empty())
}

fn is_url(word: &str) -> bool {
    word.contains("://")
}

fn command(url: Option<&str>) -> Invalid {
    let invalid = Invalid::new("crontab_command", "A command follows the expression, and TrigRun runs none.");
    match url {
        Some(url) => {
            let url = url.trim_matches(['"', '\'']);
            invalid.hint(format!(
                "TrigRun calls the URL itself: write only {url} there. Method, headers and body are set on the job."
            ))
        }
        None => invalid.hint("Write the URL to call there."),
    }
}
