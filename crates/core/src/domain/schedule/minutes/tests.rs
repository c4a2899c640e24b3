//! The bits are the minutes of the fires that `next_after` finds.

use super::*;
use crate::domain::schedule::zone;
use chrono::TimeDelta;
use proptest::prelude::*;

const PATTERNS: [&str; 22] = [
    "* * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "*/30 2 * * *",
    "30 */2 * * *",
    "*/10 0,23 * * *",
    "30 2 * * *",
    "0 2,3 * * *",
    "15,45 1-3 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "0-59 2 * * *",
    "5 0-23 * * *",
    "0 0 * * SUN",
    "0 4 * * MON-FRI",
    "0 12 L * *",
    "0 12 LW * *",
    "0 9 1,15 * *",
    "0 9 1 * MON",
    "0 9 * * 5#2",
    "30 1 29 2 *",
    "0 6 * 3,10,11 *",
];

fn by_walking(schedule: &Schedule, anchor: DateTime<Utc>, span: MinuteSpan) -> Vec<usize> {
    walk(schedule, anchor, span).unwrap().indexes().collect()
}

#[track_caller]
fn agree(schedule: &Schedule, anchor: DateTime<Utc>, span: MinuteSpan) {
    let minutes: Vec<usize> = schedule.minutes(anchor, span).unwrap().indexes().collect();
    assert_eq!(minutes, by_walking(schedule, anchor, span), "{schedule:?} from {}", span.start_of(0));
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// Spans that begin before, at, and shortly after each change of two years, in every zone.
#[test]
fn every_change_of_every_zone_agrees() {
    let (start, end) = (at(1_767_225_600), at(1_830_297_600));
    let mut compared = 0;
    for name in zone::all_names() {
        let zone = zone::find(&name).unwrap();
        let changes = zone.following(timestamp(minute_of(start)).unwrap());
        let changes = changes.map(|change| at(change.timestamp().as_second())).take_while(|at| *at < end);
        let pattern = |n: usize| PATTERNS[n % PATTERNS.len()];
        for change in changes.chain([start]) {
            for (n, before) in [-150, -30, -1, 0, 1, 90, 1500].into_iter().enumerate() {
                let from = change - TimeDelta::minutes(before);
                let schedule = Schedule::Cron(Cron::parse(pattern(compared + n), &name).unwrap());
                agree(&schedule, from, MinuteSpan::new(from, from + TimeDelta::minutes(2000)));
            }
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn every_pattern_agrees_over_both_changes() {
    for zone in [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Kolkata",
        "UTC",
    ] {
        for pattern in PATTERNS {
            let schedule = Schedule::Cron(Cron::parse(pattern, zone).unwrap());
            for from in ["2026-03-25T07:13:20Z", "2026-10-20T00:00:00Z", "2028-02-25T00:00:00Z"] {
                let from: DateTime<Utc> = from.parse().unwrap();
                agree(&schedule, from, MinuteSpan::new(from, from + TimeDelta::days(16)));
            }
        }
    }
}

#[test]
fn offsets_in_seconds_agree() {
    // Amsterdam was 00:19:32 ahead of UTC until 1937; Apia has no 30 December 2011.
    for (zone, from) in
        [("Europe/Amsterdam", "1936-05-10T00:00:00Z"), ("Pacific/Apia", "2011-12-28T00:00:00Z")]
    {
        for pattern in PATTERNS {
            let from: DateTime<Utc> = from.parse().unwrap();
            let schedule = Schedule::Cron(Cron::parse(pattern, zone).unwrap());
            agree(&schedule, from, MinuteSpan::new(from, from + TimeDelta::days(8)));
        }
    }
}

#[test]
fn an_unreadable_schedule_is_an_error() {
    let span = MinuteSpan::new(at(0), at(600));
    let gone = Schedule::Cron(Cron::from_stored("0 9 * * *", "Nowhere/Else"));
    assert!(matches!(gone.minutes(at(0), span), Err(ScheduleError::Stored(_))));
    assert!(matches!(
        Schedule::Recurring { every_seconds: 0 }.minutes(at(0), span),
        Err(ScheduleError::ZeroInterval)
    ));
}

proptest! {
    #[test]
    fn intervals_agree(every in 1u32..4000, anchor in 0i64..4_000_000, from in 0i64..4_000_000, len in 0i64..200_000) {
        let (anchor, from) = (at(1_800_000_000 + anchor), at(1_800_000_000 + from));
        let span = MinuteSpan::new(from, from + TimeDelta::seconds(len));
        for every_seconds in [every, every * 60] {
            agree(&Schedule::Recurring { every_seconds }, anchor, span);
        }
    }

    #[test]
    fn single_runs_agree(run in 0i64..10_000, from in 0i64..10_000, len in 0i64..10_000) {
        let span = MinuteSpan::new(at(from), at(from + len));
        let minutes: Vec<usize> = Schedule::Scheduled { run_at: at(run) }.minutes(at(0), span).unwrap().indexes().collect();
        prop_assert_eq!(minutes, span.index_of(at(run)).into_iter().collect::<Vec<_>>());
        prop_assert_eq!(Schedule::OneTime.minutes(at(0), span).unwrap().indexes().count(), 0);
    }
}
