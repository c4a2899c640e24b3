//! An independent reading of a cron expression and of the two rules of docs/schedules.md.
//!
//! It shares nothing with the product except the offsets of the zone. It does not search: it reads the clock of the zone minute
//! by minute.

use chrono::{DateTime, Datelike, NaiveDate};
use jiff::{Timestamp, tz::TimeZone};
use std::ops::Range;

/// From here on, the offset of every zone is a whole number of minutes.
pub const FIRST: i64 = 100_000_000;
/// The end of the search.
pub const LAST: i64 = 7_000_000_000;

/// More than any clock was set back since [`FIRST`].
const BACK_MINUTES: i64 = 27 * 60;
/// How far to look ahead, in minutes.
const AHEAD_MINUTES: i64 = 40 * 60;

/// The fires after an instant, in seconds, and the end of the searched time.
pub fn fires(expression: &str, zone: &TimeZone, after: i64) -> (Vec<i64>, i64) {
    let pattern = Pattern::read(expression);
    let first_minute = after.div_euclid(60) - BACK_MINUTES;
    let end = first_minute + BACK_MINUTES + AHEAD_MINUTES;
    let mut fires = Vec::new();
    let mut days = Days::default();
    // The latest minute that the clock has shown. A set of local times does not fire again when the clock repeats them.
    let mut latest = None;
    for (minutes, offset) in offsets(zone, first_minute..end) {
        for minute in minutes {
            let shown = minute + offset;
            let last_new = *latest.get_or_insert(shown);
            let due = if pattern.is_cadence {
                pattern.matches(shown, &mut days)
            } else {
                // Fires in the skipped time are due now.
                (last_new + 1..=shown).any(|minute| pattern.matches(minute, &mut days))
            };
            latest = Some(last_new.max(shown));
            if due && minute * 60 > after {
                fires.push(minute * 60);
            }
        }
    }
    (fires, (end - 1) * 60)
}

/// Periods of one offset, both in minutes.
fn offsets(zone: &TimeZone, minutes: Range<i64>) -> Vec<(Range<i64>, i64)> {
    let mut stretches = Vec::new();
    let mut from = minutes.start;
    let Ok(start) = Timestamp::from_second(from * 60) else { return stretches };
    let mut offset = whole_minutes(zone.to_offset(start).seconds());
    for change in zone.following(start) {
        let at = change.timestamp().as_second().div_euclid(60);
        if at >= minutes.end {
            break;
        }
        stretches.push((from..at, offset));
        (from, offset) = (at, whole_minutes(change.offset().seconds()));
    }
    stretches.push((from..minutes.end, offset));
    stretches
}

fn whole_minutes(seconds: i32) -> i64 {
    assert_eq!(seconds % 60, 0, "offsets are whole minutes by now");
    i64::from(seconds / 60)
}

/// The result for the last day, because the next minute is usually on the same day.
#[derive(Default)]
struct Days(Option<(i64, bool)>);

struct Pattern {
    minutes: [bool; 60],
    hours: [bool; 24],
    /// The items of the day fields, and whether each field restricts the days.
    days: Vec<Day>,
    weekdays: Vec<Weekday>,
    months: [bool; 13],
    is_either: bool,
    is_cadence: bool,
}

enum Day {
    Number(u32),
    Nearest(u32),
    Last,
    LastWeekday,
}

/// Days from Sunday, and which one of the month: 1 to 5, 6 for the last, 0 for every.
struct Weekday(u32, u32);

