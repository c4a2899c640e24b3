//! Cron expressions in time zones: an accepted expression fires strictly later, in order, within the documented bounds, and exactly
//! when an independent reading of docs/schedules.md says so. Missed fires, previews and descriptions agree with it.
//!
//! Fields: expression, zone, an instant, a number (a span in minutes or an interval in seconds), the number of fires to keep.

use crate::{assert_refusal, clock, first_fields, instant, now};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use trigrun_core::domain::invalid::Several;
use trigrun_core::domain::schedule::{
    Cron, CronError, CronField, MAX_COUNTED_FIRES, Missed, Schedule, ScheduleError, check_zone,
};

const EXPRESSION_CODES: &[&str] = &[
    "cron_empty",
    "cron_too_long",
    "cron_syntax",
    "cron_field_count",
    "cron_out_of_range",
    "cron_step",
    "cron_reversed_range",
    "cron_nickname",
    "cron_reboot",
];

/// Between these, the next fire can be computed. Beyond, possibly not.
const FIRST_YEAR: i32 = 1;
const LAST_YEAR: i32 = 9900;
/// The end of the search for a fire.
const HORIZON: TimeDelta = TimeDelta::days(366 * 50);
/// The maximum number of fires that are compared one by one.
const MAX_COMPARED_FIRES: usize = 150;
/// The span in which fires are compared one by one.
const MAX_COMPARED_SPAN: TimeDelta = TimeDelta::days(3 * 366);
/// The number of fires that are also computed from instants in between, and previewed.
const MAX_PREVIEWED_FIRES: usize = 10;
/// An unknown zone for which no similar names are searched.
const UNKNOWN_ZONE: &str = "a-zone-of-more-than-64-characters-which-is-longer-than-any-that-there-is";
/// A few minutes more than the limit of the exact count.
const MAX_SPAN_MINUTES: u32 = MAX_COUNTED_FIRES as u32 + 500;

pub fn run(input: &[u8]) {
    let [expression, zone, after, number, keep] = first_fields(input);
    let (after, number) = (instant(&after), number.parse().unwrap_or(90));
    let keep = keep.parse().unwrap_or(3_usize).min(50);
    once(after);
    let zone = known(&zone);

    let cron = match Cron::parse(&expression, zone) {
        Ok(cron) => cron,
        Err(errors) => return refused(&expression, zone, &errors.into_vec()),
    };
    assert_eq!(cron.expression(), expression);
    assert!(cron.timezone().eq_ignore_ascii_case(zone), "{}", cron.timezone());
    assert_eq!(Cron::from_stored(&expression, zone), cron);
    let schedule = Schedule::Cron(cron.clone());
    words(&schedule);
    if !(FIRST_YEAR..LAST_YEAR).contains(&after.year()) {
        return beyond(&schedule, after);
    }
    interval(number, after, keep);
    let fires = chain(&cron, after);
    exactly_those_of_the_rules(&cron, after, &fires);
    preview(&schedule, &cron, after, &fires);
    if let [first, ..] = fires[..] {
        let until = first + TimeDelta::minutes(number.min(MAX_SPAN_MINUTES).into());
        missed(&schedule, &cron, first, until, keep);
    }
}

/// The zone, or a default instead of an unknown one.
fn known(zone: &str) -> &str {
    let refused = match check_zone(zone) {
        Ok(()) => return zone,
        Err(refused) => refused,
    };
    assert_refusal(&refused, &["timezone_unknown"]);
    "Europe/Berlin"
}

fn refused(expression: &str, zone: &str, errors: &[CronError]) {
    let [error] = errors else { panic!("more errors than that of the expression: {errors:?}") };
    assert_eq!(error.field, CronField::Expression);
    assert_refusal(&error.invalid, EXPRESSION_CODES);
    // An unknown zone is a second error, and the first is the same.
    let both = Cron::parse(expression, UNKNOWN_ZONE).err().map(Several::into_vec).unwrap_or_default();
    assert!(both.len() == 2 && both[0] == *error && both[1].field == CronField::Timezone, "{both:?}");
    let stored = Cron::from_stored(expression, zone);
    assert!(matches!(stored.next_after(now()), Err(ScheduleError::Stored(_))));
    assert!(!Schedule::Cron(stored).in_words().is_empty());
}

/// At the end of the calendar, an error is allowed. A fire must still be later.
fn beyond(schedule: &Schedule, after: DateTime<Utc>) {
    if let Ok(Some(fire)) = schedule.next_after(now(), after) {
        assert!(fire > after);
        assert!(schedule.missed(now(), fire, fire, 1).is_ok_and(|missed| missed.latest == [fire]));
    }
    let results = (schedule.preview(now(), after, 3), schedule.warnings(after));
    assert!(results.0.is_ok() || matches!(results.0, Err(ScheduleError::OutOfRange)), "{results:?}");
}

/// A single run at any instant.
fn once(run_at: DateTime<Utc>) {
    let schedule = Schedule::Scheduled { run_at };
    words(&schedule);
    let just_before = run_at.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(run_at);
    let expected = (just_before < run_at).then_some(run_at);
    assert_eq!(schedule.next_after(now(), just_before), Ok(expected));
    assert_eq!(schedule.next_after(now(), run_at), Ok(None));
}

