//! The ledger of a job: every fire that should have been, against every execution that there is.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use trigrun_core::{
    domain::{
        id::JobId,
        invalid::Invalid,
        ledger::{self, Ledger, LedgerError, LedgerWindow, MOST_FIRES, Mismatch},
    },
    store::{executions, jobs, partitions},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, ExecutionsRead},
    extract::{
        path::PathId,
        query::{Parameters, query},
    },
    problem::Problem,
    result::ApiResult,
    state::State,
    time::instant,
};

/// What is looked at when nothing is said: the last day.
const USUAL: TimeDelta = TimeDelta::days(1);

/// A balance: with no gaps and no duplicates, nothing was lost and nothing ran twice.
#[derive(Serialize, ToSchema)]
#[schema(as = Ledger)]
pub struct LedgerView {
    /// What was looked at: not before the job was created, nor before the oldest execution that is kept.
    from: String,
    to: String,
    /// Fires that should have been.
    due: usize,
    executed: usize,
    /// By reason: misfire, overlap, too_many_waiting.
    skipped: BTreeMap<String, usize>,
    /// Came due within the last minute and is not recorded yet.
    pending: usize,
    gaps: usize,
    duplicates: usize,
    /// Whatever does not match.
    mismatches: Vec<MismatchView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Mismatch)]
pub struct MismatchView {
    /// gap: a fire without an execution. duplicate: an execution without a fire.
    kind: &'static str,
    scheduled_for: String,
    execution_id: Option<String>,
}

query! {
    pub struct WindowQuery {
        /// The start of the window, RFC 3339; by default a day before `to`.
        #[param(value_type = Option<String>)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// The end of the window, RFC 3339; by default now.
        #[param(value_type = Option<String>)]
        to: Option<DateTime<Utc>> = Parameters::instant,
    }
}

/// Proves that nothing was lost: recomputes every fire of a window from the job's history and matches it with the executions.
#[utoipa::path(
    operation_id = "get_job_ledger", tag = "jobs",
    params(("id" = String, Path), WindowQuery),
    responses(
        (status = 200, body = LedgerView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/jobs/{id}/ledger")]
pub async fn get_job_ledger(
    state: web::Data<State>,
    allowed: Authorized<ExecutionsRead, WindowQuery>,
    PathId(id): PathId<JobId>,
) -> ApiResult<HttpResponse> {
    let WindowQuery { from, to } = allowed.query;
    let mut conn = state.conn().await?;
    let versions = jobs::history(&mut conn, allowed.workspace, id).await?;
    let now = state.clock.now();
    let created_at = versions.first().map_or(now, |version| version.created_at);
    let kept_from = partitions::oldest(&mut conn).await?.map_or(created_at, |oldest| oldest.max(created_at));
    let window = window(from, to, kept_from, now)?;
    let records = executions::fires(&mut conn, allowed.workspace, id, window).await?;
    drop(conn);
    // Some ten milliseconds of arithmetic for a month of minutes: not on a thread that serves others.
    let balanced = web::block(move || ledger::balance(&versions, created_at, &records, window, now)).await;
    let ledger = balanced.map_err(|_| Problem::internal())?.map_err(refused)?;
    Ok(HttpResponse::Ok().json(LedgerView::new(&ledger, window)))
}

fn window(
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    kept_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> ApiResult<LedgerWindow> {
    let to = to.unwrap_or(now).min(now);
    let from = from.unwrap_or(to - USUAL);
    if from >= to {
        let invalid = Invalid::new("window_empty", "must lie before `to`, and in the past");
        return Err(Problem::of_field("?from", invalid));
    }
    Ok(LedgerWindow { from: from.max(kept_from).min(to), to })
}

fn refused(error: LedgerError) -> Problem {
    match error {
        LedgerError::TooMany => {
            let detail = format!("the window holds more than {MOST_FIRES} fires; ask for a shorter one");
            Problem::of_field("?from", Invalid::new("window_too_long", detail))
        }
        LedgerError::Schedule(error) => {
            tracing::error!(%error, "a stored schedule cannot be computed: this is a defect");
            Problem::internal()
        }
    }
}

impl LedgerView {
    fn new(ledger: &Ledger, window: LedgerWindow) -> Self {
        Self {
            from: instant(window.from),
            to: instant(window.to),
            due: ledger.due,
            executed: ledger.executed,
            skipped: ledger.skipped.clone(),
            pending: ledger.pending,
            gaps: ledger.gaps(),
            duplicates: ledger.duplicates(),
            mismatches: ledger.mismatches.iter().map(MismatchView::from).collect(),
        }
    }
}

impl From<&Mismatch> for MismatchView {
    fn from(mismatch: &Mismatch) -> Self {
        match mismatch {
            Mismatch::Gap(at) => Self { kind: "gap", scheduled_for: instant(*at), execution_id: None },
            Mismatch::Duplicate(id, at) => {
                Self { kind: "duplicate", scheduled_for: instant(*at), execution_id: Some(id.to_string()) }
            }
        }
    }
}
