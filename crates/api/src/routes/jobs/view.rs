//! A job as it is shown: what the client wrote, with nothing left to defaults, and what the system knows.

use serde::Serialize;
use trigrun_core::domain::{
    id::ExecutionId,
    job::{Job, LastExecution},
};
use utoipa::ToSchema;

use super::body::JobBody;
use crate::time::instant;

/// A job as it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    #[schema(example = "job_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    /// Raised by every change; also the ETag.
    version: i32,
    #[serde(flatten)]
    body: JobBody,
    /// Null when nothing is to come.
    next_run_at: Option<String>,
    /// Why no next run could be computed; TrigRun tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    schedule_error: Option<String>,
    last_execution: Option<LastExecutionView>,
    /// The execution that a one_time job got by this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    execution_id: Option<String>,
    /// What is allowed and yet may not be what was meant, such as a secret that does not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LastExecution)]
pub struct LastExecutionView {
    id: String,
    status: &'static str,
    scheduled_for: String,
}

impl JobView {
    pub fn new(job: &Job) -> Self {
        Self {
            id: job.id.to_string(),
            version: job.version,
            body: JobBody::of(&job.definition, job.state),
            next_run_at: job.next_run_at.map(instant),
            schedule_error: job.schedule_error.clone(),
            last_execution: job.last_execution.as_ref().map(LastExecutionView::from),
            execution_id: None,
            warnings: Vec::new(),
            created_at: instant(job.created_at),
            updated_at: instant(job.updated_at),
        }
    }

    /// Tells of secrets that the job names and the workspace does not have.
    pub fn with_missing(mut self, secrets: &[String]) -> Self {
        self.warnings = of_missing(secrets);
        self
    }

    pub fn with_execution(mut self, execution: Option<ExecutionId>) -> Self {
        self.execution_id = execution.map(|id| id.to_string());
        self
    }
}

/// A warning for each of these secrets.
pub fn of_missing(secrets: &[String]) -> Vec<String> {
    let warning =
        |name| format!("There is no secret {name} yet: until there is, executions fail and nothing is sent.");
    secrets.iter().map(warning).collect()
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