/// The next fires: each is strictly later, and the same from any instant between two of them.
fn chain(cron: &Cron, after: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let next = |since| cron.next_after(since).unwrap_or_else(|error| panic!("after {since}: {error}"));
    let (mut fires, mut since) = (Vec::new(), after);
    while fires.len() < MAX_COMPARED_FIRES
        && since - after < MAX_COMPARED_SPAN
        && let Some(fire) = next(since)
    {
        assert!(fire > since && fire - since <= HORIZON, "after {since} comes {fire}");
        assert_eq!(fire.timestamp_subsec_nanos(), 0);
        if fires.len() < MAX_PREVIEWED_FIRES {
            let just_before = fire - TimeDelta::nanoseconds(1);
            for between in [just_before, since + (just_before - since) / 2] {
                assert_eq!(next(between), Some(fire), "computed from {between}");
            }
        }
        fires.push(fire);
        since = fire;
    }
    fires
}

fn exactly_those_of_the_rules(cron: &Cron, after: DateTime<Utc>, fires: &[DateTime<Utc>]) {
    if !(clock::FIRST..clock::LAST).contains(&after.timestamp()) {
        return;
    }
    let (expected, end) = clock::fires(cron.expression(), cron.zone(), after.timestamp());
    let seen = fires.iter().map(DateTime::timestamp).take_while(|fire| *fire <= end);
    assert!(
        seen.clone().eq(expected.iter().copied().take(MAX_COMPARED_FIRES)),
        "after {after} fires {:?}, but the rules say {expected:?}",
        seen.collect::<Vec<_>>(),
    );
}

fn preview(schedule: &Schedule, cron: &Cron, after: DateTime<Utc>, fires: &[DateTime<Utc>]) {
    let count = fires.len().min(MAX_PREVIEWED_FIRES);
    let preview = schedule.preview(now(), after, count).unwrap_or_else(|error| panic!("{error}"));
    assert!(preview.iter().map(|fire| fire.at).eq(fires[..count].iter().copied()));
    for fire in &preview {
        // RFC 3339 has no offsets with seconds.
        if let Ok(local) = DateTime::parse_from_rfc3339(&fire.local) {
            assert!((local.to_utc() - fire.at).abs() < TimeDelta::seconds(60), "{fire:?}");
        }
        assert!(fire.note.as_ref().is_none_or(|note| note.ends_with('.')), "{fire:?}");
    }
    let warnings = schedule.warnings(after).unwrap_or_else(|error| panic!("{error}"));
    assert!(warnings.iter().all(|warning| warning.ends_with('.')), "{warnings:?}");
    let never = warnings.iter().any(|warning| warning.starts_with("Never fires"));
    assert_eq!(cron.check_fires(after).is_err(), never);
    let ten_years = TimeDelta::days(3653);
    let wait = fires.first().map(|first| *first - after);
    assert!(
        wait.is_none_or(|wait| (wait > ten_years - TimeDelta::days(1)) || !never),
        "{warnings:?}: {fires:?}"
    );
    assert!(never || wait.is_some_and(|wait| wait < ten_years + TimeDelta::days(1)), "{fires:?}");
}

fn words(schedule: &Schedule) {
    let words = schedule.in_words();
    assert!(words.len() < 600 && words.starts_with(|first: char| first.is_ascii_lowercase()), "{words:?}");
    assert!(!words.ends_with('.') && !words.contains("  "), "{words:?}");
}

/// The count of the fires from `first` to `until` equals counting them one by one.
fn missed(schedule: &Schedule, cron: &Cron, first: DateTime<Utc>, until: DateTime<Utc>, keep: usize) {
    let next = |fire: &DateTime<Utc>| cron.next_after(*fire).ok().flatten().filter(|fire| *fire <= until);
    let fires: Vec<_> = std::iter::successors(Some(first), next).collect();
    let missed = schedule.missed(now(), first, until, keep).unwrap_or_else(|error| panic!("{error}"));
    check_missed(&missed, &fires, keep);
    assert_eq!(missed.count_is_exact, fires.len() <= MAX_COUNTED_FIRES);
}

fn check_missed(missed: &Missed, fires: &[DateTime<Utc>], keep: usize) {
    let count = if missed.count_is_exact { fires.len() } else { MAX_COUNTED_FIRES };
    assert_eq!(missed.count, count as u64);
    assert_eq!((Some(&missed.first), Some(&missed.last)), (fires.first(), fires.last()));
    assert_eq!(missed.latest, fires[fires.len() - keep.min(fires.len())..]);
}

/// A recurring schedule by arithmetic on microseconds.
fn interval(every_seconds: u32, after: DateTime<Utc>, keep: usize) {
    let (schedule, anchor) = (Schedule::Recurring { every_seconds }, now());
    words(&schedule);
    let next = match schedule.next_after(anchor, after) {
        Ok(Some(next)) => next,
        other => return assert_eq!((other, every_seconds), (Err(ScheduleError::ZeroInterval), 0)),
    };
    let every = TimeDelta::seconds(every_seconds.into());
    assert!(next > after && next > anchor && next - every <= after.max(anchor));
    assert_eq!(
        (next - anchor).num_microseconds().map(|since| since % (i64::from(every_seconds) * 1_000_000)),
        Some(0)
    );
    let fires: Vec<_> = (0..40).map(|n| next + every * n).collect();
    for until in [next, next + every * 39, next + every * 39 + every / 2] {
        let fires: Vec<_> = fires.iter().copied().filter(|fire| *fire <= until).collect();
        if let Ok(missed) = schedule.missed(anchor, next, until, keep) {
            assert!(missed.count_is_exact);
            check_missed(&missed, &fires, keep);
        }
    }
}
