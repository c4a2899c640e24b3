//! How often a schedule fires.

use chrono::{DateTime, Utc};

use super::{Schedule, ScheduleError};

/// 28 years: after them, weekdays fall on the same dates again.
const COUNTED_DAYS: usize = 28 * 365 + 7;

impl Schedule {
    /// The average number of fires per day over the 28 years after `from`; `None` for a schedule that fires at most once. Changes
    /// of the clock do not count.
    ///
    /// # Errors
    /// As [`Schedule::next_after`].
    pub fn fires_per_day(&self, from: DateTime<Utc>) -> Result<Option<f64>, ScheduleError> {
        match self {
            Self::Recurring { every_seconds: 0 } => Err(ScheduleError::ZeroInterval),
            Self::Recurring { every_seconds } => Ok(Some(86_400.0 / f64::from(*every_seconds))),
            Self::Cron(cron) => {
                let calendar = cron.calendar()?;
                let (hours, minutes) = calendar.times();
                let start =
                    jiff::Timestamp::from_second(from.timestamp()).map_err(super::cron::out_of_range)?;
                let (mut date, mut days) = (cron.zone().to_datetime(start).date(), 0_u32);
                for _ in 0..COUNTED_DAYS {
                    days += u32::from(calendar.matches_on(date)?);
                    date = date.tomorrow().map_err(super::cron::out_of_range)?;
                }
                let fires = days * hours.count_ones() * minutes.count_ones();
                Ok(Some(f64::from(fires) / COUNTED_DAYS as f64))
            }
            Self::Scheduled { .. } | Self::OneTime => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::schedule::Cron;

    #[test]
    fn the_average_counts_months_and_leap_days() {
        let from = "2026-11-29T00:00:00Z".parse().unwrap();
        for (expression, expected) in [
            ("* * * * *", 1440.0),
            ("*/7 * * * *", 216.0),
            ("0 9,17 * * *", 2.0),
            ("0 0 29 2 *", 1.0 / 1461.0),
            ("0 0 * * MON-FRI", 5.0 / 7.0),
            ("0 0 1 * *", 48.0 / 1461.0),
        ] {
            let schedule = Schedule::Cron(Cron::parse(expression, "Europe/Berlin").unwrap());
            assert_eq!(schedule.fires_per_day(from), Ok(Some(expected)), "{expression}");
        }
        assert_eq!(Schedule::Recurring { every_seconds: 5400 }.fires_per_day(from), Ok(Some(16.0)));
        assert_eq!(Schedule::Scheduled { run_at: from }.fires_per_day(from), Ok(None));
        assert_eq!(Schedule::OneTime.fires_per_day(from), Ok(None));
    }
}
