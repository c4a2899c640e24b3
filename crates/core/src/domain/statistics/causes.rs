//! Causes of failures: executions that failed for the same reason at the same host.

use chrono::{DateTime, Utc};
use std::{cmp::Reverse, collections::HashMap};

use crate::domain::id::{ExecutionId, JobId};

/// How many jobs of a cause are listed.
pub const MAX_CAUSE_JOBS: usize = 20;

/// Failures of one job for one reason.
#[derive(Clone, Debug)]
pub struct FailedJob {
    pub host: String,
    pub error_class: String,
    /// `None` without a response.
    pub status_code: Option<i16>,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub executions: i64,
    pub execution: ExecutionId,
    pub job: CauseJob,
}

/// A job that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseJob {
    pub id: JobId,
    pub name: String,
    /// 0 if its last execution succeeded.
    pub failures_in_a_row: i64,
    /// Since when it fails; `None` if its last execution succeeded.
    pub failing_since: Option<DateTime<Utc>>,
}

/// Executions that failed for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The same as long as host, class and status are.
    pub id: String,
    pub host: String,
    pub error_class: String,
    pub status_code: Option<i16>,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub executions: i64,
    /// The last of the executions.
    pub sample: ExecutionId,
    pub jobs_count: usize,
    /// Those with most failures in a row, at most [`MAX_CAUSE_JOBS`].
    pub jobs: Vec<CauseJob>,
}

impl Cause {
    fn new((host, error_class, status_code): Key, failed: Vec<FailedJob>) -> Option<Self> {
        let last = failed.iter().max_by_key(|failed| failed.last_at)?;
        let (sample, last_at) = (last.execution, last.last_at);
        let first_at = failed.iter().map(|failed| failed.first_at).min()?;
        let executions = failed.iter().map(|failed| failed.executions).sum();
        let jobs: HashMap<JobId, CauseJob> =
            failed.into_iter().map(|failed| (failed.job.id, failed.job)).collect();
        let (jobs_count, mut jobs) = (jobs.len(), jobs.into_values().collect::<Vec<_>>());
        jobs.sort_unstable_by_key(|job| (Reverse(job.failures_in_a_row), job.id));
        jobs.truncate(MAX_CAUSE_JOBS);
        let id = status_code
            .map_or_else(|| format!("{host}/{error_class}"), |code| format!("{host}/{error_class}/{code}"));
        Some(Self {
            id,
            host,
            error_class,
            status_code,
            first_at,
            last_at,
            executions,
            sample,
            jobs_count,
            jobs,
        })
    }

    /// What happens, in one sentence.
    pub fn sentence(&self) -> String {
        let what = match (self.status_code, self.error_class.as_str()) {
            (Some(code), _) => format!("{} responds with {code}", self.host),
            (None, class) => format!("Requests to {} fail with {class}", self.host),
        };
        let jobs = if self.jobs_count == 1 { "job" } else { "jobs" };
        let executions = if self.executions == 1 { "execution" } else { "executions" };
        format!("{what}: {} {executions} of {} {jobs}.", self.executions, self.jobs_count)
    }
}

type Key = (String, String, Option<i16>);

/// The causes, those with most jobs first.
pub fn causes(failed: Vec<FailedJob>) -> Vec<Cause> {
    let mut by_key: HashMap<Key, Vec<FailedJob>> = HashMap::new();
    for failed in failed {
        let key = (failed.host.clone(), failed.error_class.clone(), failed.status_code);
        by_key.entry(key).or_default().push(failed);
    }
    let mut causes: Vec<Cause> =
        by_key.into_iter().filter_map(|(key, failed)| Cause::new(key, failed)).collect();
    causes.sort_unstable_by(|a, b| {
        let order = |cause: &Cause| Reverse((cause.jobs_count, cause.executions));
        order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
    });
    causes
}
