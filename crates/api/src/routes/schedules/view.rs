//! The preview of a schedule in responses.

use chrono::{DateTime, Utc};
use serde::Serialize;
use trigrun_core::domain::schedule::{ClockChange, ClockEffect, Difference, Fire, Schedule, ScheduleError};
use utoipa::ToSchema;

use crate::{enums, time::instant};

/// The preview of a schedule.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview)]
pub struct PreviewView {
    /// The schedule in words.
    #[schema(example = "at 02:30, Europe/Berlin time")]
    schedule_in_words: String,
    /// The average number of fires per day; null for a schedule that fires at most once.
    #[schema(example = 1)]
    fires_per_day: Option<f64>,
    /// The next fires; fewer if the schedule ends. A one_time job has none: it runs when it is created.
    fires: Vec<FireView>,
    /// The changes of the zone's clock in the two years after `from`. Only a cron schedule has any.
    clock_changes: Vec<ClockChangeView>,
    /// Properties of the schedule that may be unintended, a sentence each.
    #[schema(example = json!(["Months without day 31 are skipped; L is the last day of every month."]))]
    warnings: Vec<String>,
    /// Only if `compare` was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    compare: Option<CompareView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Fire)]
pub struct FireView {
    #[schema(format = DateTime, example = "2026-03-29T01:00:00.000Z")]
    at: String,
    /// The same instant in the schedule's time zone.
    #[schema(format = DateTime, example = "2026-03-29T03:00:00+02:00")]
    local: String,
    /// How a clock change affects this fire.
    #[schema(example = "02:30 does not exist on 2026-03-29 in Europe/Berlin; it runs at 03:00 instead.")]
    note: Option<String>,
}

/// A change of the clock in the schedule's time zone.
#[derive(Serialize, ToSchema)]
#[schema(as = ClockChange)]
pub struct ClockChangeView {
    #[schema(format = DateTime, example = "2026-03-29T01:00:00.000Z")]
    at: String,
    /// The local date.
    #[schema(format = Date, example = "2026-03-29")]
    date: String,
    /// The offset from UTC before the change.
    #[schema(example = "+01:00")]
    from_offset: String,
    #[schema(example = "+02:00")]
    to_offset: String,
    /// Null if the schedule has no time in the hour that is skipped or repeated.
    #[schema(value_type = Option<enums::ClockEffect>)]
    effect: Option<&'static str>,
    /// The effect in one sentence.
    #[schema(example = "02:30 does not exist on 2026-03-29 in Europe/Berlin; it runs at 03:00 instead.")]
    note: Option<String>,
    /// How many times of the schedule the change skips or repeats.
    #[schema(example = 1)]
    fires: usize,
}

/// The fires that only one of the two schedules has.
#[derive(Serialize, ToSchema)]
#[schema(as = Comparison)]
pub struct CompareView {
    /// The end of what was compared: as far as the first `count` fires of both schedules reach. Null if both schedules end before.
    #[schema(format = DateTime, example = "2026-04-01T00:30:00.000Z")]
    until: Option<String>,
    /// Fires of the previewed schedule only.
    #[schema(example = json!(["2026-03-28T01:30:00.000Z"]))]
    added: Vec<String>,
    /// Fires of the schedule in `compare` only.
    #[schema(example = json!(["2026-03-28T02:30:00.000Z"]))]
    removed: Vec<String>,
}

impl PreviewView {
    pub fn new(
        schedule: &Schedule,
        compare: Option<&Schedule>,
        from: DateTime<Utc>,
        count: usize,
    ) -> Result<Self, ScheduleError> {
        let compare = compare.map(|before| schedule.difference(before, from, count)).transpose()?;
        Ok(Self {
            schedule_in_words: schedule.in_words(),
            fires_per_day: schedule.fires_per_day(from)?.map(|fires| (fires * 10_000.0).round() / 10_000.0),
            fires: schedule.preview(from, from, count)?.into_iter().map(FireView::from).collect(),
            clock_changes: schedule.clock_changes(from)?.into_iter().map(ClockChangeView::from).collect(),
            warnings: schedule.warnings(from)?,
            compare: compare.map(CompareView::from),
        })
    }
}

impl From<Fire> for FireView {
    fn from(fire: Fire) -> Self {
        Self { at: instant(fire.at), local: fire.local, note: fire.note }
    }
}

impl From<ClockChange> for ClockChangeView {
    fn from(change: ClockChange) -> Self {
        Self {
            at: instant(change.at),
            date: change.date,
            from_offset: change.from_offset,
            to_offset: change.to_offset,
            effect: change.effect.map(ClockEffect::as_str),
            note: change.note,
            fires: change.fires,
        }
    }
}

impl From<Difference> for CompareView {
    fn from(difference: Difference) -> Self {
        let instants = |all: Vec<DateTime<Utc>>| all.into_iter().map(instant).collect();
        Self {
            until: difference.until.map(instant),
            added: instants(difference.added),
            removed: instants(difference.removed),
        }
    }
}
