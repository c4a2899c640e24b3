//! Proposals that spread jobs over the minutes of an hour.

use actix_web::{HttpRequest, HttpResponse, post, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use trigrun_core::{
    domain::{
        forecast::{Change, KeptReason, Load, MAX_CHANGES, Spread, spread},
        id::JobId,
        invalid::{Checked, FieldErrors, Invalid, both},
        job::key::JobRef,
        schedule::MinuteSpan,
        target,
    },
    store::jobs::{self, Brief},
};
use utoipa::ToSchema;

use super::{Selection, load};
use crate::{
    auth::{Authorized, JobsRead},
    enums,
    extract::{
        body::{JsonText, required},
        values::{integer, object},
    },
    job_refs::resolve,
    result::ApiResult,
    routes::schedules::check_start,
    state::State,
    time::{instant, read_instant},
};

const DEFAULT_WINDOW_MINUTES: i64 = 60;

/// Which jobs to move, and within which minutes. Either `job_ids` or `filter`; without both, all jobs.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SpreadInput)]
pub struct SpreadBody {
    /// The ids or keys of jobs that may move. All jobs of the workspace count as load.
    #[schema(max_items = 1000, example = json!(["job_01k9x2v6m8f5q0c3r7t1w4y6za"]))]
    job_ids: Option<Vec<String>>,
    /// Jobs that may move, and that count as load.
    #[serde(deserialize_with = "object")]
    filter: Option<SpreadFilterBody>,
    /// The start of the window, RFC 3339, rounded down to the minute.
    #[schema(required, format = DateTime, example = "2026-12-01T04:00:00Z")]
    from: Option<String>,
    /// The length of the window.
    #[schema(minimum = 2, maximum = 60, default = 60)]
    #[serde(deserialize_with = "integer")]
    window_minutes: Option<i64>,
}

/// Jobs with all of these.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SpreadFilterInput)]
pub struct SpreadFilterBody {
    /// The host of the URL.
    #[schema(example = "example.com")]
    host: Option<String>,
    tag: Option<String>,
}

/// A proposal. Nothing has been changed.
#[derive(Serialize, ToSchema)]
#[schema(as = Spread)]
pub struct SpreadView {
    #[schema(format = DateTime)]
    from: String,
    before: LoadView,
    after: LoadView,
    changes: Vec<ChangeView>,
    /// Jobs that keep their schedule. Without `job_ids`, only those that fire in the window.
    kept: Vec<KeptView>,
    /// More jobs could move: apply the changes, and ask again.
    has_more: bool,
    /// False if the workspace has more than 100,000 jobs: the newest were not looked at.
    is_complete: bool,
}

/// The fires of the window.
#[derive(Serialize, ToSchema)]
#[schema(as = SpreadLoad)]
pub struct LoadView {
    /// The fires of the busiest minute.
    peak: u32,
    /// The fires of each minute of the window.
    minutes: Vec<u32>,
}

/// A proposed expression, for `schedule.cron` of a PATCH with `If-Match: "version"`.
#[derive(Serialize, ToSchema)]
#[schema(as = SpreadChange)]
pub struct ChangeView {
    job_id: String,
    version: i32,
    name: String,
    #[schema(example = "0 4 * * *")]
    before: String,
    #[schema(example = "23 4 * * *")]
    after: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SpreadKept)]
pub struct KeptView {
    job_id: String,
    #[schema(value_type = enums::KeptReason)]
    reason: &'static str,
}

/// Proposes other minutes for jobs that fire together, and changes nothing. A job moves within its hour, to a minute that its id decides: the
/// same question gets the same answer. Only cron expressions with one fixed minute move.
#[utoipa::path(
    operation_id = "spread_forecast", tag = "schedules",
    request_body(content = SpreadBody, example = json!({ "filter": { "host": "example.com" }, "from": "2026-12-01T04:00:00Z" })),
    responses(
        (status = 200, body = SpreadView),
    ),
    security(("token" = ["jobs:read"])),
)]
#[post("/forecast/spread")]
pub async fn spread_forecast(
    state: web::Data<State>,
    auth: Authorized<JobsRead>,
    request: HttpRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: SpreadBody = text.read(&mut errors).await?;
    let Question { chosen, selection, window } = body.question(errors)?;
    let chosen = match chosen {
        Some(chosen) => {
            let mut jobs = resolve(&state, auth.workspace, &chosen).await?;
            // No job has the key.
            jobs.retain(|job| !job.uuid().is_nil());
            Some(jobs)
        }
        None => None,
    };
    let loaded = load(&state, auth.workspace, request.headers(), &selection).await?;
    // Thousands of schedules: it runs on a blocking thread.
    let propose = move || spread(&loaded.timers, chosen.as_deref(), window);
    let proposal = state.capacity.compute(request.headers(), propose).await?;
    let moved: Vec<JobId> = proposal.changes.iter().map(|change| change.job).collect();
    let briefs = jobs::brief(&mut *state.connections.for_list().await?, auth.workspace, &moved).await?;
    Ok(HttpResponse::Ok().json(SpreadView::new(proposal, &briefs, window, loaded.is_complete)))
}

