//! The hold of the installation.

use actix_web::{HttpResponse, get, post, put, web};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use trigrun_core::{
    domain::{
        hold::{Hold, Missed},
        invalid::{FieldErrors, both},
    },
    store::holds,
};
use utoipa::ToSchema;

use super::{
    auth::OperatorRequest,
    reason::{ReasonBody, check_reason},
};
use crate::{
    enums,
    extract::body::{JsonText, required},
    problem::Problem,
    release::{self, Progress, Skipped},
    result::ApiResult,
    state::State,
    time::instant,
    time_limit,
};

/// For how long one request skips what was missed.
const RELEASE_TIME: Duration = Duration::from_secs(4);

/// Whether the installation is held: nothing leaves it.
#[derive(Serialize, ToSchema)]
#[schema(as = HoldState)]
pub struct HoldStateView {
    /// Null if it is not held.
    hold: Option<HoldView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
pub struct HoldView {
    #[schema(format = DateTime)]
    since: String,
    reason: String,
}

impl HoldStateView {
    async fn read(state: &State) -> ApiResult<HttpResponse> {
        let hold = holds::active(&mut *state.conn().await?).await?;
        let view = |Hold { since, reason }| HoldView { since: instant(since), reason };
        Ok(HttpResponse::Ok().json(Self { hold: hold.map(view) }))
    }
}

/// Returns the hold of the installation, if there is one.
#[utoipa::path(
    operation_id = "get_hold", tag = "hold",
    responses((status = 200, body = HoldStateView)),
    security(("operator" = [])),
)]
#[get("/hold")]
pub async fn get_hold(state: web::Data<State>, _operator: OperatorRequest) -> ApiResult<HttpResponse> {
    HoldStateView::read(&state).await
}

/// Holds the installation: within a second, no process sends anything: no request of a job, no notification, no test, no e-mail. Requests in
/// flight end. An installation that is held already keeps its first reason.
#[utoipa::path(
    operation_id = "begin_hold", tag = "hold", request_body = ReasonBody,
    responses((status = 200, body = HoldStateView)),
    security(("operator" = [])),
)]
#[put("/hold")]
pub async fn begin_hold(
    state: web::Data<State>,
    operator: OperatorRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let by = operator.author(ReasonBody::read(text).await?);
    state.run(async move |state: State| Ok(holds::begin(&mut *state.conn().await?, &by).await?)).await?;
    HoldStateView::read(&state).await
}

/// What happens to what was due during the hold, and why the hold ends.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ReleaseInput)]
pub struct ReleaseBody {
    #[schema(required, value_type = enums::MissedFires)]
    missed: Option<String>,
    /// For the audit log of the operators: a line.
    #[schema(required, min_length = 1, max_length = 500, example = "the restored data is checked")]
    reason: Option<String>,
}

/// How far the release is.
#[derive(Serialize, ToSchema)]
#[schema(as = Release)]
pub struct ReleaseView {
    /// `false`: there was too much to skip for one request, and the installation is still held. Repeat the request.
    released: bool,
    /// Executions that were waiting, and that this request has cancelled.
    cancelled_executions: usize,
    /// Timers whose missed fires this request has recorded as skipped.
    skipped_timers: usize,
}

/// Ends the hold. Within a second, every process sends again. Without a hold, nothing happens.
#[utoipa::path(
    operation_id = "release_hold", tag = "hold", request_body = ReleaseBody,
    responses((status = 200, body = ReleaseView)),
    security(("operator" = [])),
)]
#[post("/hold/release")]
pub async fn release_hold(
    state: web::Data<State>,
    operator: OperatorRequest,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let ReleaseBody { missed, reason } = text.read(&mut errors).await?;
    let missed = required(&mut errors, "/missed", missed)
        .and_then(|missed| errors.take("/missed", missed.parse::<Missed>()));
    let reason = check_reason(&mut errors, reason);
    let (missed, reason) = errors.finish(both(missed, reason))?;
    let by = operator.author(reason);
    let release = async move |state: State| {
        Ok(release::release(&mut *state.conn().await?, missed, &by, RELEASE_TIME).await?)
    };
    let mut progress = Err(Problem::internal());
    // It takes as long as it has: it is not a slow request.
    time_limit::wait(RELEASE_TIME, async { progress = state.run(release).await }).await;
    let (released, skipped) = match progress? {
        Progress::Unfinished(skipped) => (false, skipped),
        Progress::NotHeld(skipped) | Progress::Released(skipped) => (true, skipped),
    };
    let Skipped { executions: cancelled_executions, timers: skipped_timers } = skipped;
    Ok(HttpResponse::Ok().json(ReleaseView { released, cancelled_executions, skipped_timers }))
}
