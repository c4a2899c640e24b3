//! Previews of schedules.

use actix_web::{HttpRequest, HttpResponse, post, web};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use trigrun_core::domain::{
    address::EgressPolicy,
    invalid::{Checked, FieldErrors, Invalid, both},
    schedule::Schedule,
};
use utoipa::ToSchema;

mod view;

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
    time::read_instant,
};
use view::PreviewView;

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
    /// Another schedule, such as the one before a change.
    #[serde(deserialize_with = "object")]
    compare: Option<CompareBody>,
}

/// The schedule to compare with.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = CompareInput)]
pub struct CompareBody {
    /// By default, the kind of the previewed schedule.
    #[schema(value_type = Option<enums::JobKind>)]
    kind: Option<String>,
    #[serde(deserialize_with = "object")]
    schedule: Option<ScheduleBody>,
}

/// Previews a schedule: the schedule in words, the next fires with notes on clock changes, and warnings. `compare` lists what a change of the
/// schedule adds and removes.
#[utoipa::path(
    operation_id = "preview_schedule", tag = "schedules",
    request_body(content = PreviewBody, example = json!({
        "kind": "cron", "schedule": { "cron": "30 2 * * *", "timezone": "Europe/Berlin" }, "from": "2026-03-28T00:00:00Z",
        "compare": { "schedule": { "cron": "30 3 * * *", "timezone": "Europe/Berlin" } },
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
        let compare = compared(self.compare, self.kind.as_deref(), &state.policy, &mut errors);
        let schedule = jobs::schedule(self.kind, self.schedule, &context, true, &mut errors);
        let count = errors.take("/count", self.count.map_or(Ok(DEFAULT_FIRES), count));
        let from = errors.take("/from", self.from.map_or(Ok(now), |text| from(&text)));
        let parts = both(both(schedule, compare), both(count, from));
        let ((schedule, compare), (count, from)) = errors.finish(parts)?;
        PreviewView::new(&schedule, compare.as_ref(), from, count).map_err(|error| {
            Problem::of_field("/from", Invalid::new("schedule_unreadable", error.to_string()))
        })
    }
}

/// The schedule to compare with. It may be one of the past: its single run need not be in the future.
fn compared(
    body: Option<CompareBody>,
    kind: Option<&str>,
    policy: &EgressPolicy,
    errors: &mut FieldErrors,
) -> Checked<Option<Schedule>> {
    let Some(CompareBody { kind: own_kind, schedule }) = body else { return Ok(None) };
    // That of the preview, unless the fields of the schedule say another.
    let kind = match schedule.as_ref().and_then(ScheduleBody::kind) {
        None => own_kind.or_else(|| kind.map(str::to_owned)),
        Some(_) => own_kind,
    };
    let context = Context { policy, now: DateTime::UNIX_EPOCH, before: None };
    let mut inner = FieldErrors::default();
    let schedule = jobs::schedule(kind, schedule, &context, false, &mut inner);
    match inner.finish(schedule) {
        Ok(schedule) => Ok(Some(schedule)),
        Err(violations) => {
            let all = violations.into_vec().into_iter();
            let all = all.map(|error| errors.push(format!("/compare{}", error.pointer), error.invalid));
            all.last().map_or(Ok(None), Err)
        }
    }
}

fn count(wanted: i64) -> Result<usize, Invalid> {
    usize::try_from(wanted)
        .ok()
        .filter(|count| (1..=MAX_FIRES).contains(count))
        .ok_or_else(|| Invalid::new("out_of_range", format!("must be from 1 to {MAX_FIRES}")))
}

fn from(text: &str) -> Result<DateTime<Utc>, Invalid> {
    check_start(read_instant(text)?)
}

/// An instant from which fires are computed.
pub fn check_start(from: DateTime<Utc>) -> Result<DateTime<Utc>, Invalid> {
    if START_YEARS.contains(&from.year()) {
        return Ok(from);
    }
    let detail = format!("must be between the years {} and {}", START_YEARS.start(), START_YEARS.end());
    Err(Invalid::new("out_of_range", detail))
}
