//! An independent implementation of the two rules, compared with the real one for every zone and every clock
//! transition of three years.
//!
//! It shares only the zone's offsets with the code under test: it has its own parser for plain fields, and it does
//! not search. It walks the instants one by one, checks the local time at each, and applies the rules as they are
//! documented.

use std::collections::BTreeMap;

use chrono::{Datelike, Timelike};

use super::*;

/// Patterns of both kinds, with times around the hours at which clocks change.
const PATTERNS: &[&str] = &[
    "0 * * * *",
    "*/30 * * * *",
    "*/10 2 * * *",
    "30 */2 * * *",
    "15 */3 * * 0",
    "*/20 0-3 * * 0,6",
    "7,37 * 1-15 * *",
    "30 2 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "59 23 * * *",
    "0 3 * * *",
    "15,45 2 * * *",
    "0,30 1-3 * * *",
    "10-50/20 0,1,2,23 * * *",
    "30 1 * * 0",
    "0 2 */2 * 0",
    "0 2 1-7 * 0",
    "45 1 * 3,10,11 *",
    "0-59/15 0-4 * * *",
];

/// Dense patterns, only for the hours next to a transition.
const DENSE_PATTERNS: &[&str] = &["* * * * *", "0-59 0-23 * * *", "*/7 */1 * * *", "1-59/2 0-23 * * 0-7"];

#[test]
fn fires_around_three_years_of_transitions_follow_the_rules() {
    let (from, until) = (second("2025-01-01T00:00:00Z"), second("2028-01-01T00:00:00Z"));
    let mut cases = 0;
    for (changes, name) in distinct_zones(from, until) {
        for change in changes.iter().map(|(at, _)| *at) {
            cases += compare(&name, change - 36 * 3600, change + 36 * 3600, 60, PATTERNS);
            cases += compare(&name, change - 2 * 3600, change + 3 * 3600, 60, DENSE_PATTERNS);
        }
    }
    assert!(cases > 100_000, "only {cases} fires were compared");
}

#[test]
fn unusual_past_transitions_follow_the_same_rules() {
    // A whole day skipped; the same on the other side of the date line; -00:44:30 to UTC; +00:19:32 to +00:20; a
    // two-hour transition.
    for (name, around) in [
        ("Pacific/Apia", "2011-12-30T10:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-21T12:00:00Z"),
        ("Africa/Monrovia", "1972-01-07T00:44:30Z"),
        ("Europe/Amsterdam", "1937-06-30T23:40:28Z"),
        ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
        ("Asia/Pyongyang", "2018-05-04T15:00:00Z"),
    ] {
        let (around, step) =
            (second(around), if name == "Africa/Monrovia" || name == "Europe/Amsterdam" { 1 } else { 60 });
        assert!(compare(name, around - 40 * 3600, around + 40 * 3600, step, PATTERNS) > 0);
    }
}

/// Compares all fires of a window, and the next fire after instants around its middle, where the clock changes.
fn compare(zone_name: &str, from: i64, until: i64, step: i64, patterns: &[&str]) -> usize {
    let zone = cron("* * * * *", zone_name).zone;
    let clock = Clock::record(&zone, from, until, step);
    let mut compared = 0;
    for expression in patterns {
        let expected = Pattern::read(expression).fires(&clock);
        let cron = cron(expression, zone_name);
        let next = |after: DateTime<Utc>| cron.next_after(after).unwrap().unwrap().timestamp();
        let (mut at, mut found) = (next(at_second(from)), Vec::new());
        while at <= until {
            found.push(at);
            at = next(at_second(at));
        }
        assert_eq!(found, expected, "{expression} in {zone_name} from {}", at_second(from));
        let middle = from.midpoint(until);
        for after in (middle - 7_000..middle + 7_000).step_by(1_033) {
            let expected = expected.iter().find(|fire| **fire > after).copied().unwrap_or(at);
            let asked = at_second(after) + chrono::TimeDelta::microseconds(1);
            assert_eq!(next(asked), expected, "{expression} in {zone_name} after {asked}");
        }
        compared += found.len();
    }
    compared
}

