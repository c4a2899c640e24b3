//! A cron expression in a time zone: how it is read, and when it fires.
//!
//! The calendar says which local times a pattern names; this file says at which instants they happen, which
//! is where the changes of a zone's clock come in. The two rules, and nothing else:
//!
//! - **Cadence.** The minute or the hour field starts with `*` (`*/15 * * * *`, `0 * * * *`, `*/10 2 * * *`,
//!   `30 */2 * * *`). The pattern fires whenever the clock of the zone shows a matching time: at both
//!   occurrences of a time that is shown twice, and not at one that is never shown (`*/10 2 * * *` does not
//!   fire on the day 02:00 to 03:00 is skipped).
//! - **Set of local times.** Every other pattern (`30 2 * * *`, `15,45 2 * * *`, `0-30 1-3 * * *`). Each time
//!   fires exactly once: one that is shown twice at its first occurrence; those inside a gap together, at the
//!   first instant after it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::calendar::Calendar;
use super::{ScheduleError, grammar, zone};
use crate::domain::invalid::{Invalid, Several};

/// How far ahead the next fire is looked for. The rarest pattern there is (29 February on one weekday) comes
/// again within 40 years.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366 * 50);

/// An expression without a fire in this time is refused when a job is created.
const TEN_YEARS: SignedDuration = SignedDuration::from_hours(24 * 3653);

/// A valid cron expression in a known time zone. Cheap to clone.
#[derive(Clone)]
pub struct Cron {
    expression: Arc<str>,
    timezone: Arc<str>,
    /// Why not, of one that is stored and can no longer be read.
    compiled: Result<Arc<Compiled>, ScheduleError>,
    zone: TimeZone,
}

/// What the text means.
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

/// What is wrong with an expression or its zone.
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
    /// Reads an expression (crontab(5) with exactly five fields, the shorthands but `@reboot`, and croner's
    /// `L W # ?`) and an IANA zone name. Whether it ever fires is [`Cron::check_fires`]'s question.
    ///
    /// # Errors
    /// Everything that is wrong: at most one error for each of the two texts.
    pub fn parse(expression: &str, timezone: &str) -> Result<Self, Several<CronError>> {
        let pattern = grammar::read(expression).and_then(|pattern| {
            let calendar = Calendar::new(&pattern).map_err(|error| {
                Invalid::new("cron_syntax", format!("The cron library refuses it: {error}"))
            })?;
            Ok((pattern, calendar))
        });
        match (pattern.map_err(CronError::expression), zone::find(timezone).map_err(CronError::zone)) {
            (Ok((pattern, calendar)), Ok(zone)) => Ok(Self {
                expression: expression.into(),
                timezone: timezone.into(),
                compiled: Ok(Arc::new(Compiled { pattern, calendar })),
                zone,
            }),
            (Err(pattern), zone) => Err(Several::of(pattern, zone.err().into_iter().collect())),
            (Ok(_), Err(zone)) => Err(Several::of(zone, Vec::new())),
        }
    }

    /// Reads back what [`Cron::parse`] accepted when the job was created.
    ///
    /// When a zone has left the database since, or this release reads less than the one that stored it, every
    /// question about its fires is answered with [`ScheduleError::Stored`]: one such job must not keep others
    /// from being listed or planned.
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
                .hint("Check that the day exists in the months it is asked for."),
            Err(error) => Invalid::new("cron_never_fires", error.to_string()),
        };
        Err(CronError::expression(invalid))
    }

    /// The expression as it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The zone's name as it was written.
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Whether the pattern follows the clock through its changes (true), or names local times that each fire
    /// once.
    pub fn is_cadence(&self) -> bool {
        self.compiled.as_ref().is_ok_and(|compiled| compiled.pattern.is_cadence)
    }

    /// The zone, for showing a fire in local time.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The pattern as numbers, for saying it in words.
    pub(super) fn pattern(&self) -> Result<&grammar::Pattern, ScheduleError> {
        self.compiled.as_ref().map(|compiled| &compiled.pattern).map_err(Clone::clone)
    }

    /// The local times that the pattern names, for saying which of them a change of the clock hit.
    pub(super) fn calendar(&self) -> Result<&Calendar, ScheduleError> {
        self.compiled.as_ref().map(|compiled| &compiled.calendar).map_err(Clone::clone)
    }

    /// The first fire strictly after `after`: a whole second, in fact a whole minute of the zone's clock,
    /// except for one moved out of a gap that does not end on a minute. `None` when there is none in the next
    /// 50 years.
    pub fn next_after(&self, after: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        self.next_within(after, HORIZON)
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

    /// Cadence: walks the stretches between changes of the offset. Inside one, local time and UTC differ by a
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

    /// Local times: walks them in order and maps each to its one instant. The mapping never runs backwards,
    /// so the first one that lands after `after` is the answer; the ones skipped are at most those of one
    /// repeated hour.
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
                // Read with the offset before the change, a time of the gap lies after the change by how deep
                // it is in the gap: the change itself is the last one up to there.
                let beyond = before.to_timestamp(local).map_err(out_of_range)?;
                let just_after = beyond.checked_add(1.nanosecond()).map_err(out_of_range)?;
                Ok(self.zone.preceding(just_after).next().map_or(beyond, |change| change.timestamp()))
            }
        }
        .map_err(out_of_range)
    }
}

/// Two are equal when they were written the same; the calendar follows from the text.
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
