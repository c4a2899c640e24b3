//! The time zones of this server.

use actix_web::{HttpRequest, HttpResponse, get, http::header::ContentType, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use trigrun_core::domain::schedule::{Zone, zones};
use utoipa::ToSchema;

use crate::{
    auth::{AnyScope, Authorized},
    problem::Problem,
    result::ApiResult,
    state::State,
    time::instant,
};

/// How long a list is kept if no clock changes before.
const MAX_AGE: TimeDelta = TimeDelta::days(1);

#[derive(Serialize, ToSchema)]
#[schema(as = TimeZoneList)]
pub struct TimeZonesView {
    data: Vec<TimeZoneView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TimeZone)]
pub struct TimeZoneView {
    #[schema(example = "Europe/Berlin")]
    name: String,
    /// The present offset from UTC.
    #[schema(example = "+01:00")]
    offset: String,
    /// When the offset changes next; null if no change is known.
    #[schema(format = DateTime, example = "2027-03-28T01:00:00.000Z")]
    next_change: Option<String>,
}

/// Lists the time zones that `schedule.timezone` accepts, by name. The database of this server decides: `GET /version` shows its release.
#[utoipa::path(
    operation_id = "list_time_zones", tag = "schedules",
    responses(
        (status = 200, body = TimeZonesView),
    ),
    security(("token" = [])),
)]
#[get("/time-zones")]
pub async fn list_time_zones(
    state: web::Data<State>,
    _: Authorized<AnyScope>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let now = state.clock.now();
    let body = match cached(now) {
        Some(body) => body,
        // Reads and searches six hundred zones: it runs on a blocking thread.
        None => state.capacity.compute(request.headers(), move || list(now)).await??,
    };
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(body))
}

/// The list is the same for all callers until the clock of a zone changes.
static CACHE: Mutex<Option<Cached>> = Mutex::new(None);

struct Cached {
    until: DateTime<Utc>,
    body: web::Bytes,
}

fn cached(now: DateTime<Utc>) -> Option<web::Bytes> {
    let cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    cache.as_ref().filter(|cached| now < cached.until).map(|cached| cached.body.clone())
}

fn list(now: DateTime<Utc>) -> ApiResult<web::Bytes> {
    let zones = zones(now);
    let until = zones.iter().filter_map(|zone| zone.next_change).fold(now + MAX_AGE, DateTime::min);
    let view = TimeZonesView { data: zones.into_iter().map(TimeZoneView::from).collect() };
    let body = web::Bytes::from(serde_json::to_vec(&view).map_err(|_| Problem::internal())?);
    let cached = Cached { until, body: body.clone() };
    *CACHE.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached);
    Ok(body)
}

impl From<Zone> for TimeZoneView {
    fn from(zone: Zone) -> Self {
        Self { name: zone.name, offset: zone.offset, next_change: zone.next_change.map(instant) }
    }
}
