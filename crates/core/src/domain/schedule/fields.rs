//! The five fields of a pattern as sets of numbers, to describe a pattern in words and to warn about it.
//!
//! [`Calendar`](super::calendar::Calendar) alone decides when a pattern fires; a test checks that both agree.

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

/// The values of the day-of-month field.
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

/// The values of the day-of-week field.
#[derive(Debug, Default)]
pub(super) struct Weekdays {
    /// Weekdays that match in every week of the month.
    pub(super) every: Set,
    /// `5#2`, `5#L`: only the first to the fifth of the month, and at the last index the last of the month. Weekdays in
    /// `every` are left out, because it includes them already.
    pub(super) nth: [Set; 6],
}

impl Fields {
    pub(super) fn of(pattern: &Pattern) -> Self {
        // The grammar always writes five fields.
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

    /// Which day fields decide; a field that restricts nothing is left out.
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

/// Which of the two day fields decide whether a day matches.
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
    /// Whether a weekday is restricted to some of its occurrences in the month.
    pub(super) fn has_nth(&self) -> bool {
        self.nth.iter().any(|days| !days.is_empty())
    }

    fn read(field: &str) -> Self {
        let mut weekdays = Self::default();
        for item in field.split(',') {
            match item.split_once('#') {
                Some((days, nth)) => {
                    let index = nth.parse().map_or(5, |nth: usize| nth - 1);
                    weekdays.nth[index] = weekdays.nth[index].and(span(days, 0, 7).sunday_last());
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

/// One item of a list as the grammar writes it: `*`, `5` or `1-5`, with or without a step.
fn span(item: &str, min: u8, max: u8) -> Set {
    let (range, step) = item.split_once('/').unwrap_or((item, "1"));
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => (min, max),
        Some((first, last)) => (number(first), number(last)),
        None => (number(range), number(range)),
    };
    (first..=last).step_by(number(step).max(1).into()).collect()
}

/// The grammar writes numbers as digits.
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

    /// The union of both sets.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Moves Sunday from 0 to 7; cron accepts both.
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