impl Pattern {
    /// Reads an expression that the product has accepted.
    fn read(expression: &str) -> Self {
        let expression = expression.trim().to_ascii_uppercase();
        let expression = match expression.as_str() {
            "@HOURLY" => "0 * * * *",
            "@DAILY" | "@MIDNIGHT" => "0 0 * * *",
            "@WEEKLY" => "0 0 * * 0",
            "@MONTHLY" => "0 0 1 * *",
            "@YEARLY" | "@ANNUALLY" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = expression.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else { panic!("five fields: {expression:?}") };
        let starts_with_star = |field: &str| field.starts_with(['*', '?']);
        Self {
            minutes: set(minute, 0..60),
            hours: set(hour, 0..24),
            days: day.split(',').flat_map(day_items).collect(),
            weekdays: weekday.split(',').flat_map(weekday_items).collect(),
            months: set(month, 1..13),
            is_either: !starts_with_star(day) && !starts_with_star(weekday),
            is_cadence: minute.starts_with('*') || hour.starts_with('*'),
        }
    }

    fn matches(&self, minute: i64, days: &mut Days) -> bool {
        self.minutes[minute.rem_euclid(60) as usize]
            && self.hours[minute.div_euclid(60).rem_euclid(24) as usize]
            && self.matches_day(minute.div_euclid(24 * 60), days)
    }

    fn matches_day(&self, number: i64, days: &mut Days) -> bool {
        if let Some((known, matches)) = days.0
            && known == number
        {
            return matches;
        }
        let date = date_of(number);
        let day = self.days.iter().any(|day| day.is(date));
        let weekday = self.weekdays.iter().any(|weekday| weekday.is(date));
        let matches = self.months[date.month() as usize]
            && if self.is_either { day || weekday } else { day && weekday };
        days.0 = Some((number, matches));
        matches
    }
}

impl Day {
    fn is(&self, date: NaiveDate) -> bool {
        let last = date.num_days_in_month().into();
        let day = date.day();
        match *self {
            Self::Number(number) => day == number,
            Self::Nearest(number) => number <= last && day == nearest_weekday(date, number, last),
            Self::Last => day == last,
            Self::LastWeekday => day == nearest_weekday(date, last, last),
        }
    }
}

/// The weekday (Monday to Friday) nearest to a day, in the same month.
fn nearest_weekday(date: NaiveDate, day: u32, last: u32) -> u32 {
    let weekday = date.with_day(day).map_or(0, |date| date.weekday().num_days_from_sunday());
    match weekday {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == last => day - 2,
        0 => day + 1,
        _ => day,
    }
}

impl Weekday {
    fn is(&self, date: NaiveDate) -> bool {
        let is_last = date.day() + 7 > date.num_days_in_month().into();
        date.weekday().num_days_from_sunday() == self.0
            && match self.1 {
                0 => true,
                6 => is_last,
                place => date.day().div_ceil(7) == place,
            }
    }
}

fn day_items(item: &str) -> Vec<Day> {
    match item.strip_suffix('W') {
        Some("L") => vec![Day::LastWeekday],
        Some(day) => vec![Day::Nearest(number(day))],
        None if item == "L" => vec![Day::Last],
        None => values(item, 1..32).into_iter().map(Day::Number).collect(),
    }
}

fn weekday_items(item: &str) -> Vec<Weekday> {
    let (days, place) = match (item.split_once('#'), item.strip_suffix('L')) {
        (Some((days, "L")), _) => (days, 6),
        (Some((days, place)), _) => (days, number(place)),
        (None, Some(days)) => (days, 6),
        (None, None) => (item, 0),
    };
    // `?` and `*` mean every value; 0 and 7 are the same day.
    values(days, 0..8).into_iter().map(|day| Weekday(day % 7, place)).collect()
}

fn set<const N: usize>(field: &str, range: Range<u32>) -> [bool; N] {
    let mut set = [false; N];
    for value in field.split(',').flat_map(|item| values(item, range.clone())) {
        set[value as usize] = true;
    }
    set
}

/// `*`, `?`, `5`, `1-5`; `*` and `1-5` also with a step.
fn values(item: &str, range: Range<u32>) -> Vec<u32> {
    let (values, step) = item.split_once('/').unwrap_or((item, "1"));
    let (first, last) = match values.split_once('-') {
        _ if matches!(values, "*" | "?") => (range.start, range.end - 1),
        // A week may end on Sunday.
        Some((first, "SUN")) => (number(first), if number(first) == 0 { 0 } else { 7 }),
        Some((first, last)) => (number(first), number(last)),
        None => (number(values), number(values)),
    };
    (first..=last).step_by(number(step) as usize).collect()
}

fn number(text: &str) -> u32 {
    const NAMES: [&[&str]; 2] = [
        &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        &["", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    ];
    let named = NAMES.iter().find_map(|names| names.iter().position(|name| *name == text));
    named.map_or_else(|| text.parse().unwrap_or_else(|_| panic!("a number: {text:?}")), |value| value as u32)
}

fn date_of(days_since_1970: i64) -> NaiveDate {
    DateTime::from_timestamp(days_since_1970 * 86_400, 0).unwrap_or_default().date_naive()
}
