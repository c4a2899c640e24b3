//! Which civil minutes a pattern matches, independent of any zone.
//!
//! croner parses the pattern and matches days (it supports `L`, `W` and `#`). The search over days, hours and
//! minutes is done here, because it must end at a given day and be cheap for a pattern that never matches.

use jiff::civil::{Date, DateTime, Time};

use super::{ScheduleError, grammar};

/// The civil minutes of a pattern.
pub(super) struct Calendar {
    days: croner::CronPattern,
    /// Bit h: hour h matches.
    hours: u32,
    /// Bit m: minute m matches.
    minutes: u64,
}

impl Calendar {
    /// Parses the pattern with croner.
    pub(super) fn new(pattern: &grammar::Pattern) -> Result<Self, croner::errors::CronError> {
        let mut days = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Disallowed)
            .year(croner::parser::Year::Disallowed)
            .dom_and_dow(pattern.both_days)
            .build()
            .parse(&pattern.text)?
            .pattern;
        let hours = days.hours.values().into_iter().fold(0, |bits, hour| bits | 1 << hour);
        let minutes = days.minutes.values().into_iter().fold(0, |bits, minute| bits | 1 << minute);
        // Frees five kilobytes of years, which no accepted pattern restricts.
        days.years = croner::CronComponent::default();
        Ok(Self { days, hours, minutes })
    }

    /// The first matching minute in `[from, until)`. `from` is a whole minute.
    pub(super) fn first_in(
        &self,
        from: DateTime,
        until: DateTime,
    ) -> Result<Option<DateTime>, ScheduleError> {
        let (mut date, mut earliest) = (from.date(), from.time());
        while date.to_datetime(earliest) < until {
            let following = if !self.days.month_match(date.month() as u32).map_err(library)? {
                date.last_of_month().tomorrow()
            } else {
                if self.day_matches(date)?
                    && let Some(time) = self.time_from(earliest)
                {
                    let found = date.to_datetime(time);
                    return Ok((found < until).then_some(found));
                }
                date.tomorrow()
            };
            let Ok(following) = following else { return Ok(None) };
            (date, earliest) = (following, Time::midnight());
        }
        Ok(None)
    }

    /// Whether the pattern matches any time of this date.
    pub(super) fn matches_on(&self, date: Date) -> Result<bool, ScheduleError> {
        Ok(self.days.month_match(date.month() as u32).map_err(library)? && self.day_matches(date)?)
    }

    /// The matching hours and minutes of a date that matches, a bit each.
    pub(super) fn times(&self) -> (u32, u64) {
        (self.hours, self.minutes)
    }

    fn day_matches(&self, date: Date) -> Result<bool, ScheduleError> {
        let weekday = croner::Weekday::from_days_from_sunday(date.weekday().to_sunday_zero_offset() as u32);
        self.days
            .day_match(date.year().into(), date.month() as u32, date.day() as u32, weekday)
            .map_err(library)
    }

    /// The first matching time of a day at or after `earliest`.
    fn time_from(&self, earliest: Time) -> Option<Time> {
        let (hour, minute) = (earliest.hour() as u32, earliest.minute() as u32);
        let later_minutes = self.minutes & (u64::MAX << minute);
        let (hour, minutes) = if self.hours & 1 << hour != 0 && later_minutes != 0 {
            (hour, later_minutes)
        } else {
            let later_hours = self.hours & (u32::MAX << (hour + 1));
            (later_hours.trailing_zeros(), self.minutes)
        };
        // Without a later hour there are 32 trailing zeros, which is not an hour of the day.
        (hour < 24).then(|| jiff::civil::time(hour as i8, minutes.trailing_zeros() as i8, 0, 0))
    }
}

fn library(error: croner::errors::CronError) -> ScheduleError {
    ScheduleError::Library(error.to_string())
}
