//! The minute and the hour field in words.

use super::super::fields::{Fields, Set};
use super::super::list;
use crate::domain::wording;

/// Up to this many times of the day are listed one by one.
const MAX_LISTED_TIMES: usize = 6;

/// "every 15 minutes", "at 02:15 and 02:45", "at minutes 1, 7 and 12 past hours 3 to 5"
pub(super) fn words(fields: &Fields) -> String {
    let (minutes, hours) = (fields.minutes, fields.hours);
    if let Some(period) = period(fields) {
        if hours.is_all(0..=23) {
            return period;
        }
        if let [(first, last)] = list::runs(hours)[..]
            && minutes.len() * hours.len() > MAX_LISTED_TIMES
        {
            let last_minute = minutes.last().unwrap_or_default();
            return format!("{period} from {first:02}:00 to {last:02}:{last_minute:02}");
        }
    }
    if minutes.len() * hours.len() <= MAX_LISTED_TIMES {
        let minutes_of = |hour| minutes.values().map(move |minute| format!("{hour:02}:{minute:02}"));
        return format!("at {}", wording::all_of(hours.values().flat_map(minutes_of)));
    }
    let hours = if fields.is_cadence && hours.is_all(0..=23) {
        "every hour".to_owned()
    } else {
        list::named("hour", hours)
    };
    if minutes.is_all(0..=59) {
        return format!("at every minute of {hours}");
    }
    format!("at {} past {hours}", list::named("minute", minutes))
}

/// Whether the minute and the hour field together mean "every n minutes" at all hours.
pub(super) fn is_period(fields: &Fields) -> bool {
    fields.hours.is_all(0..=23) && period(fields).is_some()
}

/// The offsets of all zones differ by multiples of 15 minutes, so such a period has the same instants in each zone.
pub(super) fn is_period_in_any_zone(fields: &Fields) -> bool {
    step(fields.minutes).is_some_and(|step| 15 % step == 0)
}

/// "every 15 minutes", if the minutes are spread evenly over the hour and the pattern is a cadence.
fn period(fields: &Fields) -> Option<String> {
    match step(fields.minutes).filter(|_| fields.is_cadence)? {
        1 => Some("every minute".to_owned()),
        step => Some(format!("every {step} minutes")),
    }
}

/// The distance between minutes that start at 0 and divide the hour evenly.
fn step(minutes: Set) -> Option<u8> {
    (1..=30).filter(|step| 60 % step == 0).find(|step| minutes == (0..60).step_by((*step).into()).collect())
}
