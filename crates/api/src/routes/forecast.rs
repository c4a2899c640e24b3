//! The load of the next days: how many jobs will fire, and when.

use actix_web::{HttpRequest, HttpResponse, get, http::header::ContentType, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use trigrun_core::domain::{
    forecast::{Bucket, MAX_SPAN, forecast},
    invalid::{FieldErrors, Invalid, both},
    schedule::{MinuteSpan, check_zone},
};
use utoipa::ToSchema;

mod load;
pub mod spread;

pub use load::{Loaded, Selection, load};

use crate::{
    auth::{Authorized, JobsRead},
    extract::query::{Parameters, query},
    problem::Problem,
    result::ApiResult,
    routes::schedules::check_start,
    state::State,
    time::instant,
};

const DEFAULT_SPAN: TimeDelta = TimeDelta::days(1);
const DEFAULT_STEP_SECONDS: i64 = 3600;
const DAY_SECONDS: i64 = 86_400;

query! {
    pub struct ForecastQuery {
        /// The start, RFC 3339, rounded down to the minute; by default now.
        #[param(value_type = Option<String>, format = DateTime)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// The end, at most eight days after `from`; by default a day after it.
        #[param(value_type = Option<String>, format = DateTime)]
        to: Option<DateTime<Utc>> = Parameters::instant,
        /// The length of a bucket in seconds: whole minutes that divide a day.
        #[param(minimum = 60, maximum = 86400, default = 3600)]
        step: Option<i64> = Parameters::number,
        /// The zone whose hours and days begin the buckets, by default UTC.
        timezone: Option<String> = Parameters::text,
        /// Jobs that call this host.
        host: Option<String> = Parameters::host_name,
        /// Jobs with this tag.
        tag: Option<String> = Parameters::text,
    }
}

/// The fires of all active jobs, as they are scheduled now.
#[derive(Serialize, ToSchema)]
#[schema(as = Forecast)]
pub struct ForecastView {
    #[schema(format = DateTime)]
    computed_at: String,
    #[schema(format = DateTime)]
    from: String,
    #[schema(format = DateTime)]
    to: String,
    step_seconds: i64,
    /// How many active jobs were counted. A job without a next fire is none of them.
    jobs: usize,
    /// False if the workspace has more than 100,000 jobs: the newest are not counted.
    is_complete: bool,
    buckets: Vec<BucketView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ForecastBucket)]
pub struct BucketView {
    /// Its start; it ends where the next one begins.
    #[schema(format = DateTime)]
    at: String,
    #[schema(example = 412)]
    fires: u64,
    /// The busiest minute; null without fires.
    peak: Option<PeakView>,
    /// The busiest hosts, at most five, most fires first.
    hosts: Vec<HostView>,
}

/// The busiest minute of a bucket.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastPeak)]
pub struct PeakView {
    #[schema(format = DateTime)]
    at: String,
    #[schema(example = 207)]
    fires: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ForecastHost)]
pub struct HostView {
    #[schema(example = "example.com")]
    host: String,
    #[schema(example = 300)]
    fires: u64,
}

/// Forecasts the load: the fires of all active jobs in buckets, with the busiest minute and the busiest hosts of each. It counts schedules as
/// they are now; retries and requested runs cannot be foreseen.
#[utoipa::path(
    operation_id = "get_forecast", tag = "schedules", params(ForecastQuery),
    responses(
        (status = 200, body = ForecastView),
    ),
    security(("token" = ["jobs:read"])),
)]
#[get("/forecast")]
pub async fn get_forecast(
    state: web::Data<State>,
    auth: Authorized<JobsRead, ForecastQuery>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let now = state.clock.now();
    let window = auth.query.window(now)?;
    let ForecastQuery { host, tag, .. } = auth.query;
    let loaded = load(&state, auth.workspace, request.headers(), &Selection { host, tag }).await?;
    // Thousands of schedules, and thousands of buckets: it runs on a blocking thread.
    let compute = move || {
        let (jobs, Window { span, step_seconds, starts }) = (loaded.timers.len(), window);
        let buckets = forecast(loaded.timers, span, &starts).into_iter().map(BucketView::from).collect();
        let [from, to] = [0, span.len()].map(|index| instant(span.start_of(index)));
        let (computed_at, is_complete) = (instant(now), loaded.is_complete);
        serde_json::to_vec(&ForecastView { computed_at, from, to, step_seconds, jobs, is_complete, buckets })
    };
    let body = state.capacity.compute(request.headers(), compute).await?.map_err(|_| Problem::internal())?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(body))
}

struct Window {
    span: MinuteSpan,
    step_seconds: i64,
    /// The first minutes of the buckets.
    starts: Vec<usize>,
}

impl ForecastQuery {
    fn window(&self, now: DateTime<Utc>) -> ApiResult<Window> {
        let (mut errors, zone) = (FieldErrors::default(), self.timezone.as_deref().unwrap_or("UTC"));
        let from = errors.take("?from", check_start(self.from.unwrap_or(now)));
        let span = from.and_then(|from| errors.take("?to", span(from, self.to)));
        let step = errors.take("?step", step_minutes(self.step.unwrap_or(DEFAULT_STEP_SECONDS)));
        errors.check("?timezone", check_zone(zone));
        let parts = both(span, step).and_then(|(span, step)| {
            let starts = errors.take("?timezone", span.buckets(step, zone))?;
            Ok(Window { span, step_seconds: self.step.unwrap_or(DEFAULT_STEP_SECONDS), starts })
        });
        Ok(errors.finish(parts)?)
    }
}

fn span(from: DateTime<Utc>, to: Option<DateTime<Utc>>) -> Result<MinuteSpan, Invalid> {
    let to = to.unwrap_or(from + DEFAULT_SPAN);
    if to - from > MAX_SPAN {
        let detail = format!("must be at most {} days after `from`", MAX_SPAN.num_days());
        return Err(Invalid::new("window_too_long", detail));
    }
    let span = MinuteSpan::new(from, to);
    if span.is_empty() {
        return Err(Invalid::new("window_empty", "must be at least a minute after `from`"));
    }
    Ok(span)
}

fn step_minutes(seconds: i64) -> Result<usize, Invalid> {
    let invalid = || {
        let detail = format!("must be whole minutes that divide a day, from 60 to {DAY_SECONDS} seconds");
        Invalid::new("out_of_range", detail).hint("Examples: 300, 3600, 86400.")
    };
    let divides = (60..=DAY_SECONDS).contains(&seconds) && seconds % 60 == 0 && DAY_SECONDS % seconds == 0;
    let minutes = usize::try_from(seconds / 60).ok();
    minutes.filter(|_| divides).ok_or_else(invalid)
}

impl From<Bucket> for BucketView {
    fn from(bucket: Bucket) -> Self {
        let host = |(host, fires)| HostView { host, fires };
        Self {
            at: instant(bucket.at),
            fires: bucket.fires,
            peak: bucket.peak.map(|(at, fires)| PeakView { at: instant(at), fires }),
            hosts: bucket.hosts.into_iter().map(host).collect(),
        }
    }
}
