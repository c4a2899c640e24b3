//! Parses one line of a crontab: its kind, and where its expression ends.

use super::{Cron, Invalid, MAX_LINE_BYTES, command::called_url};

/// How much of a line that is too long is returned in its error.
const MAX_EXCERPT_CHARS: usize = 100;

/// The kind of a line.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::domain) enum Line<'a> {
    /// Blank, or a comment.
    Nothing,
    /// `CRON_TZ=Europe/Berlin`
    Zone(&'a str),
    /// `NAME=value`, for the commands of other lines.
    Variable { name: &'a str, value: &'a str },
    /// An expression, its fields separated by one space, and the text after it.
    Fires { expression: String, rest: &'a str },
}

/// Parses a line, which has no surrounding space.
pub(in crate::domain) fn read(text: &str) -> Result<Line<'_>, Invalid> {
    if text.is_empty() || text.starts_with('#') {
        return Ok(Line::Nothing);
    }
    if text.len() > MAX_LINE_BYTES {
        return Err(Invalid::new(
            "crontab_line_too_long",
            format!("A line has at most {MAX_LINE_BYTES} bytes."),
        ));
    }
    match assignment(text) {
        Some(("CRON_TZ" | "TZ", value)) => Ok(Line::Zone(value)),
        Some((name, value)) => Ok(Line::Variable { name, value }),
        None => Ok(split(text)),
    }
}

/// The URL of a line: the text after its expression, if there is any.
pub(in crate::domain) fn url(rest: &str) -> Result<Option<&str>, Invalid> {
    let mut words = words(rest);
    let Some(first) = words.next() else { return Ok(None) };
    let Some(second) = words.next() else { return as_written(first).map(Some) };
    if is_url(first) && !first.starts_with(QUOTES) {
        let hint = match second {
            _ if second.starts_with('#') => "Put the comment on a separate line.",
            _ if is_url(second) => "Write each URL on its own line.",
            _ => "Remove it.",
        };
        return Err(Invalid::new("crontab_trailing", "The line has text after the URL.").hint(hint));
    }
    Err(command(called_url(rest)))
}

const QUOTES: [char; 2] = ['"', '\''];

/// A URL, unless it is written for a shell or for cron.
fn as_written(url: &str) -> Result<&str, Invalid> {
    if is_url(url) && url.starts_with(QUOTES) {
        return Err(Invalid::new("crontab_quotes", "The URL is in quotes.").hint("Leave out the quotes."));
    }
    if url.contains("\\%") {
        let detail = "The URL has \\%, which is how cron writes % in a command.";
        return Err(
            Invalid::new("crontab_escape", detail).hint("Write % alone: nothing in a URL is escaped here.")
        );
    }
    Ok(url)
}

/// The line, or the beginning of one that is too long.
pub(in crate::domain) fn excerpt(text: &str) -> String {
    if text.len() <= MAX_LINE_BYTES {
        return text.to_owned();
    }
    text.chars().take(MAX_EXCERPT_CHARS).chain(['…']).collect()
}

/// `NAME=value` as in crontab(5): space around the `=` and quotes around name and value are ignored. An expression never
/// matches, because its first field has no letters.
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

/// How many words of a line belong to its expression: five, or one for a shorthand, unless there are clearly fewer or
/// more. Then the error is about their number, and not about a field in the wrong position.
fn expression_length(words: &[&str]) -> usize {
    if words[0].starts_with('@') {
        return 1;
    }
    let fields = words.iter().take_while(|word| looks_like_a_field(word)).count();
    match words.iter().position(|word| is_url(word)) {
        Some(before) if before < 5 || before == fields => before,
        None if fields > 5 => fields,
        _ => words.len().min(5),
    }
}

/// Whether the word begins like a field, or is a field of names.
fn looks_like_a_field(word: &str) -> bool {
    let is_named = |expression: String| Cron::parse(&expression, "UTC").is_ok();
    if word.starts_with(|char: char| char.is_ascii_digit() || char == '*' || char == '?') {
        return word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*?/,-#".contains(&byte));
    }
    is_named(format!("0 0 * {word} *")) || is_named(format!("0 0 * * {word}"))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t']).filter(|word| !word.is_empty())
}

pub(in crate::domain) fn is_url(word: &str) -> bool {
    word.contains("://")
}

fn command(url: Option<String>) -> Invalid {
    let invalid = Invalid::new(
        "crontab_command",
        "The line has a command after the expression. TrigRun runs no commands.",
    );
    match url {
        Some(url) => invalid.hint(format!(
            "TrigRun calls the URL itself: replace the command with {url}. Set method, headers and body on the job."
        )),
        None => invalid.hint("Replace the command with the URL to call."),
    }
}
