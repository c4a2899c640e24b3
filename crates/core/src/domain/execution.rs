//! One due occurrence of a job, and its state machine.
//!
//! ```text
//! (fire) → queued → running → succeeded | failed
//!             ▲        │  └─→ retrying → running …
//!  (owner     └────────┤
//!   died)              └─→ cancelled          queued | retrying → cancelled          (fire) → skipped
//! ```

use chrono::{DateTime, Utc};

use super::{
    attempt::{Attempt, AttemptStatus, Disposition, Outcome},
    id::{ExecutionId, JobId, WorkspaceId},
    request::Method,
    retry::{DeliveryGuarantee, RetryPolicy, backoff, retry_after},
    string_enum::string_enum,
};

string_enum! {
    Status {
        Queued = "queued",
        Running = "running",
        Retrying = "retrying",
        Succeeded = "succeeded",
        Failed = "failed",
        Cancelled = "cancelled",
        Skipped = "skipped",
    }

    /// What created the execution: the schedule, a user, the job's only run, or the replay of an earlier execution.
    Source { Schedule = "schedule", Manual = "manual", OneTime = "one_time", Replay = "replay", }

    /// What an execution that is due waits for: a slot under the concurrency limit of its job, or a share of the executors.
    WaitingFor { ConcurrencyLimit = "concurrency_limit", Capacity = "capacity", }

    /// What a client does to many executions at once.
    BulkAction { Replay = "replay", Cancel = "cancel", }
}

impl Status {
    /// Terminal states are final.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped)
    }

    /// The table of states in docs/architecture.md, with a cause for each change.
    pub const fn may_become(self, next: Self) -> bool {
        use Status::{Cancelled, Failed, Queued, Retrying, Running, Skipped, Succeeded};
        match self {
            // Skipped: the fire finds its job's slots in use, or too many executions waiting.
            Queued => matches!(next, Running | Cancelled | Skipped),
            Running => matches!(next, Succeeded | Failed | Retrying | Queued | Cancelled),
            Retrying => matches!(next, Running | Cancelled),
            Succeeded | Failed | Cancelled | Skipped => false,
        }
    }
}

/// An execution as the API shows it.
#[derive(Clone, Debug)]
pub struct Execution {
    pub id: ExecutionId,
    pub workspace: WorkspaceId,
    pub job: JobId,
    pub job_name: String,
    /// Of the URL that it calls, without a port.
    pub host: String,
    pub version: i32,
    pub status: Status,
    pub source: Source,
    pub scheduled_for: DateTime<Utc>,
    /// Of the first attempt.
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// While it is retried.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub waiting_for: Option<WaitingFor>,
    /// From `scheduled_for` until the first byte of the first attempt is sent.
    pub lateness_us: Option<i64>,
    pub duration_us: Option<i64>,
    pub attempt_count: u16,
    /// Of the last attempt that ended.
    pub status_code: Option<u16>,
    pub error: Option<String>,
    pub error_class: Option<String>,
    pub replay_of: Option<ExecutionId>,
    pub skipped: Option<Skipped>,
    /// Empty in lists.
    pub attempts: Vec<Attempt>,
}

/// What a `skipped` record covers: one fire, or consecutive fires that were missed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub reason: String,
    pub count: i64,
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

/// An execution that loses its executor this often ends `failed` with `error_class: lost`.
pub const MAX_LOST: i16 = 3;

impl From<&Disposition> for Status {
    fn from(disposition: &Disposition) -> Self {
        match disposition {
            Disposition::Succeeded => Self::Succeeded,
            Disposition::Failed { .. } => Self::Failed,
            Disposition::Retry { .. } => Self::Retrying,
        }
    }
}

/// The result of an attempt, as far as it decides whether another follows.
#[derive(Clone, Copy, Debug)]
pub struct AttemptResult<'a> {
    /// 1-based.
    pub number: u16,
    pub method: Method,
    pub outcome: &'a Outcome,
    /// Whether any byte of the request may have been sent.
    pub sent: bool,
    pub ended_at: DateTime<Utc>,
}

