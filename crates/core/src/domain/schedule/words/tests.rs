//! Descriptions of many schedules; schedules with different fires never have the same description.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::super::fields::tests::any_expression;
use super::super::grammar;
use super::*;

fn words(expression: &str, zone: &str) -> String {
    Schedule::Cron(Cron::parse(expression, zone).unwrap()).in_words()
}

#[track_caller]
fn check_words(table: &[(&str, &str)]) {
    for (expression, expected) in table {
        assert_eq!(words(expression, "UTC"), *expected, "{expression}");
    }
}

#[test]
fn times_of_the_day() {
    check_words(&[
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0,15,30,45 * * * *", "every 15 minutes"),
        ("*/30 */1 * * *", "every 30 minutes"),
        ("0 * * * *", "at minute 0 past every hour, UTC"),
        ("30 * * * *", "at minute 30 past every hour, UTC"),
        ("*/7 * * * *", "at every 7th minute from 0 to 56 past every hour, UTC"),
        ("5-59/10 * * * *", "at every 10th minute from 5 to 55 past every hour, UTC"),
        ("*/25 * * * *", "at minutes 0, 25 and 50 past every hour, UTC"),
        ("0-30/10 9-17 * * *", "at minutes 0, 10, 20 and 30 past hours 9 to 17, UTC"),
        ("1,7,12 3-5 * * *", "at minutes 1, 7 and 12 past hours 3 to 5, UTC"),
        ("15,45 2 * * *", "at 02:15 and 02:45, UTC"),
        ("0 9,12,18 * * *", "at 09:00, 12:00 and 18:00, UTC"),
        ("30 9 * * *", "at 09:30, UTC"),
        ("0 9-17 * * *", "at minute 0 past hours 9 to 17, UTC"),
        ("0 */2 * * *", "at minute 0 past every 2nd hour from 0 to 22, UTC"),
        ("0 */6 * * *", "at 00:00, 06:00, 12:00 and 18:00, UTC"),
        ("*/20 9-17 * * *", "every 20 minutes from 09:00 to 17:40, UTC"),
        ("* 2 * * *", "every minute from 02:00 to 02:59, UTC"),
        ("*/30 2 * * *", "at 02:00 and 02:30, UTC"),
        ("* 1,3 * * *", "at every minute of hours 1 and 3, UTC"),
        ("5,6,7,9 1,2,20-23 * * *", "at minutes 5 to 7 and 9 past hours 1, 2 and 20 to 23, UTC"),
        // Sets of local times: "every" would be wrong when the clock goes back.
        ("0-59 0-23 * * *", "at every minute of hours 0 to 23, UTC"),
        ("0-59/15 0-23 * * *", "at minutes 0, 15, 30 and 45 past hours 0 to 23, UTC"),
        ("@hourly", "at minute 0 past every hour, UTC"),
        ("@daily", "at 00:00, UTC"),
    ]);
}

