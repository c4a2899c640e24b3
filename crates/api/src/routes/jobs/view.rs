//! A job in responses: its definition with all defaults filled in, and its current state.

use serde::Serialize;
use trigrun_core::domain::{
    id::ExecutionId,
    job::{Job, LastExecution, pause::Pause},
    statistics::JobHealth,
};
use utoipa::ToSchema;

use crate::{
    enums,
    routes::{audit::ActorView, jobs::body::JobBody},
    time::instant,
};

/// A job.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    #[schema(example = "job_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    /// Incremented by every change; also the ETag.
    version: i32,
    #[serde(flatten)]
    body: JobBody,
    /// The host of the URL.
    #[schema(example = "example.com")]
    host: String,
    /// When the job fires, in English.
    #[schema(example = "at 04:30 from Monday to Friday, Europe/Berlin time")]
    schedule_in_words: String,
    /// Null unless the job is paused.
    paused: Option<PausedView>,
    /// The next fire; null if there is none.
    #[schema(format = DateTime)]
    next_run_at: Option<String>,
    /// Why the next fire cannot be computed. TrigRun retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    schedule_error: Option<String>,
    last_execution: Option<LastExecutionView>,
    health: HealthView,
    /// The execution that this request created for a one_time job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    execution_id: Option<String>,
    /// What is allowed but may be unintended, such as a reference to a secret that does not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A pause of a job.
#[derive(Serialize, ToSchema)]
#[schema(as = Paused)]
pub struct PausedView {
    #[schema(format = DateTime)]
    at: String,
    /// Who paused the job, or changed the pause last.
    by: ActorView,
    /// Why.
    note: Option<String>,
    /// When the job resumes by itself.
    #[schema(format = DateTime)]
    until: Option<String>,
}

impl From<&Pause> for PausedView {
    fn from(pause: &Pause) -> Self {
        Self {
            at: instant(pause.at),
            by: ActorView::from(&pause.by),
            note: pause.terms.note.clone(),
            until: pause.terms.until.map(instant),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = LastExecution)]
pub struct LastExecutionView {
    id: String,
    #[schema(value_type = enums::ExecutionStatus)]
    status: &'static str,
    #[schema(format = DateTime)]
    scheduled_for: String,
}

/// Whether the last execution of the job that succeeded or failed has failed. It follows some seconds after the execution.
#[derive(Serialize, ToSchema)]
#[schema(as = JobHealth)]
pub struct HealthView {
    #[schema(value_type = enums::HealthState)]
    state: &'static str,
    /// Since when the job fails, or is well again; null if it has never failed.
    #[schema(format = DateTime)]
    since: Option<String>,
    failures_in_a_row: i64,
}

impl JobView {
    pub fn new(job: &Job) -> Self {
        Self {
            id: job.id.to_string(),
            version: job.version,
            body: JobBody::of(&job.definition, job.state),
            host: job.definition.request.host().to_owned(),
            schedule_in_words: job.definition.schedule.in_words(),
            paused: job.pause.as_ref().map(PausedView::from),
            next_run_at: job.next_run_at.map(instant),
            schedule_error: job.schedule_error.clone(),
            last_execution: job.last_execution.as_ref().map(LastExecutionView::from),
            health: HealthView::of(job),
            execution_id: None,
            warnings: Vec::new(),
            created_at: instant(job.created_at),
            updated_at: instant(job.updated_at),
        }
    }

    /// For lists, whose jobs come without it. The field is absent, not null: a client may send the job back in a change.
    pub fn without_body(job: &Job) -> Self {
        let mut view = Self::new(job);
        if let Some(request) = &mut view.body.request {
            request.body = None;
        }
        view
    }

    pub fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }

    pub fn with_execution(mut self, execution: Option<ExecutionId>) -> Self {
        self.execution_id = execution.map(|id| id.to_string());
        self
    }
}

impl HealthView {
    fn of(job: &Job) -> Self {
        let JobHealth { failures_in_a_row, since } = job.health;
        let state = job.health.state(job.last_execution.is_some()).as_str();
        Self { state, since: since.map(instant), failures_in_a_row }
    }
}

impl From<&LastExecution> for LastExecutionView {
    fn from(last: &LastExecution) -> Self {
        Self {
            id: last.id.to_string(),
            status: last.status.as_str(),
            scheduled_for: instant(last.scheduled_for),
        }
    }
}
