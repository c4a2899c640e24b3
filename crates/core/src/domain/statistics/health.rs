//! Whether a job fails at present.

use chrono::{DateTime, Utc};

use super::Recorded;
use crate::domain::{execution::Status, id::ExecutionId, string_enum::string_enum};

string_enum! {
    /// The last execution that succeeded or failed decides. A job without any has never run.
    HealthState { Well = "well", Failing = "failing", NeverRan = "never_ran", }
}

string_enum! {
    /// What jobs are searched by: their health, or that their next execution will fail because a secret that they reference does not exist.
    HealthFilter { Well = "well", Failing = "failing", NeverRan = "never_ran", WillFail = "will_fail", }
}

/// The health of a job, as the job shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobHealth {
    pub failures_in_a_row: i64,
    /// Since when it fails, or is well again; `None` if it has never failed.
    pub since: Option<DateTime<Utc>>,
}

impl JobHealth {
    /// `has_run`: whether an execution of the job is kept.
    pub const fn state(self, has_run: bool) -> HealthState {
        match self.failures_in_a_row {
            1.. => HealthState::Failing,
            _ if has_run => HealthState::Well,
            _ => HealthState::NeverRan,
        }
    }
}

/// The last failure of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub execution: ExecutionId,
    pub at: DateTime<Utc>,
    pub error_class: String,
    /// `None` without a response.
    pub status_code: Option<i16>,
}

/// The state of a job that has failed at least once; all others are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// 0 if it is well again.
    pub failures_in_a_row: i64,
    /// When the first failure in a row ended, or the first success after it.
    pub since: DateTime<Utc>,
    pub last_failure: Failure,
}

impl Health {
    pub const fn state(&self) -> HealthState {
        if self.failures_in_a_row > 0 { HealthState::Failing } else { HealthState::Well }
    }

    /// The health after another execution of the job has ended. Cancelled and skipped executions say nothing about the job.
    pub fn after(health: Option<Self>, ended: &Recorded) -> Option<Self> {
        match ended.status {
            Status::Failed => Some(Self::after_failure(health, ended)),
            Status::Succeeded => health.map(|health| match health.state() {
                HealthState::Failing => Self { failures_in_a_row: 0, since: ended.finished_at, ..health },
                HealthState::Well | HealthState::NeverRan => health,
            }),
            _ => health,
        }
    }

    fn after_failure(health: Option<Self>, ended: &Recorded) -> Self {
        let failing = health.filter(|health| health.state() == HealthState::Failing);
        Self {
            failures_in_a_row: failing.as_ref().map_or(0, |health| health.failures_in_a_row) + 1,
            since: failing.map_or(ended.finished_at, |health| health.since),
            last_failure: Failure {
                execution: ended.execution,
                at: ended.finished_at,
                error_class: ended.error_class.clone().unwrap_or_default(),
                status_code: ended.status_code,
            },
        }
    }
}
