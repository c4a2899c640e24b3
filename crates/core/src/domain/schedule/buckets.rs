//! Divides a span of minutes at the hours and days of a time zone.

use jiff::civil::{Date, Time};
use jiff::{Timestamp, tz::TimeZone};

use super::minutes::MinuteSpan;
use super::zone;
use crate::domain::invalid::Invalid;

const HOUR_MINUTES: usize = 60;
const DAY_MINUTES: usize = 24 * HOUR_MINUTES;

impl MinuteSpan {
    /// The first minute of each bucket of `step` minutes. Buckets begin at the multiples of `step` after midnight in the zone; the
    /// first one begins with the span. A bucket of more than an hour that contains a change of the clock is longer or shorter.
    ///
    /// `step` divides a day; otherwise the last bucket of each day is shorter.
    ///
    /// # Errors
    /// `timezone_unknown`.
    pub fn buckets(self, step: usize, timezone: &str) -> Result<Vec<usize>, Invalid> {
        let (zone, step) = (zone::find(timezone)?, step.max(1));
        let starts = if step <= HOUR_MINUTES { self.even(step, &zone) } else { self.civil(step, &zone) };
        Ok(std::iter::once(0).filter(|_| !self.is_empty()).chain(starts).collect())
    }

    /// Of up to an hour: changes of the clock do not matter.
    fn even(self, step: usize, zone: &TimeZone) -> Vec<usize> {
        let passed = self.timestamp().map_or(0, |first| {
            let time = zone.to_datetime(first).time();
            (time.hour() as usize * HOUR_MINUTES + time.minute() as usize) % step
        });
        (step - passed..self.len()).step_by(step).collect()
    }

    fn civil(self, step: usize, zone: &TimeZone) -> Vec<usize> {
        let mut starts: Vec<usize> = Vec::new();
        let mut date = self.timestamp().map(|first| zone.to_datetime(first).date());
        while let Some(day) = date {
            for minute in (0..DAY_MINUTES).step_by(step) {
                match self.local_index(day, minute, zone) {
                    Some(index) if index >= self.len() => return starts,
                    Some(index) if index > starts.last().copied().unwrap_or(0) => starts.push(index),
                    // Before the span, or moved by a change of the clock to the start of another bucket.
                    _ => {}
                }
            }
            date = day.tomorrow().ok();
        }
        starts
    }

    /// Where the minute of a local day begins; `None` before the span.
    fn local_index(self, day: Date, minute: usize, zone: &TimeZone) -> Option<usize> {
        let time = Time::new((minute / HOUR_MINUTES) as i8, (minute % HOUR_MINUTES) as i8, 0, 0).ok()?;
        let at = zone.to_timestamp(day.to_datetime(time)).ok()?;
        usize::try_from(at.as_second().div_euclid(60) - self.first()).ok()
    }

    fn timestamp(self) -> Option<Timestamp> {
        Timestamp::from_second(self.first().checked_mul(60)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    fn starts(from: &str, to: &str, step: usize, zone: &str) -> Vec<String> {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let span = MinuteSpan::new(at(from), at(to));
        let buckets = span.buckets(step, zone).unwrap();
        buckets.into_iter().map(|index| span.start_of(index).format("%dT%H:%M").to_string()).collect()
    }

    #[test]
    fn hours_begin_where_the_zone_has_them() {
        let of = |zone| starts("2026-01-01T10:40:30Z", "2026-01-01T12:30:00Z", 60, zone);
        assert_eq!(of("UTC"), ["01T10:40", "01T11:00", "01T12:00"]);
        assert_eq!(of("Asia/Kolkata"), ["01T10:40", "01T11:30"]);
        assert_eq!(starts("2026-01-01T00:00:00Z", "2026-01-01T00:03:00Z", 1, "UTC").len(), 3);
        assert_eq!(starts("2026-01-01T00:00:00Z", "2026-01-01T00:00:59Z", 1, "UTC").len(), 0);
    }

    #[test]
    fn days_have_the_length_of_the_zone() {
        let days = starts("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", 1440, "Europe/Berlin");
        assert_eq!(days, ["27T23:00", "28T23:00", "29T22:00"]);
        let days = starts("2026-10-24T12:00:00Z", "2026-10-26T23:00:00Z", 1440, "Europe/Berlin");
        assert_eq!(days, ["24T12:00", "24T22:00", "25T23:00"]);
    }

    #[test]
    fn several_hours_are_merged_where_a_time_does_not_exist() {
        let buckets = starts("2026-03-28T23:00:00Z", "2026-03-29T04:00:00Z", 120, "Europe/Berlin");
        assert_eq!(buckets, ["28T23:00", "29T01:00", "29T02:00"]);
        let unknown = MinuteSpan::new(DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH).buckets(60, "Nowhere");
        assert_eq!(unknown.unwrap_err().code, "timezone_unknown");
    }
}