struct Question {
    chosen: Option<Vec<JobRef>>,
    selection: Selection,
    window: MinuteSpan,
}

impl SpreadBody {
    fn question(self, mut errors: FieldErrors) -> ApiResult<Question> {
        if self.job_ids.is_some() && self.filter.is_some() {
            let detail = "cannot be combined with `job_ids`";
            errors.push("/filter", Invalid::new("not_with_job_ids", detail).hint("Send one of the two."));
        }
        let chosen = chosen(self.job_ids, &mut errors);
        let selection = self.filter.unwrap_or_default().selection(&mut errors);
        let from = required(&mut errors, "/from", self.from);
        let from = from.and_then(|text| errors.take("/from", read_instant(&text).and_then(check_start)));
        let minutes = errors.take("/window_minutes", window_minutes(self.window_minutes));
        let window = both(from, minutes).map(|(from, minutes)| MinuteSpan::new(from, from + minutes));
        let ((chosen, selection), window) = errors.finish(both(both(chosen, selection), window))?;
        Ok(Question { chosen, selection, window })
    }
}

fn chosen(ids: Option<Vec<String>>, errors: &mut FieldErrors) -> Checked<Option<Vec<JobRef>>> {
    let Some(ids) = ids else { return Ok(None) };
    if !(1..=MAX_CHANGES).contains(&ids.len()) {
        let detail = format!("has {} ids; it must have from 1 to {MAX_CHANGES}", ids.len());
        return Err(errors.push("/job_ids", Invalid::new("out_of_range", detail)));
    }
    let read = |(at, id): (usize, &String)| errors.take(&format!("/job_ids/{at}"), id.parse::<JobRef>());
    // All of them are read, so that all errors are reported.
    let read: Vec<Checked<JobRef>> = ids.iter().enumerate().map(read).collect();
    read.into_iter().collect::<Checked<Vec<JobRef>>>().map(Some)
}

fn window_minutes(wanted: Option<i64>) -> Result<TimeDelta, Invalid> {
    match wanted.unwrap_or(DEFAULT_WINDOW_MINUTES) {
        minutes @ 2..=60 => Ok(TimeDelta::minutes(minutes)),
        _ => Err(Invalid::new("out_of_range", "must be from 2 to 60 minutes")),
    }
}

impl SpreadFilterBody {
    fn selection(self, errors: &mut FieldErrors) -> Checked<Selection> {
        let host = self.host.map(|host| errors.take("/filter/host", target::host_name(&host))).transpose();
        Ok(Selection { host: host?, tag: self.tag })
    }
}

impl SpreadView {
    fn new(spread: Spread, briefs: &HashMap<JobId, Brief>, window: MinuteSpan, is_complete: bool) -> Self {
        let from: DateTime<Utc> = window.start_of(0);
        // A job that has been deleted meanwhile has no name.
        let change = |change| ChangeView::new(change, briefs);
        let kept = |(job, reason): (JobId, KeptReason)| KeptView {
            job_id: job.to_string(),
            reason: reason.as_str(),
        };
        Self {
            from: instant(from),
            before: spread.before.into(),
            after: spread.after.into(),
            changes: spread.changes.into_iter().filter_map(change).collect(),
            kept: spread.kept.into_iter().map(kept).collect(),
            has_more: spread.has_more,
            is_complete,
        }
    }
}

impl ChangeView {
    fn new(change: Change, briefs: &HashMap<JobId, Brief>) -> Option<Self> {
        let name = briefs.get(&change.job)?.name.clone();
        let Change { job, version, before, after } = change;
        Some(Self { job_id: job.to_string(), version, name, before, after })
    }
}

impl From<Load> for LoadView {
    fn from(load: Load) -> Self {
        Self { peak: load.peak(), minutes: load.minutes }
    }
}
