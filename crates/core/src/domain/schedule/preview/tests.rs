//! Real clock transitions in 2026 and their notes; `oracle` checks many more fires.

mod oracle;

use super::*;

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::Cron(Cron::parse(expression, zone).unwrap())
}

/// The fires after an instant: local time, and the note or an empty text.
fn preview(expression: &str, zone: &str, from: &str, count: usize) -> Vec<(String, String)> {
    let from = instant(from);
    let fires = schedule(expression, zone).preview(from, from, count).unwrap();
    fires.into_iter().map(|fire| (fire.local, fire.note.unwrap_or_default())).collect()
}

#[track_caller]
fn shows(expression: &str, zone: &str, from: &str, expected: &[(&str, &str)]) {
    let fires = preview(expression, zone, from, expected.len());
    let fires: Vec<_> = fires.iter().map(|(local, note)| (local.as_str(), note.as_str())).collect();
    assert_eq!(fires, expected, "{expression} {zone}");
}

/// 02:00 to 03:00 is skipped on 29 March and occurs twice on 25 October.
const BERLIN: &str = "Europe/Berlin";
const MARCH: &str = "2026-03-28T12:00:00Z";
const OCTOBER: &str = "2026-10-24T12:00:00Z";

#[test]
fn a_time_in_a_gap_is_moved() {
    shows(
        "30 2 * * *",
        BERLIN,
        MARCH,
        &[
            (
                "2026-03-29T03:00:00+02:00",
                "02:30 does not exist on 2026-03-29 in Europe/Berlin; it runs at 03:00 instead.",
            ),
            ("2026-03-30T02:30:00+02:00", ""),
        ],
    );
    let moved = |expression| preview(expression, BERLIN, "2026-03-29T00:30:00Z", 1).remove(0);
    for (expression, note) in [
        (
            "15,45 2 * * *",
            "02:15 and 02:45 do not exist on 2026-03-29 in Europe/Berlin; they run together, once, at 03:00.",
        ),
        (
            "0-55/5 2 * * *",
            "12 times from 02:00 to 02:55 do not exist on 2026-03-29 in Europe/Berlin; they run together, once, at 03:00.",
        ),
        ("30 2,3 * * *", "02:30 does not exist on 2026-03-29 in Europe/Berlin; it runs at 03:00 instead."),
        (
            "0 2,3 * * *",
            "02:00 does not exist on 2026-03-29 in Europe/Berlin; it runs together with 03:00, once.",
        ),
        (
            "0,30 2-4 * * *",
            "02:00 and 02:30 do not exist on 2026-03-29 in Europe/Berlin; they run together with 03:00, once.",
        ),
        ("0 3 * * *", ""),
    ] {
        assert_eq!(
            moved(expression),
            ("2026-03-29T03:00:00+02:00".to_owned(), note.to_owned()),
            "{expression}"
        );
    }
}

#[test]
fn a_time_that_occurs_twice_runs_at_the_first() {
    shows(
        "30 2 * * *",
        BERLIN,
        OCTOBER,
        &[
            (
                "2026-10-25T02:30:00+02:00",
                "02:30 occurs twice on 2026-10-25 in Europe/Berlin; it runs at the first.",
            ),
            ("2026-10-26T02:30:00+01:00", ""),
        ],
    );
    shows(
        "30 1 * * *",
        "America/New_York",
        "2026-10-31T12:00:00Z",
        &[(
            "2026-11-01T01:30:00-04:00",
            "01:30 occurs twice on 2026-11-01 in America/New_York; it runs at the first.",
        )],
    );
    shows("0 3 * * *", BERLIN, OCTOBER, &[("2026-10-25T03:00:00+01:00", "")]);
}

