//! The ledger of a job: the reconciliation of computed fires with recorded executions.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use trigrun_core::{
    domain::{
        invalid::Invalid,
        ledger::{self, Ledger, LedgerError, LedgerWindow, MAX_FIRES, Mismatch},
    },
    store::{executions, jobs, partitions},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, ExecutionsRead},
    enums,
    extract::{
        path::PathJob,
        query::{Parameters, query},
    },
    problem::Problem,
    result::ApiResult,
    state::State,
    time::instant,
};

/// The default length of the window.
const DEFAULT_WINDOW: TimeDelta = TimeDelta::days(1);

/// The reconciliation of fires and executions. Without gaps and duplicates, no fire was lost and none ran twice.
#[derive(Serialize, ToSchema)]
#[schema(as = Ledger)]
pub struct LedgerView {
    /// The start of the window, at the earliest the creation of the job or the oldest retained execution.
    #[schema(format = DateTime)]
    from: String,
    #[schema(format = DateTime)]
    to: String,
    /// The number of fires that were due.
    due: usize,
    /// Fires with an execution.
    executed: usize,
    /// Skipped fires by reason: misfire, overlap, suspended, too_many_waiting.
    skipped: BTreeMap<String, usize>,
    /// Fires of the last minute that are not recorded yet.
    pending: usize,
    /// Fires without an execution.
    gaps: usize,
    /// Executions without a fire.
    duplicates: usize,
    /// Each gap and each duplicate.
    mismatches: Vec<MismatchView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Mismatch)]
pub struct MismatchView {
    /// gap: a fire without an execution. duplicate: an execution without a fire.
    #[schema(value_type = enums::MismatchKind)]
    kind: &'static str,
    #[schema(format = DateTime)]
    scheduled_for: String,
    execution_id: Option<String>,
}

query! {
    pub struct WindowQuery {
        /// The start of the window, RFC 3339; by default a day before `to`.
        #[param(value_type = Option<String>, format = DateTime)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// The end of the window, RFC 3339; by default now.
        #[param(value_type = Option<String>, format = DateTime)]
        to: Option<DateTime<Utc>> = Parameters::instant,
    }
}

/// Returns the ledger of a job: recomputes every fire of a window from the job's history, and matches the fires with the executions.
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
    auth: Authorized<ExecutionsRead, WindowQuery>,
    path: PathJob,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    let WindowQuery { from, to } = auth.query;
    let mut conn = state.conn().await?;
    let versions = jobs::history(&mut conn, auth.workspace, id).await?;
    let (now, created_at) = (state.clock.now(), versions.created_at);
    let kept_from = partitions::oldest(&mut conn).await?.map_or(created_at, |oldest| oldest.max(created_at));
    let window = window(from, to, kept_from, now)?;
    let records = executions::fires(&mut conn, auth.workspace, id, window).await?;
    drop(conn);
    // Tens of milliseconds of computation for a month of minutes: it runs on a blocking thread.
    let balance = move || ledger::balance(versions.since(window.from)?, created_at, &records, window, now);
    let ledger = state.capacity.compute(request.headers(), balance).await?.map_err(ledger_failed)?;
    Ok(HttpResponse::Ok().json(LedgerView::new(&ledger, window)))
}

/// The window that a request asks for, as far as executions are kept.
pub fn window(
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    kept_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> ApiResult<LedgerWindow> {
    let to = to.unwrap_or(now).min(now);
    let from = from.unwrap_or(to - DEFAULT_WINDOW);
    if from >= to {
        let invalid = Invalid::new("window_empty", "must be before `to`, and in the past");
        return Err(Problem::of_field("?from", invalid));
    }
    Ok(LedgerWindow { from: from.max(kept_from).min(to), to })
}

pub fn ledger_failed(error: LedgerError) -> Problem {
    match error {
        LedgerError::TooMany => {
            let detail = format!("The window has more than {MAX_FIRES} fires. Request a shorter one.");
            Problem::of_field("?from", Invalid::new("window_too_long", detail))
        }
        LedgerError::TooManyVersions => {
            let detail = format!("{error} Request a later window.");
            Problem::of_field("?from", Invalid::new("too_many_versions", detail))
        }
        LedgerError::Schedule(error) => {
            tracing::error!(%error, "cannot compute a stored schedule");
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
