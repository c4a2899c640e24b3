//! What the five fields of a pattern name, as sets of numbers: for saying a pattern in words and for warning of it.
//!
//! When a pattern fires is [`Calendar`](super::calendar::Calendar)'s business and never decided from here; a test holds
//! that both read the same.

use super::grammar::Pattern;

/// The weekdays from Monday to Sunday, as ISO 8601 counts them: Monday is 1, Sunday is 7.
pub(super) const WEEKDAYS: std::ops::RangeInclusive<u8> = 1..=7;

/// The fields of a pattern.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) minutes: Set,
    pub(super) hours: Set,
    pub(super) days: Days,
    pub(super) months: Set,
    pub(super) weekdays: Weekdays,
    /// See [`Pattern`].
    pub(super) is_cadence: bool,
    /// See [`Pattern`].
    pub(super) both_days: bool,
}

/// What the day-of-month field names.
#[derive(Debug, Default)]
pub(super) struct Days {
    pub(super) numbers: Set,
    /// `15W`: the weekday nearest to the day, in the same month.
    pub(super) nearest: Set,
    /// `L`
    pub(super) last: bool,
    /// `LW`
    pub(super) last_weekday: bool,
}

/// What the day-of-week field names.
#[derive(Debug, Default)]
pub(super) struct Weekdays {
    /// Each one of the month.
    pub(super) every: Set,
    /// `5#2`, `5#L`: only the first to the fifth, and in the last place the last one of the month. None of them is in
    /// `every`, which would say it already.
    pub(super) nth: [Set; 6],
}

impl Fields {
    pub(super) fn of(pattern: &Pattern) -> Self {
        // The grammar has written five.
        let mut fields = pattern.text.split(' ');
        let mut next = || fields.next().unwrap_or("*");
        Self {
            minutes: values(next(), 0, 59),
            hours: values(next(), 0, 23),
            days: Days::read(next()),
            months: values(next(), 1, 12),
            weekdays: Weekdays::read(next()),
            is_cadence: pattern.is_cadence,
            both_days: pattern.both_days,
        }
    }

    /// The days, with what restricts nothing left out.
    pub(super) fn day_rule(&self) -> DayRule {
        let every_number = self.days.numbers.is_all(1..=31);
        let every_weekday = self.weekdays.every.is_all(WEEKDAYS);
        match (every_number, every_weekday) {
            (true, true) => DayRule::Every,
            (true, false) if self.both_days => DayRule::Weekdays,
            (false, true) if self.both_days => DayRule::Days,
            (false, false) if self.both_days => DayRule::Both,
            (false, false) => DayRule::Either,
            _ => DayRule::Every,
        }
    }
}

/// Which of the two day fields decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayRule {
    Every,
    Days,
    Weekdays,
    Either,
    Both,
}

impl Days {
    fn read(field: &str) -> Self {
        let mut days = Self::default();
        for item in field.split(',') {
            match item.strip_suffix('W') {
                Some("L") => days.last_weekday = true,
                Some(day) => days.nearest = days.nearest.and(span(day, 1, 31)),
                None if item == "L" => days.last = true,
                None => days.numbers = days.numbers.and(span(item, 1, 31)),
            }
        }
        days
    }
}

impl Weekdays {
    /// Whether only some of a month's Mondays, or other days, are named.
    pub(super) fn has_places(&self) -> bool {
        self.nth.iter().any(|days| !days.is_empty())
    }

    fn read(field: &str) -> Self {
        let mut weekdays = Self::default();
        for item in field.split(',') {
            match item.split_once('#') {
                Some((days, nth)) => {
                    let place = nth.parse().map_or(5, |nth: usize| nth - 1);
                    weekdays.nth[place] = weekdays.nth[place].and(span(days, 0, 7).sunday_last());
                }
                None => weekdays.every = weekdays.every.and(span(item, 0, 7).sunday_last()),
            }
        }
        weekdays.nth = weekdays.nth.map(|days| days.without(weekdays.every));
        weekdays
    }
}

fn values(field: &str, min: u8, max: u8) -> Set {
    field.split(',').fold(Set::default(), |set, item| set.and(span(item, min, max)))
}

/// One item of a list in the grammar's own spelling: `*`, `5`, `1-5`, each of them with a step or without.
fn span(item: &str, min: u8, max: u8) -> Set {
    let (range, step) = item.split_once('/').unwrap_or((item, "1"));
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => (min, max),
        Some((first, last)) => (number(first), number(last)),
        None => (number(range), number(range)),
    };
    (first..=last).step_by(number(step).max(1).into()).collect()
}

/// The grammar has written it with digits.
fn number(text: &str) -> u8 {
    text.parse().unwrap_or_default()
}

/// Numbers from 0 to 63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(u64);

impl Set {
    pub(super) fn has(self, value: u8) -> bool {
        value < 64 && self.0 & 1 << value != 0
    }

    /// In ascending order.
    pub(super) fn values(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |value| self.has(*value))
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn is_all(self, mut range: std::ops::RangeInclusive<u8>) -> bool {
        range.all(|value| self.has(value))
    }

    pub(super) fn last(self) -> Option<u8> {
        self.0.checked_ilog2().map(|bit| bit as u8)
    }

    /// The numbers of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// cron counts weekdays from Sunday, which is 0 and 7.
    fn sunday_last(self) -> Self {
        Self((self.0 & !1) | (self.0 & 1) << 7)
    }
}

impl FromIterator<u8> for Set {
    fn from_iter<I: IntoIterator<Item = u8>>(values: I) -> Self {
        Self(values.into_iter().filter(|value| *value < 64).fold(0, |bits, value| bits | 1 << value))
    }
}

#[cfg(test)]
pub(super) mod tests;