#[test]
fn a_cadence_follows_the_clock() {
    let forward = "The clock goes forward on 2026-03-29 in Europe/Berlin: 02:00 to 03:00 does not exist, and fires in it are skipped.";
    shows(
        "*/30 * * * *",
        BERLIN,
        "2026-03-29T00:00:00Z",
        &[
            ("2026-03-29T01:30:00+01:00", ""),
            ("2026-03-29T03:00:00+02:00", forward),
            ("2026-03-29T03:30:00+02:00", ""),
        ],
    );
    // A day of fires is skipped; the first fire after it has the note.
    shows(
        "*/30 2 * * *",
        BERLIN,
        MARCH,
        &[("2026-03-30T02:00:00+02:00", forward), ("2026-03-30T02:30:00+02:00", "")],
    );
    // The gap contains no time of the pattern.
    shows("*/30 4 * * *", BERLIN, MARCH, &[("2026-03-29T04:00:00+02:00", "")]);
    // The gap is over.
    shows("*/30 2 * * *", BERLIN, "2026-03-29T01:00:00Z", &[("2026-03-30T02:00:00+02:00", "")]);
    // Not the last transition before the fire, but one since the previous fire.
    let rare = preview("* 2 29 3 *", BERLIN, MARCH, 1).remove(0);
    assert_eq!(rare, ("2027-03-29T02:00:00+02:00".to_owned(), forward.to_owned()));

    let again =
        |time| format!("The clock goes back on 2026-10-25 in Europe/Berlin: {time} occurs a second time.");
    shows(
        "30 * * * *",
        BERLIN,
        "2026-10-25T00:00:00Z",
        &[
            ("2026-10-25T02:30:00+02:00", ""),
            ("2026-10-25T02:30:00+01:00", &again("02:30")),
            ("2026-10-25T03:30:00+01:00", ""),
        ],
    );
}

#[test]
fn half_hour_transitions_and_zones_without_transitions() {
    let zone = "Australia/Lord_Howe";
    shows(
        "15 2 * * *",
        zone,
        "2026-10-03T12:00:00Z",
        &[(
            "2026-10-04T02:30:00+11:00",
            "02:15 does not exist on 2026-10-04 in Australia/Lord_Howe; it runs at 02:30 instead.",
        )],
    );
    shows(
        "45 1 * * *",
        zone,
        "2026-04-04T12:00:00Z",
        &[(
            "2026-04-05T01:45:00+11:00",
            "01:45 occurs twice on 2026-04-05 in Australia/Lord_Howe; it runs at the first.",
        )],
    );
    shows(
        "*/15 * * * *",
        zone,
        "2026-04-04T14:40:00Z",
        &[
            ("2026-04-05T01:45:00+11:00", ""),
            (
                "2026-04-05T01:30:00+10:30",
                "The clock goes back on 2026-04-05 in Australia/Lord_Howe: 01:30 occurs a second time.",
            ),
        ],
    );
    for fire in preview("30 2 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", 366) {
        assert_eq!((&fire.0[10..], fire.1.as_str()), ("T02:30:00+05:30", ""));
    }
}

#[test]
fn transitions_at_midnight_name_the_day() {
    shows(
        "30 0 * * *",
        "Africa/Cairo",
        "2026-04-23T12:00:00Z",
        &[(
            "2026-04-24T01:00:00+03:00",
            "00:30 does not exist on 2026-04-24 in Africa/Cairo; it runs at 01:00 instead.",
        )],
    );
    shows(
        "30 23 * * *",
        "Africa/Cairo",
        "2026-10-29T12:00:00Z",
        &[(
            "2026-10-29T23:30:00+03:00",
            "23:30 occurs twice on 2026-10-29 in Africa/Cairo; it runs at the first.",
        )],
    );
    shows(
        "0 0 * * *",
        "America/Santiago",
        "2026-09-05T12:00:00Z",
        &[(
            "2026-09-06T01:00:00-03:00",
            "00:00 does not exist on 2026-09-06 in America/Santiago; it runs at 01:00 instead.",
        )],
    );
    // The last hour of a Saturday is skipped: its fires run on Sunday.
    shows(
        "30 23 * * 6",
        "America/Nuuk",
        "2026-03-28T12:00:00Z",
        &[(
            "2026-03-29T00:00:00-01:00",
            "23:30 does not exist on 2026-03-28 in America/Nuuk; it runs at 2026-03-29 00:00 instead.",
        )],
    );
    // A whole day.
    shows(
        "0 0,12 30 12 *",
        "Pacific/Apia",
        "2011-12-29T12:00:00Z",
        &[(
            "2011-12-31T00:00:00+14:00",
            "00:00 and 12:00 do not exist on 2011-12-30 in Pacific/Apia; they run together, once, at 2011-12-31 00:00.",
        )],
    );
}

