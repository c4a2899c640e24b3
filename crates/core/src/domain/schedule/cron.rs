//! A cron expression in a time zone: how it is parsed, and when it fires.
//!
//! The calendar knows which local times a pattern names; this file maps them to instants, which is where
//! transitions of a zone's clock matter. There are two rules:
//!
//! - **Cadence.** The minute or the hour field starts with `*` (`*/15 * * * *`, `0 * * * *`, `*/10 2 * * *`,
//!   `30 */2 * * *`). The pattern fires whenever the clock of the zone shows a matching time: at both
//!   occurrences of a time that occurs twice, and not at a time that does not exist (`*/10 2 * * *` does not
//!   fire on the day when 02:00 to 03:00 is skipped).
//! - **Set of local times.** Every other pattern (`30 2 * * *`, `15,45 2 * * *`, `0-30 1-3 * * *`). Each time
//!   fires exactly once: a time that occurs twice at its first occurrence; all times inside a gap together, at
//!   the first instant after it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::calendar::Calendar;
use super::{ScheduleError, foreign, grammar, zone};
use crate::domain::invalid::{Invalid, Several};

/// How far ahead to search for the next fire. The rarest possible pattern (29 February on one weekday) recurs
/// within 40 years.
const SEARCH_HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366 * 50);

/// An expression without a fire in this period is refused when a job is created.
const TEN_YEARS: SignedDuration = SignedDuration::from_hours(24 * 3653);

/// A valid cron expression in a known time zone. Cheap to clone.
#[derive(Clone)]
pub struct Cron {
    expression: Arc<str>,
    timezone: Arc<str>,
    /// An error if the stored expression can no longer be parsed.
    compiled: Result<Arc<Compiled>, ScheduleError>,
    zone: TimeZone,
}

/// The parsed expression.
struct Compiled {
    pattern: grammar::Pattern,
    calendar: Calendar,
}

/// Which of the two texts an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CronField {
    /// `schedule.cron`
    Expression,
    /// `schedule.timezone`
    Timezone,
}

/// An error in an expression or its zone.
///
/// Codes: `cron_empty`, `cron_too_long`, `cron_syntax`, `cron_field_count`, `cron_out_of_range`, `cron_step`,
/// `cron_reversed_range`, `cron_nickname`, `cron_reboot`, `cron_never_fires`, `timezone_unknown`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invalid}")]
pub struct CronError {
    pub field: CronField,
    pub invalid: Invalid,
}

impl CronError {
    fn expression(invalid: Invalid) -> Self {
        Self { field: CronField::Expression, invalid }
    }

    fn zone(invalid: Invalid) -> Self {
        Self { field: CronField::Timezone, invalid }
    }
}

impl Cron {
    /// Parses an expression (crontab(5) with exactly five fields, the shorthands except `@reboot`, and croner's
    /// `L W # ?`) and an IANA zone name. [`Cron::check_fires`] checks whether it ever fires.
    ///
    /// # Errors
    /// At most one error for each of the two texts.
    pub fn parse(expression: &str, timezone: &str) -> Result<Self, Several<CronError>> {
        let pattern = grammar::read(expression).map_err(|invalid| foreign::explain(expression, invalid));
        let pattern = pattern.and_then(|pattern| {
            let calendar = Calendar::new(&pattern).map_err(|error| {
                Invalid::new("cron_syntax", format!("The cron library rejected it: {error}"))
            })?;
            Ok((pattern, calendar))
        });
        match (pattern.map_err(CronError::expression), zone::find(timezone).map_err(CronError::zone)) {
            (Ok((pattern, calendar)), Ok(zone)) => Ok(Self {
                expression: expression.into(),
                timezone: zone.iana_name().unwrap_or(timezone).into(),
                compiled: Ok(Arc::new(Compiled { pattern, calendar })),
                zone,
            }),
            (Err(pattern), zone) => Err(Several::of(pattern, zone.err().into_iter().collect())),
            (Ok(_), Err(zone)) => Err(Several::of(zone, Vec::new())),
        }
    }

    /// Parses an expression and a zone that [`Cron::parse`] accepted when the job was created.
    ///
    /// If the zone has left the database since, or this version of TrigRun accepts less than the one that stored it, every
    /// computation of its fires returns [`ScheduleError::Stored`]: one such job must not prevent others from
    /// being listed or planned.
    pub fn from_stored(expression: &str, timezone: &str) -> Self {
        Self::parse(expression, timezone).unwrap_or_else(|errors| {
            let why = errors.into_vec().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            Self {
                expression: expression.into(),
                timezone: timezone.into(),
                compiled: Err(ScheduleError::Stored(why)),
                zone: TimeZone::UTC,
            }
        })
    }

