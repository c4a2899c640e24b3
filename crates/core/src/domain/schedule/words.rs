//! Describes a schedule in English, so that its author can check that it means what was intended.
//!
//! The description must be true for every valid expression, so it is made from the sets that the fields name and not from
//! how they were written. Only a cadence is described with "every"; a set of local times is described by hours and minutes,
//! because each of them runs once even if it occurs twice.

mod days;
mod time;

use super::fields::Fields;
use super::{Cron, Schedule, list};
use crate::domain::wording;

/// A longer description is hard to read; the pattern replaces it.
const MAX_WORDS_BYTES: usize = 450;

impl Schedule {
    /// When the schedule fires, in words: `at 09:00 from Monday to Friday, Europe/Berlin time`.
    ///
    /// Always under 600 characters. The text begins in lower case and has no full stop.
    pub fn in_words(&self) -> String {
        match self {
            Self::Recurring { every_seconds } => interval(*every_seconds),
            Self::Cron(cron) => of_cron(cron),
            Self::Scheduled { run_at } => format!("once, at {}", run_at.format("%Y-%m-%d %H:%M:%S%.f UTC")),
            Self::OneTime => "once, immediately".to_owned(),
        }
    }
}

/// Days are not used, because 24 hours are not always one day of local time.
fn interval(seconds: u32) -> String {
    let parts = [(seconds / 3600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")];
    let parts: Vec<_> = parts.into_iter().filter(|(count, _)| *count > 0).collect();
    match parts.as_slice() {
        [] => "every 0 seconds".to_owned(),
        [(1, unit)] => format!("every {unit}"),
        parts => {
            let parts = parts.iter().map(|(count, unit)| list::counted((*count).into(), unit));
            format!("every {}", wording::all_of(parts))
        }
    }
}

fn of_cron(cron: &Cron) -> String {
    let Ok(pattern) = cron.pattern() else {
        return format!("at the times of {}, which is no longer valid", cron.expression());
    };
    let fields = Fields::of(pattern);
    let zone = zone(cron);
    let (time, days) = (time::words(&fields), days::words(&fields));
    if days.is_empty() && time::is_period(&fields) && (zone == "UTC" || time::is_period_in_any_zone(&fields))
    {
        return time;
    }
    let between = match days.as_str() {
        "" => "",
        // "from 09:00 to 17:45, from Monday to Friday"
        days if days.starts_with("from ") && time.contains(" from ") => ", ",
        _ => " ",
    };
    let words = format!("{time}{between}{days}");
    if words.len() > MAX_WORDS_BYTES {
        return format!("at the local times that match {}, {zone}", pattern.text);
    }
    format!("{words}, {zone}")
}

/// The zone by its canonical name.
fn zone(cron: &Cron) -> String {
    match cron.zone().iana_name().unwrap_or(cron.timezone()) {
        "UTC" => "UTC".to_owned(),
        name => format!("{name} time"),
    }
}

#[cfg(test)]
mod tests;
