//! Reads a crontab line by line into entries that can become jobs, and refused lines.
//!
//! A line is a cron expression and the URL to call. Every line that is not blank, a comment or a valid zone ends in
//! exactly one of the two lists: no line is dropped silently, and nothing is guessed. The URLs are not checked here.

mod command;
mod line;

use chrono::{DateTime, Utc};

use super::{
    invalid::{Invalid, Several},
    schedule::{Cron, CronError},
};

pub(in crate::domain) use line::{Line, is_url, read as read_line, url as read_url};

/// How many entries and refused lines one crontab may have. This bounds the jobs that one request creates.
pub const MAX_ENTRIES: usize = 1000;

/// The longest line: an expression and a URL of maximum length, with four bytes for each character of the URL.
pub const MAX_LINE_BYTES: usize = 9 * 1024;

/// Defaults for lines that do not give a value.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    /// The URL of lines without one.
    pub url: Option<&'a str>,
    /// The zone of the lines before the first `CRON_TZ=`. The caller has checked it; lines with an unknown zone are
    /// refused.
    pub timezone: &'a str,
}

/// A parsed crontab; both lists are in the order of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crontab {
    pub entries: Vec<CrontabEntry>,
    pub refused: Vec<Refused>,
}

/// A line that can become a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrontabEntry {
    /// Counted from 1.
    pub line: usize,
    /// The line, without surrounding space.
    pub text: String,
    pub cron: Cron,
    /// As written, or the default; not checked.
    pub url: String,
}

/// A line that cannot become a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Counted from 1.
    pub line: usize,
    /// The line, without surrounding space; a line that is too long is cut.
    pub text: String,
    pub invalid: Invalid,
}

/// Reads a crontab: Unix or Windows line ends, with or without a byte order mark.
///
/// `CRON_TZ=` and `TZ=` set the zone of the lines after them. If that zone is unknown, those lines are refused until the
/// next known zone: creating no job is better than creating one that runs at the wrong hour.
///
/// Codes of refused lines: those of [`Cron::parse`] and [`Cron::check_fires`], and `crontab_line_too_long`,
/// `crontab_variable`, `crontab_timezone`, `crontab_url_missing`, `crontab_command`, `crontab_trailing`,
/// `crontab_quotes`, `crontab_escape`.
///
/// A thousand lines with as many unknown zones take long (seven seconds in an unoptimised build), because each error
/// suggests the nearest names. Do not call this on an async worker thread.
///
/// # Errors
/// `crontab_too_many_lines`, for the whole crontab: it has more than [`MAX_ENTRIES`] entries and refused lines.
pub fn read(text: &str, defaults: &Defaults<'_>, now: DateTime<Utc>) -> Result<Crontab, Invalid> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut crontab = Crontab::default();
    let mut zone = known_zone(defaults.timezone);
    for (index, raw) in text.lines().enumerate() {
        let (line, text) = (index + 1, raw.trim());
        let outcome = match line::read(text) {
            Ok(Line::Nothing) => continue,
            Ok(Line::Zone(name)) => {
                zone = known_zone(name);
                match &zone {
                    Ok(_) => continue,
                    Err(unknown) => Err(unknown.clone()),
                }
            }
            Ok(Line::Variable { name, .. }) => Err(variable(name)),
            Ok(Line::Fires { expression, rest }) => match &zone {
                Ok(zone) => job(&expression, rest, zone, defaults.url, now),
                Err(_) => Err(zone_unknown()),
            },
            Err(invalid) => Err(invalid),
        };
        if crontab.entries.len() + crontab.refused.len() == MAX_ENTRIES {
            return Err(too_many());
        }
        match outcome {
            Ok((cron, url)) => crontab.entries.push(CrontabEntry { line, text: text.to_owned(), cron, url }),
            Err(invalid) => crontab.refused.push(Refused { line, text: line::excerpt(text), invalid }),
        }
    }
    Ok(crontab)
}

/// The expression is checked first: its errors help more than those of the text after it.
fn job(
    expression: &str,
    rest: &str,
    zone: &str,
    default_url: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(Cron, String), Invalid> {
    let cron = Cron::parse(expression, zone).map_err(first)?;
    let url = line::url(rest)?.or(default_url).ok_or_else(|| {
        Invalid::new("crontab_url_missing", "The line has no URL, and there is no default URL.")
            .hint("Write the URL after the expression, or send default_url.")
    })?;
    cron.check_fires(now).map_err(|never| never.invalid)?;
    Ok((cron, url.to_owned()))
}

fn variable(name: &str) -> Invalid {
    let detail = format!("{name} is a variable. TrigRun runs no commands, so nothing could read it.");
    Invalid::new("crontab_variable", detail).hint("Only CRON_TZ and TZ are supported.")
}

/// Returns the name if there is such a zone.
pub(in crate::domain) fn known_zone(name: &str) -> Result<String, Invalid> {
    let is_zone = |name: &str| Cron::parse("@daily", name).map(|_| name.to_owned()).map_err(first);
    if name.split_once([' ', '\t']).is_some_and(|(zone, _)| is_zone(zone).is_ok()) {
        // Some schedulers accept a zone in front of the expression.
        return Err(Invalid::new("crontab_timezone", "The line has text after the time zone.")
            .hint("Put CRON_TZ on a separate line, above the lines it applies to."));
    }
    is_zone(name)
}

fn first(errors: Several<CronError>) -> Invalid {
    errors.into_first().invalid
}

pub(in crate::domain) fn zone_unknown() -> Invalid {
    Invalid::new(
        "crontab_timezone",
        "The time zone set above this line is unknown, so the line has no time zone.",
    )
    .hint("Correct the CRON_TZ line, or the default time zone, and import the line again.")
}

fn too_many() -> Invalid {
    Invalid::new("crontab_too_many_lines", format!("A crontab has at most {MAX_ENTRIES} lines with a job."))
        .hint("Import it in parts.")
}

#[cfg(test)]
mod tests;