#[test]
fn days_and_months() {
    check_words(&[
        ("0 9 * * MON-FRI", "at 09:00 from Monday to Friday, UTC"),
        ("0 0 * * 0", "at 00:00 on Sunday, UTC"),
        ("0 0 * * 7", "at 00:00 on Sunday, UTC"),
        ("0 0 * * SAT-SUN", "at 00:00 on Saturday and Sunday, UTC"),
        ("0 0 * * FRI-SUN", "at 00:00 from Friday to Sunday, UTC"),
        ("0 0 * * */2", "at 00:00 on Tuesday, Thursday, Saturday and Sunday, UTC"),
        ("0 0 * * 1-7", "at 00:00, UTC"),
        ("*/10 9-17 * * 1-5", "every 10 minutes from 09:00 to 17:50, from Monday to Friday, UTC"),
        ("*/15 * * * 1", "every 15 minutes on Monday, UTC"),
        ("30 4 1 * *", "at 04:30 on day 1 of every month, UTC"),
        ("0 0 1,15 * *", "at 00:00 on days 1 and 15 of every month, UTC"),
        ("0 0 1-7 * *", "at 00:00 on days 1 to 7 of every month, UTC"),
        ("0 0 31 * *", "at 00:00 on day 31 of every month that has it, UTC"),
        ("0 0 1,31 * *", "at 00:00 on days 1 and 31 of the month, UTC"),
        ("0 0 */2 * *", "at 00:00 on every 2nd day from 1 to 31 of the month, UTC"),
        ("0 0 1 1 *", "at 00:00 on day 1 of January, UTC"),
        ("0 0 1 */3 ?", "at 00:00 on day 1 of January, April, July and October, UTC"),
        ("0 0 * JAN-MAR,DEC *", "at 00:00 in January to March and December, UTC"),
        ("*/15 * * 2 *", "every 15 minutes in February, UTC"),
        ("0 0 * 7 0", "at 00:00 on Sunday in July, UTC"),
        ("0 0 L * *", "at 00:00 on the last day of every month, UTC"),
        ("0 0 LW * *", "at 00:00 on the last weekday (Monday to Friday) of every month, UTC"),
        ("0 0 15W * *", "at 00:00 on the weekday (Monday to Friday) nearest to day 15 of every month, UTC"),
        (
            "0 0 1,1W,15W,L 2 *",
            "at 00:00 on day 1, the weekdays (Monday to Friday) nearest to days 1 and 15 and the last day of February, \
             UTC",
        ),
        ("0 0 * * 5L", "at 00:00 on the last Friday of every month, UTC"),
        ("0 0 * * MON#2", "at 00:00 on the second Monday of every month, UTC"),
        ("0 0 * * MON#5", "at 00:00 on the fifth Monday of every month that has it, UTC"),
        ("0 0 * * MON#1,MON#5", "at 00:00 on the first Monday and the fifth Monday of the month, UTC"),
        ("0 0 * 3 MON#2,0", "at 00:00 on every Sunday and the second Monday of March, UTC"),
        // Either of two restrictions.
        ("0 0 13 * 5", "at 00:00 on day 13 of the month or on Friday, UTC"),
        ("0 0 13 1 5", "at 00:00 on day 13 of the month or on Friday, in January, UTC"),
        ("0 0 1 * 1-5", "at 00:00 on day 1 of the month or from Monday to Friday, UTC"),
        ("0 0 L * 5L", "at 00:00 on the last day of the month or on the last Friday of the month, UTC"),
        ("0 0 1-31 * 5", "at 00:00, UTC"),
        // Both must match if one begins with a star.
        ("0 0 */2 * 1", "at 00:00 on every 2nd day from 1 to 31 of the month if the day is Monday, UTC"),
        ("0 0 13 6 */3", "at 00:00 on day 13 of June if the day is Wednesday, Saturday or Sunday, UTC"),
        (
            "0 0 */5 * 1#1",
            "at 00:00 on every 5th day from 1 to 31 of the month if the day is the first Monday of the month, UTC",
        ),
        ("@weekly", "at 00:00 on Sunday, UTC"),
        ("@monthly", "at 00:00 on day 1 of every month, UTC"),
        ("@yearly", "at 00:00 on day 1 of January, UTC"),
    ]);
}

#[test]
fn the_zone_is_named_where_it_matters() {
    for (expression, zone, expected) in [
        ("0 9 * * MON-FRI", "Europe/Berlin", "at 09:00 from Monday to Friday, Europe/Berlin time"),
        ("0 9 * * *", "europe/berlin", "at 09:00, Europe/Berlin time"),
        ("0 9 * * *", "utc", "at 09:00, UTC"),
        ("*/15 * * * *", "Asia/Kathmandu", "every 15 minutes"),
        ("* * * * *", "Asia/Kolkata", "every minute"),
        // Counted from the hour of the zone, which differs from that of UTC.
        ("*/30 * * * *", "Asia/Kathmandu", "every 30 minutes, Asia/Kathmandu time"),
        ("0 * * * *", "Asia/Kolkata", "at minute 0 past every hour, Asia/Kolkata time"),
        ("*/15 * * * 1", "Asia/Kolkata", "every 15 minutes on Monday, Asia/Kolkata time"),
    ] {
        assert_eq!(words(expression, zone), expected, "{expression} {zone}");
    }
}

#[test]
fn the_other_kinds() {
    for (every_seconds, expected) in [
        (1, "every second"),
        (60, "every minute"),
        (90, "every 1 minute and 30 seconds"),
        (300, "every 5 minutes"),
        (3_600, "every hour"),
        (9_000, "every 2 hours and 30 minutes"),
        (3_661, "every 1 hour, 1 minute and 1 second"),
        (86_400, "every 24 hours"),
        (u32::MAX, "every 1193046 hours, 28 minutes and 15 seconds"),
    ] {
        assert_eq!(Schedule::Recurring { every_seconds }.in_words(), expected);
    }
    let scheduled = |run_at: &str| Schedule::Scheduled { run_at: run_at.parse().unwrap() }.in_words();
    assert_eq!(scheduled("2027-01-01T09:00:00Z"), "once, at 2027-01-01 09:00:00 UTC");
    assert_eq!(scheduled("2027-01-01T09:00:00.25+01:00"), "once, at 2027-01-01 08:00:00.250 UTC");
    assert_eq!(Schedule::OneTime.in_words(), "once, immediately");
}

