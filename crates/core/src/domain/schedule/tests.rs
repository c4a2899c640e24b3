//! Recurring arithmetic, the kinds, and the summary of missed fires.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(expression: &str, timezone: &str) -> Schedule {
    Schedule::Cron(Cron::parse(expression, timezone).unwrap())
}

#[test]
fn kinds_have_stable_names() {
    for kind in Kind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    let hint = |name: &str| name.parse::<Kind>().unwrap_err().hint.unwrap_or_default();
    assert_eq!(
        (hint("one-time"), hint("Cron")),
        ("Did you mean one_time?".into(), "Did you mean cron?".into())
    );
    assert_eq!((hint("interval"), hint("weekly")), ("Did you mean recurring?".into(), String::new()));
    assert_eq!(Schedule::OneTime.kind().as_str(), "one_time");
}

#[test]
fn a_recurring_schedule_counts_from_its_anchor() {
    let schedule = Schedule::Recurring { every_seconds: 300 };
    let anchor = instant("2026-01-01T00:00:07.123456Z");
    let next = |after: &str| schedule.next_after(anchor, instant(after)).unwrap().unwrap();
    let first = instant("2026-01-01T00:05:07.123456Z");
    assert_eq!(next("2026-01-01T00:00:07.123456Z"), first);
    assert_eq!(next("2020-01-01T00:00:00Z"), first, "never before anchor + N");
    assert_eq!(next("2026-01-01T00:05:07.123455Z"), first);
    assert_eq!(next("2026-01-01T00:05:07.123455999Z"), first);
    assert_eq!(next("2026-01-01T00:05:07.123456Z"), first + TimeDelta::minutes(5));
    assert_eq!(next("2036-01-01T00:00:00Z"), instant("2036-01-01T00:00:07.123456Z"));
}

#[test]
fn an_interval_of_zero_and_the_end_of_time_are_errors() {
    let (anchor, end) = (instant("2026-01-01T00:00:00Z"), DateTime::<Utc>::MAX_UTC);
    let never = Schedule::Recurring { every_seconds: 0 };
    assert_eq!(never.next_after(anchor, anchor), Err(ScheduleError::ZeroInterval));
    assert_eq!(never.missed(anchor, anchor, anchor, 1), Err(ScheduleError::ZeroInterval));
    let minutely = Schedule::Recurring { every_seconds: 60 };
    assert_eq!(minutely.next_after(anchor, end), Err(ScheduleError::OutOfRange));
    assert!(minutely.next_after(DateTime::<Utc>::MIN_UTC, end - TimeDelta::hours(1)).is_ok());
}

#[test]
fn a_scheduled_job_fires_once_and_a_one_time_job_has_no_fire() {
    let at = instant("2026-06-01T12:00:00Z");
    let schedule = Schedule::Scheduled { run_at: at };
    assert_eq!(schedule.next_after(at, at - TimeDelta::microseconds(1)), Ok(Some(at)));
    assert_eq!(schedule.next_after(at, at), Ok(None));
    assert_eq!(Schedule::OneTime.next_after(at, at - TimeDelta::days(1)), Ok(None));
    let missed = schedule.missed(at, at, at + TimeDelta::days(3), 10).unwrap();
    assert_eq!((missed.count, missed.count_is_exact, missed.latest), (1, true, vec![at]));
}

#[test]
fn a_long_gap_is_summarised_without_walking_it() {
    let from = instant("2020-01-01T00:00:00Z");
    let until = instant("2026-01-01T00:00:30Z");
    let minutes = (until - from).num_minutes() as u64 + 1;
    let last = instant("2026-01-01T00:00:00Z");

    let recurring = Schedule::Recurring { every_seconds: 60 }.missed(from, from, until, 3).unwrap();
    assert_eq!((recurring.count, recurring.count_is_exact), (minutes, true));
    assert_eq!((recurring.first, recurring.last), (from, last));
    assert_eq!(recurring.latest, [last - TimeDelta::minutes(2), last - TimeDelta::minutes(1), last]);

    let cron = cron("* * * * *", "Europe/Berlin").missed(from, from, until, 3).unwrap();
    assert_eq!((cron.count, cron.count_is_exact), (MAX_COUNTED_FIRES as u64, false));
    assert_eq!((cron.first, cron.last, cron.latest), (from, last, recurring.latest));
}

#[test]
fn bursts_far_before_the_end_are_found_from_the_end() {
    // Every minute of each 1 January: 1,440 fires in a day and then none for a year.
    let (from, until) = (instant("2010-01-01T00:00:00Z"), instant("2026-12-31T23:00:00Z"));
    let missed = cron("* * 1 1 *", "UTC").missed(from, from, until, 1_500).unwrap();
    assert_eq!((missed.count, missed.count_is_exact), (MAX_COUNTED_FIRES as u64, false));
    assert_eq!(missed.last, instant("2026-01-01T23:59:00Z"));
    assert_eq!(missed.latest.len(), 1_500);
    assert_eq!(missed.latest[59], instant("2025-01-01T23:59:00Z"));
}

#[test]
fn a_count_of_exactly_the_maximum_is_exact() {
    let from = instant("2026-01-01T00:00:00Z");
    let schedule = cron("* * * * *", "UTC");
    let cap = MAX_COUNTED_FIRES as i64;
    let at_cap = schedule.missed(from, from, from + TimeDelta::minutes(cap - 1), 1).unwrap();
    assert_eq!((at_cap.count, at_cap.count_is_exact), (cap as u64, true));
    let above = schedule.missed(from, from, from + TimeDelta::minutes(cap), 1).unwrap();
    assert_eq!((above.count, above.count_is_exact), (cap as u64, false));
    assert_eq!(above.last, from + TimeDelta::minutes(cap));
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        (1_800u32..100_000).prop_map(|every_seconds| Schedule::Recurring { every_seconds }),
        prop::sample::select(vec![
            "0 * * * *",
            "30 2 * * *",
            "15,45 2 * * *",
            "0 9 * * 1-5",
            "0 0 L * *",
            "*/20 1-3 * * 0",
            "0 12 13 * 5",
        ])
        .prop_flat_map(|expression| {
            prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
                .prop_map(move |zone| cron(expression, zone))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn missed_agrees_with_repeated_next_after(
        schedule in any_schedule(),
        start in 1_700_000_000i64..1_900_000_000,
        seconds in 0i64..6_000_000,
        keep in 0usize..40,
    ) {
        let anchor = DateTime::from_timestamp(1_600_000_000, 123_456_000).unwrap();
        let from = schedule.next_after(anchor, DateTime::from_timestamp(start, 0).unwrap()).unwrap().unwrap();
        let until = from + TimeDelta::seconds(seconds);
        let mut all = vec![from];
        let next = |after: DateTime<Utc>| schedule.next_after(anchor, after).unwrap().filter(|fire| *fire <= until);
        while let Some(fire) = next(all[all.len() - 1]) {
            prop_assert!(fire > all[all.len() - 1]);
            all.push(fire);
        }
        let missed = schedule.missed(anchor, from, until, keep).unwrap();
        prop_assert_eq!(missed.count, all.len() as u64);
        prop_assert!(missed.count_is_exact);
        prop_assert_eq!((missed.first, missed.last), (from, all[all.len() - 1]));
        prop_assert_eq!(&missed.latest[..], &all[all.len() - keep.min(all.len())..]);
    }
}