/// The local times of a zone over a window.
struct Clock {
    /// Each instant and the local time at it, both in seconds.
    shown: Vec<(i64, i64)>,
    /// The first local minute of the window, and minute, hour, day, month and weekday of each minute from there on.
    first_minute: i64,
    minutes: Vec<[usize; 5]>,
}

impl Clock {
    fn record(zone: &TimeZone, from: i64, until: i64, step: i64) -> Self {
        let shown: Vec<(i64, i64)> = (from..=until)
            .step_by(step as usize)
            .map(|at| (at, at + i64::from(zone.to_offset(Timestamp::from_second(at).unwrap()).seconds())))
            .collect();
        let first_minute = shown.iter().map(|(_, local)| local.div_euclid(60)).min().unwrap();
        let last_minute = shown.iter().map(|(_, local)| local.div_euclid(60)).max().unwrap();
        let minutes = (first_minute..=last_minute)
            .map(|minute| {
                let local = at_second(minute * 60);
                [
                    local.minute(),
                    local.hour(),
                    local.day(),
                    local.month(),
                    local.weekday().num_days_from_sunday(),
                ]
                .map(|value| value as usize)
            })
            .collect();
        Self { shown, first_minute, minutes }
    }
}

/// One zone for each distinct set of transitions in the period.
fn distinct_zones(from: i64, until: i64) -> BTreeMap<Vec<(i64, i32)>, String> {
    let mut distinct = BTreeMap::new();
    for name in all_names() {
        let zone = cron("* * * * *", &name).zone;
        let start = Timestamp::from_second(from).unwrap();
        let changes: Vec<_> = zone
            .following(start)
            .map(|change| (change.timestamp().as_second(), change.offset().seconds()))
            .take_while(|(at, _)| *at < until)
            .collect();
        distinct.entry(changes).or_insert(name);
    }
    distinct
}

/// A plain pattern as sets of values: minute, hour, day, month, weekday.
struct Pattern {
    sets: [[bool; 60]; 5],
    either_day: bool,
    is_cadence: bool,
}

impl Pattern {
    fn read(expression: &str) -> Self {
        let fields: Vec<&str> = expression.split(' ').collect();
        let star = |index: usize| fields[index].starts_with('*');
        let mut sets = [[false; 60]; 5];
        for (index, bounds) in [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)].into_iter().enumerate() {
            Self::read_field(fields[index], bounds, &mut sets[index]);
        }
        sets[4][0] |= sets[4][7];
        Self { sets, either_day: !star(2) && !star(4), is_cadence: star(0) || star(1) }
    }

    fn read_field(field: &str, (min, max): (usize, usize), set: &mut [bool; 60]) {
        for item in field.split(',') {
            let (range, step) = item.split_once('/').unwrap_or((item, "1"));
            let (first, last) = match range.split_once('-') {
                Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
                None if range == "*" => (min, max),
                None => (range.parse().unwrap(), range.parse().unwrap()),
            };
            (first..=last).step_by(step.parse().unwrap()).for_each(|value| set[value] = true);
        }
    }

    fn matches(&self, [minute, hour, day, month, weekday]: [usize; 5]) -> bool {
        let (day, weekday) = (self.sets[2][day], self.sets[4][weekday]);
        self.sets[0][minute]
            && self.sets[1][hour]
            && self.sets[3][month]
            && if self.either_day { day || weekday } else { day && weekday }
    }

    /// The fires after the first instant of the window; local times before it are unknown.
    fn fires(&self, clock: &Clock) -> Vec<i64> {
        let matches: Vec<bool> = clock.minutes.iter().map(|minute| self.matches(*minute)).collect();
        let index = |local: i64| (local.div_euclid(60) - clock.first_minute) as usize;
        let (mut fires, mut latest_shown) = (Vec::new(), index(clock.shown[0].1));
        for &(at, local) in &clock.shown[1..] {
            let minute = index(local);
            let due = if self.is_cadence {
                local % 60 == 0 && matches[minute]
            } else {
                // Every time that the clock shows, or skips, for the first time. After falling back, no time is new
                // until the clock has caught up.
                (latest_shown + 1..=minute).any(|minute| matches[minute])
            };
            latest_shown = latest_shown.max(minute);
            if due {
                fires.push(at);
            }
        }
        fires
    }
}

fn second(text: &str) -> i64 {
    instant(text).timestamp()
}

fn at_second(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}
