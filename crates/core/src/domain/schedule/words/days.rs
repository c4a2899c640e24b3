//! The day fields and the month field in words.

use super::super::fields::{DayRule, Days, Fields, Set, Weekdays};
use super::super::list;
use crate::domain::wording;

const WEEKDAY_NAMES: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ORDINALS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "last"];

/// "on day 1 of every month", "from Monday to Friday", "on Sunday in July"; empty if every day matches.
pub(super) fn words(fields: &Fields) -> String {
    let months = months(fields.months);
    let in_months = months.as_ref().map_or_else(String::new, |months| format!("in {months}"));
    match fields.day_rule() {
        DayRule::Every => in_months,
        DayRule::Days => format!("on {}", days_of(&fields.days, months.as_deref())),
        DayRule::Weekdays if months.is_none() || fields.weekdays.has_nth() => {
            on_weekdays(&fields.weekdays, of_weekdays(&fields.weekdays, months.as_deref()))
        }
        DayRule::Weekdays => format!("{} {in_months}", on_weekdays(&fields.weekdays, "")),
        DayRule::Either => {
            let days = wording::all_of(day_names(&fields.days));
            let weekdays = on_weekdays(&fields.weekdays, "the month");
            let comma = if months.is_some() { ", " } else { "" };
            format!("on {days} of the month or {weekdays}{comma}{in_months}")
        }
        DayRule::Both => {
            let weekdays = one_of_weekdays(&fields.weekdays);
            format!("on {} if the day is {weekdays}", days_of(&fields.days, months.as_deref()))
        }
    }
}

/// "day 1 of every month", "days 1 and 31 of the month", "the last day of May"
fn days_of(days: &Days, months: Option<&str>) -> String {
    let names = day_names(days);
    let named = days.numbers.and(days.nearest);
    let lacking = named.last().is_some_and(|day| day > 28);
    let of = match months {
        Some(months) => months,
        // "every month" would be wrong if some months lack the day.
        None if lacking && named.len() == 1 && names.len() == 1 => "every month that has it",
        None if lacking => "the month",
        None => "every month",
    };
    format!("{} of {of}", wording::all_of(names))
}

fn day_names(days: &Days) -> Vec<String> {
    let numbers = (!days.numbers.is_empty()).then(|| list::named("day", days.numbers));
    let nearest = (!days.nearest.is_empty()).then(|| {
        let weekdays = if days.nearest.len() == 1 { "weekday" } else { "weekdays" };
        format!("the {weekdays} (Monday to Friday) nearest to {}", list::named("day", days.nearest))
    });
    let last = days.last.then(|| "the last day".to_owned());
    let last_weekday = days.last_weekday.then(|| "the last weekday (Monday to Friday)".to_owned());
    [numbers, nearest, last, last_weekday].into_iter().flatten().collect()
}

/// "from Monday to Friday", "on Monday and Friday", "on every Sunday and the second Monday of July"
fn on_weekdays(weekdays: &Weekdays, of: &str) -> String {
    if weekdays.has_nth() {
        let every = weekdays.every.values().map(|day| format!("every {}", weekday(day)));
        return format!("on {} of {of}", wording::all_of(every.chain(nth_weekdays(weekdays))));
    }
    match list::runs(weekdays.every)[..] {
        [(first, last)] if last - first > 1 => format!("from {} to {}", weekday(first), weekday(last)),
        _ => format!("on {}", wording::all_of(weekdays.every.values().map(weekday))),
    }
}

fn of_weekdays<'a>(weekdays: &Weekdays, months: Option<&'a str>) -> &'a str {
    match months {
        Some(months) => months,
        None if weekdays.nth[4].is_empty() => "every month",
        None if nth_weekdays(weekdays).len() == 1 && weekdays.every.is_empty() => "every month that has it",
        None => "the month",
    }
}

/// "Monday or Friday", "Sunday or the second Monday of the month"
fn one_of_weekdays(weekdays: &Weekdays) -> String {
    let every = weekdays.every.values().map(|day| weekday(day).to_owned());
    let of = if weekdays.has_nth() { " of the month" } else { "" };
    format!("{}{of}", wording::one_of(every.chain(nth_weekdays(weekdays))))
}

/// "the second Monday", "the last Friday"
fn nth_weekdays(weekdays: &Weekdays) -> Vec<String> {
    let named = |(ordinal, days): (&str, Set)| {
        days.values().map(|day| format!("the {ordinal} {}", weekday(day))).collect::<Vec<_>>()
    };
    ORDINALS.into_iter().zip(weekdays.nth).flat_map(named).collect()
}

/// "January and July"; `None` for every month.
fn months(months: Set) -> Option<String> {
    let name = |month: u8| MONTH_NAMES[usize::from(month - 1)];
    let names = list::runs(months).into_iter().flat_map(|(first, last)| match last - first {
        0 => vec![name(first).to_owned()],
        1 => vec![name(first).to_owned(), name(last).to_owned()],
        _ => vec![format!("{} to {}", name(first), name(last))],
    });
    (!months.is_all(1..=12)).then(|| wording::all_of(names))
}

fn weekday(day: u8) -> &'static str {
    WEEKDAY_NAMES[usize::from(day - 1)]
}
