//! Determines independently what a clock transition did to each fire, and compares it with the notes.

use jiff::tz::AmbiguousOffset;
use proptest::prelude::*;

use super::super::super::fields::tests::any_expression;
use super::*;

/// What a clock transition did to a fire, found without searching for transitions: checks for every local minute of the
/// pattern since the previous fire whether it exists.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    /// This many times in a gap are moved to the fire.
    Moved(usize),
    FirstOfTwo,
    SecondOfTwo,
    Skipped,
}

fn change(cron: &Cron, since: Timestamp, at: Timestamp) -> Change {
    let (zone, local) = (cron.zone(), cron.zone().to_datetime(at));
    let minute = jiff::Span::new().minutes(1);
    let mut from = cron.zone().to_datetime(since).with().second(0).build().unwrap();
    let mut in_gap = Vec::new();
    while let Some(time) = cron.calendar().unwrap().first_in(from, local).unwrap() {
        from = time.checked_add(minute).unwrap();
        if let AmbiguousOffset::Gap { before, after } = zone.to_ambiguous_timestamp(time).offset() {
            in_gap.push((before.to_timestamp(time).unwrap(), after.to_timestamp(time).unwrap()));
        }
    }
    let repeats = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Fold { before, .. } => Some(before.to_timestamp(local).unwrap() == at),
        _ => None,
    };
    let moved = in_gap.iter().filter(|(late, early)| *early < at && at <= *late).count();
    match (cron.is_cadence(), repeats) {
        (true, Some(false)) => Change::SecondOfTwo,
        (true, _) if in_gap.iter().any(|(late, _)| *late > since) => Change::Skipped,
        (false, _) if moved > 0 => Change::Moved(moved),
        (false, Some(true)) => Change::FirstOfTwo,
        _ => Change::None,
    }
}

/// The change that a note describes.
fn noted(note: Option<&str>) -> Change {
    let Some(note) = note else { return Change::None };
    let says = |words: &str| note.contains(words);
    match note.split(' ').next().and_then(|word| word.parse().ok()) {
        Some(count) => Change::Moved(count),
        None if says(" do not exist on ") => Change::Moved(2),
        None if says(" does not exist on ") => Change::Moved(1),
        None if says("; it runs at the first.") => Change::FirstOfTwo,
        None if says(" occurs a second time.") => Change::SecondOfTwo,
        None if says("The clock goes forward") => Change::Skipped,
        None => panic!("{note}"),
    }
}

/// Days before the transitions of 2026 and 2027 in the zones below.
fn any_start() -> impl Strategy<Value = DateTime<Utc>> {
    let days = [
        "2026-03-07",
        "2026-03-27",
        "2026-04-03",
        "2026-04-23",
        "2026-09-04",
        "2026-10-02",
        "2026-10-23",
        "2026-10-28",
        "2026-10-31",
    ];
    (prop::sample::select(days.to_vec()), 0i64..172_800)
        .prop_map(|(day, seconds)| instant(&format!("{day}T00:00:00Z")) + chrono::TimeDelta::seconds(seconds))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn notes_describe_exactly_the_clock_transitions(
        expression in any_expression(),
        has_days in any::<bool>(),
        zone in prop::sample::select(vec![
            BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "America/Nuuk", "Asia/Kolkata",
        ]),
        from in any_start(),
    ) {
        let times = expression.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
        let schedule = schedule(&if has_days { expression } else { format!("{times} * * *") }, zone);
        let Schedule::Cron(cron) = &schedule else { unreachable!() };
        let mut since = from;
        for fire in schedule.preview(from, from, 60).unwrap() {
            prop_assert_eq!(DateTime::parse_from_rfc3339(&fire.local).unwrap(), fire.at);
            // Long waits would be checked minute by minute, and add no cases.
            if fire.at - since < chrono::TimeDelta::days(60) {
                let expected = change(cron, second(since).unwrap(), second(fire.at).unwrap());
                prop_assert_eq!(noted(fire.note.as_deref()), expected, "{} {} {:?}", cron.expression(), zone, fire);
            }
            since = fire.at;
        }
    }
}
