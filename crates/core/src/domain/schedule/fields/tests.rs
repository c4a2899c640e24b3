//! Compares the sets with the calendar, which parses the same pattern with different code and decides the fires.

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::super::calendar::Calendar;
use super::super::grammar;
use super::*;

/// Expressions over the whole grammar.
pub(in super::super) fn any_expression() -> impl Strategy<Value = String> {
    let plain = |min: u8, max: u8| {
        let range = move || (min..=max, min..=max).prop_map(|(a, b)| (a.min(b), a.max(b)));
        prop_oneof![
            4 => (min..=max).prop_map(|value| value.to_string()),
            2 => range().prop_map(|(first, last)| format!("{first}-{last}")),
            1 => (range(), 1..=max).prop_map(|((first, last), step)| format!("{first}-{last}/{step}")),
            1 => (1..=max).prop_map(|step| format!("*/{step}")),
        ]
        .boxed()
    };
    let field = |item: BoxedStrategy<String>| {
        prop_oneof![
            2 => Just("*".to_owned()),
            3 => item.clone(),
            2 => prop::collection::vec(item, 1..8).prop_map(|items| items.join(",")),
        ]
    };
    let day = prop_oneof![
        6 => plain(1, 31),
        1 => Just("LW".to_owned()),
        1 => (1u8..=31).prop_map(|day| format!("{day}W")),
    ];
    let last_day = prop_oneof![6 => plain(1, 31), 1 => Just("L".to_owned())];
    let weekday = prop_oneof![
        6 => plain(0, 7),
        1 => prop::sample::select(vec!["MON", "TUE-SUN", "fri", "SAT-SUN"]).prop_map(str::to_owned),
        1 => (0u8..=7).prop_map(|day| format!("{day}L")),
        2 => (0u8..=7, prop::sample::select(vec!["1", "2", "3", "4", "5", "L"]))
            .prop_map(|(day, nth)| format!("{day}#{nth}")),
        1 => (0u8..=3, 4u8..=7, 1u8..=5).prop_map(|(first, last, nth)| format!("{first}-{last}#{nth}")),
    ];
    let days = prop_oneof![field(day.boxed()), field(last_day.boxed())];
    (field(plain(0, 59)), field(plain(0, 23)), days, field(plain(1, 12)), field(weekday.boxed()))
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
        .prop_filter("too long", |expression| expression.len() <= grammar::MAX_EXPRESSION_BYTES)
}

pub(in super::super) fn fields(expression: &str) -> Fields {
    Fields::of(&grammar::read(expression).unwrap())
}

fn set(values: &[u8]) -> Set {
    values.iter().copied().collect()
}

#[test]
fn fields_become_sets() {
    let fields = fields("*/20 9-11,5 1,15W,L 2-12/5 1,5#2,7L");
    assert_eq!(fields.minutes, set(&[0, 20, 40]));
    assert_eq!(fields.hours, set(&[5, 9, 10, 11]));
    assert_eq!((fields.days.numbers, fields.days.nearest), (set(&[1]), set(&[15])));
    assert_eq!((fields.days.last, fields.days.last_weekday), (true, false));
    assert_eq!(fields.months, set(&[2, 7, 12]));
    assert_eq!(fields.weekdays.every, set(&[1]));
    assert_eq!(fields.weekdays.nth[1], set(&[5]));
    assert_eq!(fields.weekdays.nth[5], set(&[7]));
    assert_eq!((fields.is_cadence, fields.both_days), (true, false));
}

#[test]
fn sunday_is_seven_and_duplicates_are_removed() {
    assert_eq!(fields("0 0 * * 0").weekdays.every, set(&[7]));
    assert_eq!(fields("0 0 * * */2").weekdays.every, set(&[2, 4, 6, 7]));
    assert!(!fields("0 0 * * 1,1#2,1L").weekdays.has_nth());
}

#[test]
fn the_day_rule_ignores_fields_that_restrict_nothing() {
    for (expression, rule) in [
        ("0 0 * * *", DayRule::Every),
        ("0 0 */1 * 0-7", DayRule::Every),
        ("0 0 1-31 * 5", DayRule::Every),
        ("0 0 13 * 1-7", DayRule::Every),
        ("0 0 13 * *", DayRule::Days),
        ("0 0 13 * */1", DayRule::Days),
        ("0 0 * * 5", DayRule::Weekdays),
        ("0 0 13 * 5", DayRule::Either),
        ("0 0 */2 * 5", DayRule::Both),
        ("0 0 13 * */2", DayRule::Both),
        ("0 0 L * 5L", DayRule::Either),
    ] {
        assert_eq!(fields(expression).day_rule(), rule, "{expression}");
    }
}

/// Whether the day matches, computed from the sets and the rule.
fn has_day(fields: &Fields, date: Date) -> bool {
    let (day, weekday) = (date.day() as u8, date.weekday().to_monday_one_offset() as u8);
    let is_workday = |date: Date| date.weekday().to_monday_one_offset() < 6;
    let nearest = |day: u8| {
        // The closest day of the month from Monday to Friday. Two days are never equally close.
        let named = date.with().day(day as i8).build().ok()?;
        let month = (1..=date.days_in_month()).map(|day| date.with().day(day).build().unwrap());
        month.filter(|date| is_workday(*date)).min_by_key(|date| (date.day() - named.day()).abs())
    };
    let last_workday = || {
        let mut last = date.last_of_month();
        while !is_workday(last) {
            last = last.yesterday().unwrap();
        }
        last
    };
    let days = &fields.days;
    let by_day = days.numbers.has(day)
        || days.last && date == date.last_of_month()
        || days.last_weekday && date == last_workday()
        || days.nearest.values().any(|day| nearest(day) == Some(date));
    let nth = usize::from((day - 1) / 7);
    let by_weekday = fields.weekdays.every.has(weekday)
        || fields.weekdays.nth[nth].has(weekday)
        || fields.weekdays.nth[5].has(weekday) && date.day() + 7 > date.days_in_month();
    fields.months.has(date.month() as u8)
        && match fields.day_rule() {
            DayRule::Every => true,
            DayRule::Days => by_day,
            DayRule::Weekdays => by_weekday,
            DayRule::Either => by_day || by_weekday,
            DayRule::Both => by_day && by_weekday,
        }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn the_sets_agree_with_the_calendar(expression in any_expression(), start in 0i64..4000) {
        let pattern = grammar::read(&expression).unwrap();
        let (fields, calendar) = (Fields::of(&pattern), Calendar::new(&pattern).unwrap());
        let mut day = date(2020, 1, 1).checked_add(jiff::Span::new().days(start)).unwrap();
        for _ in 0..400 {
            let tomorrow = day.tomorrow().unwrap();
            let (mut from, until) = (day.at(0, 0, 0, 0), tomorrow.at(0, 0, 0, 0));
            let first = calendar.first_in(from, until).unwrap();
            prop_assert_eq!(first.is_some(), has_day(&fields, day), "{} {}", expression, day);
            if first.is_some() && day.day() == 1 {
                for hour in 0..24u8 {
                    for minute in 0..60u8 {
                        from = day.at(hour as i8, minute as i8, 0, 0);
                        let is_due = calendar.first_in(from, until).unwrap() == Some(from);
                        prop_assert_eq!(is_due, fields.hours.has(hour) && fields.minutes.has(minute), "{}", expression);
                    }
                }
            }
            day = tomorrow;
        }
    }
}
