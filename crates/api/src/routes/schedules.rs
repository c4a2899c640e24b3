//! Previews of schedules.

use actix_web::{HttpRequest, HttpResponse, post, web};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use trigrun_core::domain::{
    invalid::{FieldErrors, Invalid, both},
    schedule::{Fire, Schedule, ScheduleError},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, JobsRead},
    enums,
    extract::{
        body::JsonText,
        values::{integer, object},
    },
    problem::Problem,
    result::ApiResult,
    routes::jobs::{self, Context, ScheduleBody},
    state::State,
    time::{instant, read_instant},
};

const MAX_FIRES: usize = 100;
const DEFAULT_FIRES: usize = 5;
/// A hundred fires of the rarest pattern, forty years apart, still end before the year 10000.
const START_YEARS: RangeInclusive<i32> = 1970..=3000;

/// A schedule as in a job, and how many fires to preview.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PreviewInput)]
pub struct PreviewBody {
    #[schema(required, value_type = Option<enums::JobKind>, example = "cron")]
    kind: Option<String>,
    #[serde(deserialize_with = "object")]
    schedule: Option<ScheduleBody>,
    /// The number of fires.
    #[schema(minimum = 1, maximum = 100, default = 5)]
    #[serde(deserialize_with = "integer")]
    count: Option<i64>,
    /// RFC 3339; by default now. The preview contains only later fires, and a recurring schedule counts from here.
    #[schema(format = DateTime, example = "2026-03-28T00:00:00Z")]
    from: Option<String>,
}

/// The preview of a schedule.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview)]
pub struct PreviewView {
    /// The schedule in words.
    #[schema(example = "at 02:30, Europe/Berlin time")]
    description: String,
    /// The next fires; fewer if the schedule ends. A one_time job has none: it runs when it is created.
    fires: Vec<FireView>,
    /// Properties of the schedule that may be unintended, a sentence each.
    #[schema(example = json!(["Months without day 31 are skipped; L is the last day of every month."]))]
    warnings: Vec<String>,
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

/// Previews a schedule: a description, the next fires with notes on clock changes, and warnings.
#[utoipa::path(
    operation_id = "preview_schedule", tag = "schedules",
    request_body(content = PreviewBody, example = json!({
        "kind": "cron", "schedule": { "cron": "30 2 * * *", "timezone": "Europe/Berlin" }, "from": "2026-03-28T00:00:00Z",
    })),
    responses(
        (status = 200, body = PreviewView),
    ),
    security(("token" = ["jobs:read"])),
)]
#[post("/schedules/preview")]
pub async fn preview_schedule(
    state: web::Data<State>,
    _: Authorized<JobsRead>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: PreviewBody = text.read(&mut errors).await?;
    // Computing fires many years apart takes long: it runs on a blocking thread.
    let capacity = state.capacity.clone();
    let preview = capacity.compute(request.headers(), move || body.preview(&state, errors)).await?;
    Ok(HttpResponse::Ok().json(preview?))
}

impl PreviewBody {
    fn preview(self, state: &State, mut errors: FieldErrors) -> ApiResult<PreviewView> {
        let now = state.clock.now();
        let context = Context { policy: &state.policy, now, before: None };
        let schedule = jobs::schedule(self.kind, self.schedule, &context, true, &mut errors);
        let count = errors.take("/count", self.count.map_or(Ok(DEFAULT_FIRES), count));
        let from = errors.take("/from", self.from.map_or(Ok(now), |text| from(&text)));
        let ((schedule, count), from) = errors.finish(both(both(schedule, count), from))?;
        PreviewView::new(&schedule, from, count).map_err(|error| {
            Problem::of_field("/from", Invalid::new("schedule_unreadable", error.to_string()))
        })
    }
}

fn count(wanted: i64) -> Result<usize, Invalid> {
    usize::try_from(wanted)
        .ok()
        .filter(|count| (1..=MAX_FIRES).contains(count))
        .ok_or_else(|| Invalid::new("out_of_range", format!("must be from 1 to {MAX_FIRES}")))
}

fn from(text: &str) -> Result<DateTime<Utc>, Invalid> {
    let from = read_instant(text)?;
    if START_YEARS.contains(&from.year()) {
        return Ok(from);
    }
    let detail = format!("must be between the years {} and {}", START_YEARS.start(), START_YEARS.end());
    Err(Invalid::new("out_of_range", detail))
}

impl PreviewView {
    fn new(schedule: &Schedule, from: DateTime<Utc>, count: usize) -> Result<Self, ScheduleError> {
        let fires = schedule.preview(from, from, count)?;
        Ok(Self {
            description: schedule.in_words(),
            fires: fires.into_iter().map(FireView::from).collect(),
            warnings: schedule.warnings(from)?,
        })
    }
}

impl From<Fire> for FireView {
    fn from(fire: Fire) -> Self {
        Self { at: instant(fire.at), local: fire.local, note: fire.note }
    }
}
