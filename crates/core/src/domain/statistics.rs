//! Statistics: what ended executions add up to.
//!
//! Executions are counted once, after they have been recorded, by the time at which they were due. Sums can be added, so an hour is the
//! sum of its minutes, and a host that of its jobs.

use chrono::{DateTime, Utc};

mod causes;
mod groups;
mod health;
mod histogram;

pub use causes::{Cause, CauseJob, FailedJob, MAX_CAUSE_JOBS, causes};
pub use groups::{Counts, Group, Groups};
pub use health::{Failure, Health, HealthFilter, HealthState, JobHealth};
pub use histogram::{Histogram, InvalidHistogram};

use super::{
    execution::Status,
    id::{ExecutionId, JobId, WorkspaceId},
    string_enum::string_enum,
};

string_enum! {
    /// What sums are grouped by: nothing, jobs, the hosts that they call, their tags, or the classes of errors of failures.
    StatsBy { None = "none", Job = "job", Host = "host", Tag = "tag", ErrorClass = "error_class", }

    /// Which failures are listed: of jobs that fail now, or all.
    FailureState { Now = "now", All = "all", }
}

/// An execution that has ended, as far as statistics count it.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub execution: ExecutionId,
    pub workspace: WorkspaceId,
    pub job: JobId,
    pub status: Status,
    pub scheduled_for: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    pub attempts: u16,
    /// `None` if no request was sent.
    pub lateness_us: Option<i64>,
    /// From the start of the first attempt to the end; `None` without an attempt.
    pub duration_us: Option<i64>,
    pub error_class: Option<String>,
    pub status_code: Option<i16>,
    /// How many missed fires a skipped execution stands for.
    pub skip_count: Option<i64>,
}

/// What executions add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub succeeded: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Fires: missed fires that are skipped together are one execution.
    pub skipped: i64,
    /// Executions with more than one attempt.
    pub retried: i64,
    pub attempts: i64,
    pub lateness: Histogram,
    pub duration: Histogram,
}

impl Sums {
    /// How many fires and requested runs there were.
    pub const fn due(&self) -> i64 {
        self.succeeded + self.failed + self.cancelled + self.skipped
    }

    pub fn add(&mut self, recorded: &Recorded) {
        match recorded.status {
            Status::Succeeded => self.succeeded += 1,
            Status::Failed => self.failed += 1,
            Status::Cancelled => self.cancelled += 1,
            Status::Skipped => self.skipped += recorded.skip_count.unwrap_or(1),
            // Not ended.
            Status::Queued | Status::Running | Status::Retrying => return,
        }
        self.retried += i64::from(recorded.attempts > 1);
        self.attempts += i64::from(recorded.attempts);
        if let Some(lateness) = recorded.lateness_us {
            self.lateness.add(lateness);
        }
        if let Some(duration) = recorded.duration_us {
            self.duration.add(duration);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let Self { succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration } = other;
        self.succeeded += succeeded;
        self.failed += failed;
        self.cancelled += cancelled;
        self.skipped += skipped;
        self.retried += retried;
        self.attempts += attempts;
        self.lateness.merge(lateness);
        self.duration.merge(duration);
    }
}

/// The start of the bucket of `at`. Buckets begin at multiples of their length since 1970 in UTC.
pub fn bucket(at: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    let start = at.timestamp() - at.timestamp().rem_euclid(seconds.max(1));
    DateTime::from_timestamp(start, 0).unwrap_or(at)
}

#[cfg(test)]
mod tests;