#[test]
fn a_description_that_is_too_long_is_the_pattern() {
    let expression = "0,1,3,4,6,7,9,10,12,13,15,16,18,19,21 0,2,3,5,6,8,9,11,12 1W,3W,5W,7W,10,12,14 1,3,5,7,9,11 \
                      1#1,2#1,3#2,4#3,5#4,6#5,0#L,1#3,2#4,5#1,5#2";
    let description = words(expression, "America/Argentina/ComodRivadavia");
    assert!(description.starts_with("at the local times that match 0,1,3,4,6,7,"), "{description}");
    assert!(description.len() < 600);
}

/// Everything that decides the fires: two patterns with the same meaning have the same fires.
fn meaning(expression: &str) -> String {
    let fields = Fields::of(&grammar::read(expression).unwrap());
    let days = format!("{:?} {:?} {:?}", fields.day_rule(), fields.days, fields.weekdays);
    format!("{:?} {:?} {:?} {days}", fields.minutes, fields.hours, fields.months)
}

fn fires(expression: &str) -> Vec<DateTime<Utc>> {
    let cron = Cron::parse(expression, "UTC").unwrap();
    let next = |after: &DateTime<Utc>| cron.next_after(*after).unwrap();
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    std::iter::successors(Some(start), next).take(150).collect()
}

/// Two expressions that usually differ in one field.
fn two_expressions() -> impl Strategy<Value = (String, String)> {
    (any_expression(), any_expression(), 0usize..5).prop_map(|(one, other, index)| {
        let mut changed: Vec<&str> = one.split(' ').collect();
        changed[index] = other.split(' ').nth(index).unwrap();
        let changed = changed.join(" ");
        if changed.len() <= grammar::MAX_EXPRESSION_BYTES { (one, changed) } else { (one.clone(), one) }
    })
}

#[test]
fn similar_patterns_have_different_descriptions() {
    let days = ["*", "?", "1", "31", "L", "LW", "1W", "1,L", "1,LW", "1-31", "*/2", "1-2", "29"];
    let weekdays = ["*", "1", "1#1", "1#5", "1L", "1-5", "1-7", "*/2", "0,6", "1,2#2", "1-5#2"];
    let mut sentences = HashSet::new();
    let mut meanings = HashSet::new();
    for (minute, hour) in
        [("0", "9"), ("*/15", "*"), ("0-59/15", "0-23"), ("*", "9"), ("0,1", "8-9"), ("*/2", "*/2")]
    {
        for day in days {
            for month in ["*", "1", "2,3", "1-3"] {
                for weekday in weekdays {
                    let expression = format!("{minute} {hour} {day} {month} {weekday}");
                    let pattern = grammar::read(&expression).unwrap();
                    let rule = Fields::of(&pattern).day_rule();
                    // A field that does not decide is not described.
                    let (day, weekday) = match rule {
                        super::super::fields::DayRule::Every => ("", ""),
                        super::super::fields::DayRule::Days => (day, ""),
                        super::super::fields::DayRule::Weekdays => ("", weekday),
                        _ => (day, weekday),
                    };
                    meanings.insert(format!("{minute} {hour} {day} {month} {weekday} {rule:?}"));
                    sentences.insert(words(&expression, "Europe/Berlin"));
                }
            }
        }
    }
    assert_eq!(sentences.len(), meanings.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn words_are_bounded_and_equal_only_for_equal_fires((one, other) in two_expressions()) {
        let (description, other_description) = (words(&one, "UTC"), words(&other, "UTC"));
        prop_assert!(!description.is_empty() && description.chars().count() < 600 && description.is_ascii(), "{}", description);
        let lower: String = one.to_ascii_lowercase().replace(' ', "\t ");
        prop_assert_eq!(&description, &words(&lower, "utc"), "letter case and space do not matter");
        let normal = grammar::read(&one).unwrap();
        prop_assert_eq!(&description, &words(&normal.text, "UTC"));
        if meaning(&one) == meaning(&other) && normal.is_cadence == grammar::read(&other).unwrap().is_cadence {
            prop_assert_eq!(&description, &other_description);
        }
        if description == other_description {
            prop_assert_eq!(fires(&one), fires(&other), "{} and {} are both {}", one, other, description);
        }
    }
}
