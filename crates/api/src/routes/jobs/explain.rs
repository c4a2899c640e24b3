//! Why a job ran at an instant, or why it did not.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::Serialize;
use trigrun_core::{
    domain::{
        id::{ExecutionId, JobId, WorkspaceId},
        invalid::Invalid,
        ledger::{self, Explanation, History, LedgerError, LedgerWindow, Record},
    },
    store::{Conn, executions, jobs, partitions},
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

/// What happened to a job at an instant.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplanationView {
    #[schema(format = DateTime)]
    at: String,
    /// Whether the job was active and its schedule had a fire then.
    due: bool,
    /// ran: an execution is recorded. skipped: TrigRun deliberately did not run the fire. pending: the fire lies ahead, or is not recorded
    /// yet. gap: the fire has no execution, which must not happen. not_kept: too long ago to know.
    #[schema(value_type = enums::Verdict)]
    verdict: &'static str,
    /// The reason.
    #[schema(
        example = "The job was paused: version 3 of 2026-03-10T12:00:00Z made it so. Otherwise it would have been due."
    )]
    sentence: String,
    /// The version of the job that decided.
    version: i32,
    /// The field that this version changed, if that is the reason: a JSON pointer.
    #[schema(example = "/state")]
    field: Option<&'static str>,
    /// The execution of the fire.
    execution_id: Option<String>,
    /// The execution that was running when the fire was skipped because of the concurrency limit.
    blocking_execution_id: Option<String>,
    /// The last fire before the instant.
    #[schema(format = DateTime)]
    earlier: Option<String>,
    /// The first fire after the instant.
    #[schema(format = DateTime)]
    later: Option<String>,
    /// How a clock change affects the fire.
    #[schema(example = "02:30 does not exist on 2026-03-29 in Europe/Berlin; it runs at 03:00 instead.")]
    note: Option<String>,
}

query! {
    pub struct AtQuery {
        /// The instant, RFC 3339; by default now. It counts as one millisecond.
        #[param(value_type = Option<String>, format = DateTime)]
        at: Option<DateTime<Utc>> = Parameters::instant,
    }
}

/// Explains why a job ran at an instant, or why it did not.
#[utoipa::path(
    operation_id = "explain_job", tag = "jobs",
    params(("id" = String, Path), AtQuery),
    responses(
        (status = 200, body = ExplanationView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/jobs/{id}/explain")]
pub async fn explain_job(
    state: web::Data<State>,
    auth: Authorized<ExecutionsRead, AtQuery>,
    path: PathJob,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    let now = state.clock.now();
    let at = auth.query.at.unwrap_or(now).trunc_subsecs(3);
    let mut conn = state.conn().await?;
    let history = jobs::history(&mut conn, auth.workspace, id).await?;
    let kept_from = partitions::oldest(&mut conn).await?.unwrap_or_default();
    let (records, blocking) = records(&mut conn, auth.workspace, id, at).await?;
    drop(conn);
    // The fires around the instant may be many years away: they are searched on a blocking thread.
    let explain = move || {
        let created_at = history.created_at;
        // Before `kept_from`, which executions there were is not known, whatever the versions say.
        let versions = if at < kept_from { &history.newest[..] } else { history.since(at)? };
        ledger::explain(&History { created_at, versions, records: &records, blocking, kept_from, now }, at)
    };
    let explanation = state.capacity.compute(request.headers(), explain).await?.map_err(|error| {
        let invalid = match error {
            LedgerError::TooManyVersions => {
                Invalid::new("too_many_versions", format!("{error} Ask about a later instant."))
            }
            LedgerError::TooMany | LedgerError::Schedule(_) => {
                Invalid::new("schedule_unreadable", error.to_string())
            }
        };
        Problem::of_field("?at", invalid)
    })?;
    Ok(HttpResponse::Ok().json(ExplanationView::from(explanation)))
}

/// The records of the instant, and the execution that was running when a fire was skipped.
async fn records(
    conn: &mut Conn,
    workspace: WorkspaceId,
    job: JobId,
    at: DateTime<Utc>,
) -> ApiResult<(Vec<Record>, Option<ExecutionId>)> {
    let window = LedgerWindow { from: at, to: at + TimeDelta::milliseconds(1) };
    let records = executions::fires(conn, workspace, job, window).await?;
    let is_overlap = |record: &&Record| record.skipped.as_ref().is_some_and(|(why, _)| why == "overlap");
    let blocking = match records.iter().find(is_overlap) {
        Some(skipped) => executions::find_blocking(conn, workspace, job, skipped.execution).await?,
        None => None,
    };
    Ok((records, blocking))
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        Self {
            at: instant(explanation.at),
            due: explanation.due,
            verdict: explanation.verdict.as_str(),
            sentence: explanation.sentence,
            version: explanation.version,
            field: explanation.field,
            execution_id: explanation.execution.map(|id| id.to_string()),
            blocking_execution_id: explanation.blocking.map(|id| id.to_string()),
            earlier: explanation.earlier.map(instant),
            later: explanation.later.map(instant),
            note: explanation.note,
        }
    }
}