#[test]
fn the_other_kinds_are_shown_in_utc() {
    let anchor = instant("2026-03-29T00:00:07.123456Z");
    let fires = Schedule::Recurring { every_seconds: 3_600 }.preview(anchor, anchor, 2).unwrap();
    assert_eq!(fires[1].at, instant("2026-03-29T02:00:07.123456Z"));
    assert_eq!((fires[1].local.as_str(), &fires[1].note), ("2026-03-29T02:00:07+00:00", &None));
    let once = Schedule::Scheduled { run_at: anchor };
    assert_eq!(once.preview(anchor, anchor - chrono::TimeDelta::days(1), 5).unwrap().len(), 1);
    assert_eq!(once.preview(anchor, anchor, 5), Ok(Vec::new()));
    assert_eq!(Schedule::OneTime.preview(anchor, anchor, 5), Ok(Vec::new()));
    assert_eq!(Schedule::OneTime.warnings(anchor), Ok(Vec::new()));
    assert_eq!(schedule("0 0 * * *", "UTC").preview(anchor, anchor, 0), Ok(Vec::new()));
    assert_eq!(schedule("0 0 30 2 *", "UTC").preview(anchor, anchor, 3), Ok(Vec::new()));
    assert_eq!(preview("0 9 * * *", "UTC", "2026-01-01T12:00:00.9Z", 1)[0].0, "2026-01-02T09:00:00+00:00");
}

#[test]
fn expressions_that_fire_less_than_once_a_year_get_a_warning() {
    let warnings =
        |expression: &str, from: &str| schedule(expression, BERLIN).warnings(instant(from)).unwrap();
    let rarely = |expression: &str, from: &str| {
        warnings(expression, from).into_iter().find(|warning| warning.contains("ires")).unwrap_or_default()
    };
    let now = "2026-11-24T12:00:00Z";
    for (expression, from, expected) in [
        ("0 0 29 2 *", now, "Fires rarely: the next fire is on 2028-02-29, in 1 year."),
        ("0 0 29 2 *", "2025-01-01T00:00:00Z", "Fires rarely: the next fire is on 2028-02-29, in 3 years."),
        (
            "* * 29 2 *",
            "2028-02-01T00:00:00Z",
            "Fires rarely: after 2028-02-29 the next fire is on 2032-02-29, 4 years later.",
        ),
        // 13 January as a Sunday.
        ("0 0 13 1 */7", now, "Fires rarely: the next fire is on 2030-01-13, in 3 years."),
        (
            "0 0 12-14 1 */7",
            "2029-12-01T00:00:00Z",
            "Fires rarely: after 2031-01-12 the next fire is on 2035-01-14, 4 years later.",
        ),
        ("0 0 * 1 0#5", now, "Fires rarely: after 2028-01-30 the next fire is on 2033-01-30, 5 years later."),
        ("0 0 30 2 *", now, "Never fires: there is no fire in the next ten years."),
        ("0 0 1 1 *", now, ""),
        ("* * 1 1 *", now, ""),
        ("0 0 * 2 0#1", now, ""),
        ("0 0 * 12 5L", now, ""),
        ("* * * * *", now, ""),
    ] {
        assert_eq!(rarely(expression, from), expected, "{expression}");
    }
}

#[test]
fn days_that_months_do_not_have_get_a_warning() {
    let now = instant("2026-11-24T12:00:00Z");
    let alone =
        |days: &str| format!("Months without day {days} are skipped; L is the last day of every month.");
    let among = |days: &str| {
        format!("In months without day {days}, that day is skipped; L is the last day of every month.")
    };
    for (expression, expected) in [
        ("0 0 31 * *", Some(alone("31"))),
        ("0 0 30 * ?", Some(alone("30"))),
        ("0 0 29 * *", Some(alone("29"))),
        ("0 0 31W * *", Some(alone("31"))),
        ("0 0 31 * */2", Some(alone("31"))),
        ("0 0 31 * 5", Some(among("31"))),
        ("0 0 15,31 * *", Some(among("31"))),
        ("0 0 29-31 * *", Some(among("29, 30 or 31"))),
        ("0 0 30,31 4,6 *", Some(among("31"))),
        ("0 0 31 1,3,5 *", None),
        ("0 0 30 3-12 *", None),
        ("0 0 28 * *", None),
        ("0 0 */2 * *", None),
        ("0 0 1-31 * *", None),
        ("0 0 31,L * *", None),
        ("0 0 * * *", None),
        ("0 0 31 * 1-7", None),
    ] {
        let warnings = schedule(expression, "UTC").warnings(now).unwrap();
        assert_eq!(warnings, Vec::from_iter(expected), "{expression}");
    }
}
