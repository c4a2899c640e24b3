//! Warnings about expressions that their owner may not have intended.

use crate::domain::wording;
use chrono::{DateTime, TimeDelta, Utc};

use super::super::fields::{DayRule, Fields, Set};
use super::super::{Cron, ScheduleError, list};
use super::second;

/// A longer wait than this skips a whole year. The longest wait of a yearly schedule is 371 days, between the first Sundays
/// of a month in two years.
const MAX_YEARLY_WAIT: TimeDelta = TimeDelta::days(380);

/// How many days with fires are checked. This finds a skipped year in all but contrived patterns.
const MAX_CHECKED_DAYS: usize = 8;

/// Days that some months do not have, each with the months that can lack it.
const MISSING_IN: [(u8, &[u8]); 3] = [(29, &[2]), (30, &[2]), (31, &[2, 4, 6, 9, 11])];

/// Up to this many days of the month count as chosen individually. A larger set such as `*/2` was not meant to name the 31st.
const MAX_CHOSEN_DAYS: usize = 4;

pub(super) fn of(cron: &Cron, from: DateTime<Utc>) -> Result<Vec<String>, ScheduleError> {
    if cron.check_fires(from).is_err() {
        return Ok(vec!["Never fires: there is no fire in the next ten years.".to_owned()]);
    }
    let days = missing_days(&Fields::of(cron.pattern()?));
    Ok(rarely(cron, from)?.into_iter().chain(days).chain(fixed_zone(cron.timezone())).collect())
}

/// Zones with one offset all year, whose names suggest something else.
fn fixed_zone(name: &str) -> Option<String> {
    let place = |place| Some(format!("{name} has no daylight saving time; {place} has it where it is used."));
    match name {
        "EST" => place("America/New_York"),
        "MST" => place("America/Denver"),
        _ => {
            let reversed = name.strip_prefix("Etc/GMT").filter(|rest| rest.starts_with(['+', '-']))?;
            let hours: i32 = reversed.parse().ok().filter(|hours| *hours != 0)?;
            Some(format!("{name} is UTC{:+}: the sign in its name is the opposite.", -hours))
        }
    }
}

/// The first wait of more than a year.
fn rarely(cron: &Cron, from: DateTime<Utc>) -> Result<Option<String>, ScheduleError> {
    let mut since = None;
    for _ in 0..MAX_CHECKED_DAYS {
        // Continues a day later: all fires of one day count as one.
        let after = since.map_or(from, |fire| fire + TimeDelta::days(1));
        let Some(next) = cron.next_after(after)? else { return Ok(None) };
        let wait = next - since.unwrap_or(from);
        if wait > MAX_YEARLY_WAIT {
            let years = list::counted((wait.num_days() as f64 / 365.25).round() as i64, "year");
            let date = |at| second(at).map(|at| cron.zone().to_datetime(at).date());
            return Ok(Some(match since {
                None => format!("Fires rarely: the next fire is on {}, in {years}.", date(next)?),
                Some(fire) => format!(
                    "Fires rarely: after {} the next fire is on {}, {years} later.",
                    date(fire)?,
                    date(next)?
                ),
            }));
        }
        since = Some(next);
    }
    Ok(None)
}

/// Days 29 to 31, if a month of the pattern does not have them.
fn missing_days(fields: &Fields) -> Option<String> {
    let rule = fields.day_rule();
    let named = fields.days.numbers.and(fields.days.nearest);
    let is_decided_elsewhere = matches!(rule, DayRule::Every | DayRule::Weekdays) || fields.days.last;
    if is_decided_elsewhere || named.len() > MAX_CHOSEN_DAYS {
        return None;
    }
    let lacks = |months: &[u8]| months.iter().any(|month| fields.months.has(*month));
    let missed: Set = MISSING_IN
        .into_iter()
        .filter(|(day, months)| named.has(*day) && lacks(months))
        .map(|(day, _)| day)
        .collect();
    let days = (!missed.is_empty()).then(|| wording::one_of(missed.values()))?;
    let hint = "L is the last day of every month.";
    if named.len() == 1 && !fields.days.last_weekday && rule != DayRule::Either {
        return Some(format!("Months without day {days} are skipped; {hint}"));
    }
    Some(format!("In months without day {days}, that day is skipped; {hint}"))
}
