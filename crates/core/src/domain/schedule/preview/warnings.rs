//! What the owner of an expression may not have meant.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::fields::{DayRule, Fields, Set};
use super::super::{Cron, ScheduleError, list};
use super::second;

/// A longer wait than this passes over a whole year. The longest of a yearly schedule are the 371 days that can lie
/// between two first Sundays of a month.
const ONCE_A_YEAR: TimeDelta = TimeDelta::days(380);

/// As many days with fires are looked at, which finds a missing year in all but contrived patterns.
const LOOKED_AT: usize = 8;

/// The days that are not in every month, each with the months that can be without it.
const LACKING: [(u8, &[u8]); 3] = [(29, &[2]), (30, &[2]), (31, &[2, 4, 6, 9, 11])];

/// Up to as many days of the month were chosen one by one. In `*/2` the 31st is not missed by anybody.
const CHOSEN: usize = 4;

pub(super) fn of(cron: &Cron, from: DateTime<Utc>) -> Result<Vec<String>, ScheduleError> {
    if cron.check_fires(from).is_err() {
        return Ok(vec!["Never fires: there is no fire in the next ten years.".to_owned()]);
    }
    let days = missing_days(&Fields::of(cron.pattern()?));
    Ok(rarely(cron, from)?.into_iter().chain(days).collect())
}

/// The first wait of more than a year.
fn rarely(cron: &Cron, from: DateTime<Utc>) -> Result<Option<String>, ScheduleError> {
    let mut since = None;
    for _ in 0..LOOKED_AT {
        // A day on: all the fires of one day are one for this purpose.
        let after = since.map_or(from, |fire| fire + TimeDelta::days(1));
        let Some(next) = cron.next_after(after)? else { return Ok(None) };
        let wait = next - since.unwrap_or(from);
        if wait > ONCE_A_YEAR {
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

/// Days 29 to 31, where a month of the pattern does not have them.
fn missing_days(fields: &Fields) -> Option<String> {
    let rule = fields.day_rule();
    let named = fields.days.numbers.and(fields.days.nearest);
    let is_decided_elsewhere = matches!(rule, DayRule::Every | DayRule::Weekdays) || fields.days.last;
    if is_decided_elsewhere || named.len() > CHOSEN {
        return None;
    }
    let lacks = |months: &[u8]| months.iter().any(|month| fields.months.has(*month));
    let missed: Set = LACKING
        .into_iter()
        .filter(|(day, months)| named.has(*day) && lacks(months))
        .map(|(day, _)| day)
        .collect();
    let days = (!missed.is_empty()).then(|| list::one_of(missed.values()))?;
    let hint = "L is the last day of every month.";
    if named.len() == 1 && !fields.days.last_weekday && rule != DayRule::Either {
        return Some(format!("Months without day {days} are passed over; {hint}"));
    }
    Some(format!("In months without day {days}, that day is passed over; {hint}"))
}