/// Decides what follows from an attempt: statuses on the job's list, timeouts and connection errors are retried while attempts are left;
/// everything else is final at once. `blocked`, `secret_missing` and `invalid_request` do not improve by repetition. An `at_most_once`
/// job is retried only if nothing was sent.
pub fn decide(
    policy: &RetryPolicy,
    delivery: DeliveryGuarantee,
    attempt: AttemptResult<'_>,
    jitter: f64,
) -> Disposition {
    let AttemptResult { number, method, outcome, sent, ended_at } = attempt;
    if outcome.status == AttemptStatus::Success {
        return Disposition::Succeeded;
    }
    let may_repeat = delivery == DeliveryGuarantee::AtLeastOnce || !sent;
    if policy.is_transient(method, outcome) && may_repeat && number < policy.max_attempts {
        return Disposition::retry(ended_at, backoff(number, jitter, retry_after(outcome)));
    }
    Disposition::failed(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_states() {
        let arrows: Vec<String> = Status::ALL
            .iter()
            .flat_map(|from| Status::ALL.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| format!("{}→{}", from.as_str(), to.as_str()))
            .collect();
        assert_eq!(
            arrows,
            [
                "queued→running",
                "queued→cancelled",
                "queued→skipped",
                "running→queued",
                "running→retrying",
                "running→succeeded",
                "running→failed",
                "running→cancelled",
                "retrying→running",
                "retrying→cancelled",
            ]
        );
        assert!(
            Status::ALL.iter().all(|s| !s.is_terminal() || Status::ALL.iter().all(|to| !s.may_become(*to)))
        );
    }

    fn ended(status: AttemptStatus, status_code: Option<u16>) -> Outcome {
        Outcome { status_code, error_class: Some("class"), ..Outcome::of(status) }
    }

    fn first(outcome: &Outcome) -> AttemptResult<'_> {
        AttemptResult { number: 1, method: Method::Get, outcome, sent: true, ended_at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn which_attempts_are_retried() {
        let policy = RetryPolicy { retry_on_statuses: [500].into(), ..RetryPolicy::default() };
        let retried = |number, outcome: &Outcome| {
            let attempt = AttemptResult { number, ..first(outcome) };
            matches!(decide(&policy, DeliveryGuarantee::AtLeastOnce, attempt, 0.5), Disposition::Retry { .. })
        };
        assert!(retried(1, &ended(AttemptStatus::HttpError, Some(500))));
        assert!(retried(2, &ended(AttemptStatus::Timeout, None)));
        assert!(retried(1, &ended(AttemptStatus::ConnectionError, None)));
        assert!(!retried(3, &ended(AttemptStatus::Timeout, None)));
        assert!(!retried(1, &ended(AttemptStatus::HttpError, Some(404))));
        assert!(!retried(1, &ended(AttemptStatus::Blocked, None)));
        let success = ended(AttemptStatus::Success, Some(200));
        let decided = decide(&policy, DeliveryGuarantee::AtLeastOnce, first(&success), 0.5);
        assert_eq!(decided, Disposition::Succeeded);
    }

    #[test]
    fn at_most_once_retries_only_unsent_requests() {
        let policy = RetryPolicy { retry_on_statuses: [500].into(), ..RetryPolicy::default() };
        let refused = ended(AttemptStatus::ConnectionError, None);
        let decided = |sent| {
            let attempt = AttemptResult { sent, ..first(&refused) };
            decide(&policy, DeliveryGuarantee::AtMostOnce, attempt, 0.5)
        };
        assert_eq!(decided(true), Disposition::Failed { error_class: "class".into() });
        assert!(matches!(decided(false), Disposition::Retry { .. }));
    }

    #[test]
    fn retry_after_counts_on_429_and_503_only() {
        let policy = RetryPolicy { retry_on_statuses: [429, 500, 503].into(), ..RetryPolicy::default() };
        let wait = |status| {
            let outcome = Outcome {
                retry_after: Some(std::time::Duration::from_secs(60)),
                ..ended(AttemptStatus::HttpError, Some(status))
            };
            let attempt = first(&outcome);
            match decide(&policy, DeliveryGuarantee::AtLeastOnce, attempt, 0.5) {
                Disposition::Retry { due_at } => (due_at - attempt.ended_at).num_seconds(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((wait(429), wait(503), wait(500)), (60, 60, 0));
    }
}
