//! The ledger of a workspace: that of each of its jobs, added up, as many of them as a request has time for.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use trigrun_core::{
    domain::{
        id::{JobId, WorkspaceId},
        invalid::FieldErrors,
        ledger::{self, Ledger, LedgerError, LedgerWindow},
        page,
    },
    store::{StoreError, executions, jobs, partitions},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, ExecutionsRead},
    extract::query::{Parameters, query},
    result::ApiResult,
    routes::jobs::ledger::{MismatchView, ledger_failed, window},
    state::State,
    time::instant,
};

/// How long one request checks jobs.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Jobs of one statement.
const BATCH: i64 = 100;
const MAX_JOBS: usize = 1000;
const MAX_MISMATCHES: usize = 100;
const MAX_UNCHECKED: usize = 100;
/// Counting the jobs that are left stops here.
const MAX_LEFT: i64 = 100_000;

query! {
    pub struct LedgerQuery {
        /// The start of the window, RFC 3339; by default a day before `to`.
        #[param(value_type = Option<String>, format = DateTime)]
        from: Option<DateTime<Utc>> = Parameters::instant,
        /// The end of the window, RFC 3339; by default now. With a cursor, the one of the first request.
        #[param(value_type = Option<String>, format = DateTime)]
        to: Option<DateTime<Utc>> = Parameters::instant,
        /// `next_cursor` of the previous response: goes on with the jobs that are left.
        cursor: Option<String> = Parameters::text,
    }
}

/// The ledgers of jobs, added up. Without gaps and duplicates, no fire of these jobs was lost and none ran twice.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkspaceLedger)]
pub struct WorkspaceLedgerView {
    #[schema(format = DateTime)]
    from: String,
    #[schema(format = DateTime)]
    to: String,
    #[schema(format = DateTime)]
    checked_at: String,
    /// Jobs whose fires are in the sums.
    jobs_checked: usize,
    /// Jobs after these: `next_cursor` goes on with them. Counting stops at 100,000.
    jobs_left: i64,
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
    /// The first 100 gaps and duplicates.
    mismatches: Vec<JobMismatchView>,
    /// Jobs that are not in the sums, the first 100: they fire too often in the window, or have changed too often since it began. Request a
    /// shorter or later window.
    unchecked_jobs: Vec<String>,
    /// Send it as `cursor`, with the same `from` and `to`, to check the jobs that are left; null if there are none.
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobMismatch)]
pub struct JobMismatchView {
    job_id: String,
    #[serde(flatten)]
    mismatch: MismatchView,
}

/// Returns the ledger of the workspace: recomputes the fires of a window for each job, and matches them with the executions. A request checks
/// jobs for five seconds, at most 1,000, in the order of their creation.
#[utoipa::path(
    operation_id = "get_ledger", tag = "executions", params(LedgerQuery),
    responses(
        (status = 200, body = WorkspaceLedgerView),
    ),
    security(("token" = ["executions:read"])),
)]
#[get("/ledger")]
pub async fn get_ledger(
    state: web::Data<State>,
    auth: Authorized<ExecutionsRead, LedgerQuery>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let LedgerQuery { from, to, cursor } = auth.query;
    let (now, filters, mut errors) = (state.clock.now(), format!("{from:?}\n{to:?}"), FieldErrors::default());
    let after = cursor.map(|cursor| errors.take("?cursor", page::read_cursor(&cursor, &filters))).transpose();
    let after = errors.finish(after)?.map(JobId::from_uuid);
    let kept_from = partitions::oldest(&mut *state.conn().await?).await?.unwrap_or(now);
    let window = window(from, to, kept_from, now)?;
    let check = Check { state: &state, request: &request, workspace: auth.workspace, window, now };
    let mut sums = WorkspaceLedger { after, ..WorkspaceLedger::default() };
    check.jobs(&mut sums).await?;
    let mut conn = state.connections.for_list().await?;
    let jobs_left = jobs::count_after(&mut conn, auth.workspace, sums.after, MAX_LEFT).await?;
    Ok(HttpResponse::Ok().json(sums.into_view(window, now, jobs_left, &filters)))
}