    /// Refuses an expression without a fire in the ten years after `now`, such as `0 0 30 2 *`.
    ///
    /// # Errors
    /// `cron_never_fires`.
    pub fn check_fires(&self, now: DateTime<Utc>) -> Result<(), CronError> {
        let invalid = match self.next_within(now, TEN_YEARS) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => Invalid::new("cron_never_fires", "The expression has no fire in the next ten years.")
                .hint("Check that the day exists in the given months."),
            Err(error) => Invalid::new("cron_never_fires", error.to_string()),
        };
        Err(CronError::expression(invalid))
    }

    /// The expression as it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The zone's name in its canonical spelling.
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Whether the pattern is a cadence, which follows the clock through its transitions. Otherwise it is a set
    /// of local times that each fire once.
    pub fn is_cadence(&self) -> bool {
        self.compiled.as_ref().is_ok_and(|compiled| compiled.pattern.is_cadence)
    }

    /// The zone, for showing a fire in local time.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The pattern as numbers, to describe it in words.
    pub(super) fn pattern(&self) -> Result<&grammar::Pattern, ScheduleError> {
        self.compiled.as_ref().map(|compiled| &compiled.pattern).map_err(Clone::clone)
    }

    /// The local times that the pattern names, to find those that a clock transition affects.
    pub(super) fn calendar(&self) -> Result<&Calendar, ScheduleError> {
        self.compiled.as_ref().map(|compiled| &compiled.calendar).map_err(Clone::clone)
    }

    /// The first fire strictly after `after`. It is a whole minute of the zone's clock, or a whole second if it
    /// was moved out of a gap that does not end on a minute. `None` if there is none in the next 50 years.
    pub fn next_after(&self, after: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        self.next_within(after, SEARCH_HORIZON)
    }

    fn next_within(
        &self,
        after: DateTime<Utc>,
        span: SignedDuration,
    ) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        let after = Timestamp::new(after.timestamp(), after.timestamp_subsec_nanos() as i32 % 1_000_000_000)
            .map_err(out_of_range)?;
        let horizon = after.checked_add(span).unwrap_or(Timestamp::MAX);
        let fire = if self.is_cadence() {
            self.next_shown(after, horizon)?
        } else {
            self.next_named(after, horizon)?
        };
        fire.map(|fire| DateTime::from_timestamp(fire.as_second(), 0).ok_or(ScheduleError::OutOfRange))
            .transpose()
    }

    /// Cadence: walks the periods between changes of the offset. Within one, local time and UTC differ by a
    /// constant.
    fn next_shown(&self, after: Timestamp, horizon: Timestamp) -> Result<Option<Timestamp>, ScheduleError> {
        let mut offset = self.zone.to_offset(after);
        let mut from = next_minute(offset.to_datetime(after))?;
        let mut changes = self.zone.following(after);
        loop {
            let change = changes.next().filter(|change| change.timestamp() < horizon);
            let end = change.as_ref().map_or(horizon, |change| change.timestamp());
            if let Some(local) = self.calendar()?.first_in(from, offset.to_datetime(end))? {
                return offset.to_timestamp(local).map(Some).map_err(out_of_range);
            }
            let Some(change) = change else { return Ok(None) };
            offset = change.offset();
            from = this_or_next_minute(offset.to_datetime(change.timestamp()))?;
        }
    }

    /// Set of local times: walks them in order and maps each to its one instant. The mapping is monotonic, so
    /// the first instant after `after` is the result; it skips at most the times of one repeated hour.
    fn next_named(&self, after: Timestamp, horizon: Timestamp) -> Result<Option<Timestamp>, ScheduleError> {
        let until = self.zone.to_datetime(horizon);
        let mut from = next_minute(self.zone.to_datetime(after))?;
        while let Some(local) = self.calendar()?.first_in(from, until)? {
            let fire = self.instant_of(local)?;
            if fire > after {
                return Ok(Some(fire));
            }
            from = next_minute(local)?;
        }
        Ok(None)
    }

    fn instant_of(&self, local: civil::DateTime) -> Result<Timestamp, ScheduleError> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local),
            AmbiguousOffset::Gap { before, .. } => {
                // With the offset before the transition, a time in the gap maps to an instant after the transition by
                // its distance from the start of the gap: the transition is the last one up to that instant.
                let beyond = before.to_timestamp(local).map_err(out_of_range)?;
                let just_after = beyond.checked_add(1.nanosecond()).map_err(out_of_range)?;
                Ok(self.zone.preceding(just_after).next().map_or(beyond, |change| change.timestamp()))
            }
        }
        .map_err(out_of_range)
    }
}

/// Equal if the texts are equal; the calendar is derived from them.
impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.timezone == other.timezone
    }
}

impl Eq for Cron {}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cron")
            .field("expression", &self.expression)
            .field("timezone", &self.timezone)
            .finish_non_exhaustive()
    }
}

/// The first whole minute strictly after `local`.
pub(super) fn next_minute(local: civil::DateTime) -> Result<civil::DateTime, ScheduleError> {
    let whole = local.with().second(0).subsec_nanosecond(0).build().map_err(out_of_range)?;
    whole.checked_add(1.minute()).map_err(out_of_range)
}

pub(super) fn this_or_next_minute(local: civil::DateTime) -> Result<civil::DateTime, ScheduleError> {
    if local.second() == 0 && local.subsec_nanosecond() == 0 { Ok(local) } else { next_minute(local) }
}

pub(super) fn out_of_range(_: jiff::Error) -> ScheduleError {
    ScheduleError::OutOfRange
}

#[cfg(test)]
mod tests;
