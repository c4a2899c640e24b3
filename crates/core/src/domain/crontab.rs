//! A crontab as people have it, read line by line into what can become jobs and what cannot.
//!
//! A line is a cron expression and the URL to call. Every line that asks for something ends in exactly one of the two
//! lists: nothing is dropped without a word, and nothing is guessed. The URLs are not judged here.

mod line;

use chrono::{DateTime, Utc};

use super::{
    invalid::{Invalid, Several},
    schedule::{Cron, CronError},
};
use line::Line;

/// The most lines that may ask for something, which bounds the jobs made by one request.
pub const ENTRIES_MAX: usize = 1000;

/// The longest line, in bytes: an expression and a URL at their longest, with every character of the URL in four bytes.
pub const LINE_MAX: usize = 9 * 1024;

/// What holds for the lines that do not say it themselves.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    /// Called by the lines without a URL.
    pub url: Option<&'a str>,
    /// The zone of the lines before the first `CRON_TZ=`. The caller has checked it; the lines of an unknown one are
    /// refused.
    pub timezone: &'a str,
}

/// A crontab taken apart, both lists in the order of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crontab {
    pub entries: Vec<Entry>,
    pub refused: Vec<Refused>,
}

/// A line that can become a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    /// The line, without the space around it.
    pub text: String,
    pub cron: Cron,
    /// As written, or the default; not judged.
    pub url: String,
}

/// A line that asks for something that cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Counted from 1.
    pub line: usize,
    /// The line, without the space around it; only the beginning of one that is too long.
    pub text: String,
    pub invalid: Invalid,
}

/// Reads a crontab: Unix or Windows line ends, with or without a byte order mark.
///
/// `CRON_TZ=` and `TZ=` set the zone of the lines after them. When that zone is unknown, those lines are refused until the
/// next zone that is known: a job that is not made is better than one that runs at another hour than its owner meant.
///
/// Codes of refused lines: those of [`Cron::parse`] and [`Cron::check_fires`], and `crontab_line_too_long`,
/// `crontab_variable`, `crontab_timezone`, `crontab_url_missing`, `crontab_command`, `crontab_trailing`.
///
/// A thousand lines with as many unknown zones are long work (seven seconds in an unoptimised build), because each is
/// answered with the nearest names: not for a thread that others wait for.
///
/// # Errors
/// `crontab_too_many_lines`, for the whole: more than [`ENTRIES_MAX`] lines ask for something.
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
            Ok(Line::Fires { expression, rest }) => match &zone {
                Ok(zone) => job(&expression, rest, zone, defaults.url, now),
                Err(_) => Err(zone_unknown()),
            },
            Err(invalid) => Err(invalid),
        };
        if crontab.entries.len() + crontab.refused.len() == ENTRIES_MAX {
            return Err(too_many());
        }
        match outcome {
            Ok((cron, url)) => crontab.entries.push(Entry { line, text: text.to_owned(), cron, url }),
            Err(invalid) => crontab.refused.push(Refused { line, text: line::excerpt(text), invalid }),
        }
    }
    Ok(crontab)
}

/// The expression is looked at first: what is wrong with it is more to the point than what follows it.
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

/// The name back, if there is such a zone.
fn known_zone(name: &str) -> Result<String, Invalid> {
    let is_zone = |name: &str| Cron::parse("@daily", name).map(|_| name.to_owned()).map_err(first);
    if name.split_once([' ', '\t']).is_some_and(|(zone, _)| is_zone(zone).is_ok()) {
        // Some schedulers read a zone in front of its expression.
        return Err(Invalid::new(
            "crontab_timezone",
            "Something follows the time zone, which ends the line.",
        )
        .hint("CRON_TZ stands on a line of its own, above the lines it is for."));
    }
    is_zone(name)
}

fn first(errors: Several<CronError>) -> Invalid {
    errors.into_first().invalid
}

fn zone_unknown() -> Invalid {
    Invalid::new("crontab_timezone", "The time zone set above this line is not known, so the line has none.")
        .hint("Correct the CRON_TZ line, or the default time zone, and import the line again.")
}

fn too_many() -> Invalid {
    Invalid::new("crontab_too_many_lines", format!("A crontab has at most {ENTRIES_MAX} lines with a job."))
        .hint("Import it in parts.")
}

#[cfg(test)]
mod tests;