/// A request to check jobs.
struct Check<'a> {
    state: &'a State,
    request: &'a HttpRequest,
    workspace: WorkspaceId,
    window: LedgerWindow,
    now: DateTime<Utc>,
}

impl Check<'_> {
    /// Checks at least one job, if there is one left.
    async fn jobs(&self, sums: &mut WorkspaceLedger) -> ApiResult<()> {
        let begun = Instant::now();
        loop {
            let mut conn = self.state.connections.for_list().await?;
            let batch = jobs::after(&mut conn, self.workspace, sums.after, BATCH).await?;
            drop(conn);
            if batch.is_empty() {
                return Ok(());
            }
            for job in batch {
                self.job(job, sums).await?;
                sums.after = Some(job);
                if begun.elapsed() >= CHECK_TIMEOUT || sums.jobs >= MAX_JOBS {
                    return Ok(());
                }
            }
        }
    }

    async fn job(&self, job: JobId, sums: &mut WorkspaceLedger) -> ApiResult<()> {
        let mut conn = self.state.connections.for_list().await?;
        let versions = match jobs::history(&mut conn, self.workspace, job).await {
            // It has been deleted meanwhile.
            Err(StoreError::NotFound) => return Ok(()),
            versions => versions?,
        };
        let created_at = versions.created_at;
        let from = self.window.from.max(created_at).min(self.window.to);
        let (window, now) = (LedgerWindow { from, ..self.window }, self.now);
        let records = executions::fires(&mut conn, self.workspace, job, window).await?;
        drop(conn);
        let balance =
            move || ledger::balance(versions.since(window.from)?, created_at, &records, window, now);
        match self.state.capacity.compute(self.request.headers(), balance).await? {
            Ok(ledger) => sums.add(job, &ledger),
            Err(LedgerError::TooMany | LedgerError::TooManyVersions) => sums.unchecked.push(job),
            Err(error @ LedgerError::Schedule(_)) => return Err(ledger_failed(error)),
        }
        Ok(())
    }
}

/// Ledgers of jobs, added up.
#[derive(Default)]
struct WorkspaceLedger {
    /// The last job that was checked.
    after: Option<JobId>,
    jobs: usize,
    sums: Ledger,
    gaps: usize,
    duplicates: usize,
    mismatches: Vec<JobMismatchView>,
    unchecked: Vec<JobId>,
}

impl WorkspaceLedger {
    fn add(&mut self, job: JobId, ledger: &Ledger) {
        self.jobs += 1;
        self.sums.due += ledger.due;
        self.sums.executed += ledger.executed;
        self.sums.pending += ledger.pending;
        for (reason, count) in &ledger.skipped {
            *self.sums.skipped.entry(reason.clone()).or_default() += count;
        }
        self.gaps += ledger.gaps();
        self.duplicates += ledger.duplicates();
        let view =
            |mismatch| JobMismatchView { job_id: job.to_string(), mismatch: MismatchView::from(mismatch) };
        let room = MAX_MISMATCHES - self.mismatches.len();
        self.mismatches.extend(ledger.mismatches.iter().take(room).map(view));
    }

    fn into_view(
        self,
        window: LedgerWindow,
        now: DateTime<Utc>,
        jobs_left: i64,
        filters: &str,
    ) -> WorkspaceLedgerView {
        let Ledger { due, executed, skipped, pending, .. } = self.sums;
        let last = self.after.filter(|_| jobs_left > 0);
        WorkspaceLedgerView {
            from: instant(window.from),
            to: instant(window.to),
            checked_at: instant(now),
            jobs_checked: self.jobs,
            jobs_left,
            due,
            executed,
            skipped,
            pending,
            gaps: self.gaps,
            duplicates: self.duplicates,
            mismatches: self.mismatches,
            unchecked_jobs: self.unchecked.iter().take(MAX_UNCHECKED).map(JobId::to_string).collect(),
            next_cursor: last.map(|job| page::cursor(job.uuid(), filters)),
        }
    }
}
