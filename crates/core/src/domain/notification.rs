//! Notifications: when a channel is notified of an execution, and how often delivery is attempted.
//!
//! Rules apply to executions only. A notification is not an execution, so it never causes another.

use chrono::{DateTime, Utc};
use std::time::Duration;

mod selector;

pub use selector::{Selector, SelectorKind};

use super::{
    attempt::{AttemptStatus, Disposition, Outcome},
    id::{ChannelId, ExecutionId, JobId, NotificationId, RuleId},
    invalid::Invalid,
    request::Method,
    retry::{self, RetryPolicy},
    string_enum::string_enum,
};

string_enum! {
    /// When a rule applies. `on_completion`: on success and on failure; `on_recovery`: on the first success after a failure.
    RuleEvent { OnFailure = "on_failure", OnSuccess = "on_success", OnCompletion = "on_completion", OnRecovery = "on_recovery", }

    /// What a notification reports.
    NotificationEvent { Succeeded = "succeeded", Failed = "failed", Recovered = "recovered", Test = "test", }

    /// The state of a delivery. Each name means the same as for executions.
    NotificationStatus {
        Queued = "queued",
        Running = "running",
        Retrying = "retrying",
        Succeeded = "succeeded",
        Failed = "failed",
        Skipped = "skipped",
    }
}

impl NotificationStatus {
    /// The state machine of deliveries. A claim that expired is claimed again without a change of status.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued | Self::Retrying => matches!(next, Self::Running),
            // Queued and retrying: released unsent. Failed: also after the last claim expired.
            Self::Running => matches!(next, Self::Succeeded | Self::Failed | Self::Retrying | Self::Queued),
            // Skipped from the start: its channel was snoozed.
            Self::Succeeded | Self::Failed | Self::Skipped => false,
        }
    }
}

impl From<&Disposition> for NotificationStatus {
    fn from(disposition: &Disposition) -> Self {
        match disposition {
            Disposition::Succeeded => Self::Succeeded,
            Disposition::Failed { .. } => Self::Failed,
            Disposition::Retry { .. } => Self::Retrying,
        }
    }
}

/// Of a job.
pub const MAX_RULES: i64 = 20;
/// Of a workspace, for many jobs.
pub const MAX_WORKSPACE_RULES: i64 = 20;
const MAX_AFTER_FAILURES: u16 = 1000;

/// When a channel is notified of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub event: RuleEvent,
    /// `on_failure`: only on this failure in a row. `on_recovery`: only after at least this many failures in a row.
    pub after_failures: Option<u16>,
}

/// A rule with the channel that it notifies.
pub type ChannelRule = (ChannelId, Rule);

impl Rule {
    pub fn check(event: RuleEvent, after_failures: Option<i64>) -> Result<Self, Invalid> {
        let after_failures = after_failures.map(|wanted| {
            if !matches!(event, RuleEvent::OnFailure | RuleEvent::OnRecovery) {
                return Err(Invalid::new(
                    "not_with_event",
                    "goes with the events on_failure and on_recovery only",
                ));
            }
            let range = 1..=MAX_AFTER_FAILURES;
            let wanted = u16::try_from(wanted).ok().filter(|wanted| range.contains(wanted));
            wanted.ok_or_else(|| {
                Invalid::new("out_of_range", format!("must be from 1 to {MAX_AFTER_FAILURES}"))
            })
        });
        Ok(Self { event, after_failures: after_failures.transpose()? })
    }

    /// The event to report when an execution ends after `failures` failures in a row, if any.
    pub fn event_after(self, failures: u32, succeeded: bool) -> Option<NotificationEvent> {
        let after = self.after_failures.map(u32::from);
        let event = if succeeded { NotificationEvent::Succeeded } else { NotificationEvent::Failed };
        match self.event {
            RuleEvent::OnCompletion => Some(event),
            RuleEvent::OnSuccess => succeeded.then_some(event),
            RuleEvent::OnFailure => {
                (!succeeded && after.is_none_or(|after| failures + 1 == after)).then_some(event)
            }
            RuleEvent::OnRecovery => {
                (succeeded && failures >= after.unwrap_or(1)).then_some(NotificationEvent::Recovered)
            }
        }
    }
}

/// The failures in a row after one more execution has ended.
pub const fn failures_after(failures: u32, succeeded: bool) -> u32 {
    if succeeded { 0 } else { failures.saturating_add(1) }
}

/// All attempts to deliver one notification, including the first. With the waits below, they take an hour and a half.
pub const MAX_ATTEMPTS: u16 = 8;
/// For a whole attempt.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a claim belongs to its executor. Then the attempt counts as interrupted, and any executor may make the next.
pub const CLAIM_TIMEOUT: Duration = Duration::from_secs(30);

/// The wait after attempt `number` (1-based): 5 s · 3^(number − 1), ± 25 %, or the receiver's `Retry-After` if that is longer.
pub fn wait(number: u16, jitter: f64, retry_after: Option<Duration>) -> Duration {
    let base = Duration::from_secs(5) * 3u32.pow(u32::from(number.clamp(1, MAX_ATTEMPTS)) - 1);
    let spread = base.mul_f64(0.75 + 0.5 * jitter.clamp(0.0, 1.0));
    spread.max(retry_after.unwrap_or_default().min(retry::MAX_RETRY_AFTER))
}

/// Decides what follows from an attempt. What is retried is what the default policy of jobs retries.
pub fn decide(number: u16, outcome: &Outcome, ended_at: DateTime<Utc>, jitter: f64) -> Disposition {
    if outcome.status == AttemptStatus::Success {
        return Disposition::Succeeded;
    }
    if RetryPolicy::default().is_transient(Method::Post, outcome) && number < MAX_ATTEMPTS {
        return Disposition::retry(ended_at, wait(number, jitter, retry::retry_after(outcome)));
    }
    Disposition::failed(outcome)
}

/// A notification as the API shows it.
#[derive(Clone, Debug)]
pub struct Notification {
    pub id: NotificationId,
    pub channel: ChannelId,
    /// None of these three in a test.
    pub rule: Option<RuleId>,
    pub job: Option<JobId>,
    pub execution: Option<ExecutionId>,
    pub event: NotificationEvent,
    pub status: NotificationStatus,
    pub error_class: Option<String>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// When the next attempt is due, while one is.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub attempts: Vec<NotificationAttempt>,
}

#[derive(Clone, Debug)]
pub struct NotificationAttempt {
    pub number: u16,
    pub status: AttemptStatus,
    pub status_code: Option<u16>,
    pub error_class: Option<String>,
    pub error: Option<String>,
    pub started_at: DateTime<Utc>,
    pub total: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events that a rule reports for a history of successes (`+`) and failures (`-`).
    fn reported(event: RuleEvent, after_failures: Option<u16>, history: &str) -> String {
        let rule = Rule { event, after_failures };
        let mut failures = 0;
        let letter = |mark: char| {
            let succeeded = mark == '+';
            let event = rule.event_after(failures, succeeded);
            failures = failures_after(failures, succeeded);
            event.map_or('.', |event| match event {
                NotificationEvent::Succeeded => 's',
                NotificationEvent::Failed => 'f',
                NotificationEvent::Recovered => 'r',
                NotificationEvent::Test => 't',
            })
        };
        history.chars().map(letter).collect()
    }

    #[test]
    fn every_pair_of_states() {
        let arrows: Vec<String> = NotificationStatus::ALL
            .iter()
            .flat_map(|from| NotificationStatus::ALL.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| format!("{}→{}", from.as_str(), to.as_str()))
            .collect();
        assert_eq!(
            arrows,
            [
                "queued→running",
                "running→queued",
                "running→retrying",
                "running→succeeded",
                "running→failed",
                "retrying→running",
            ]
        );
    }

    #[test]
    fn each_rule_reports_its_events() {
        let history = "+--+---++-";
        assert_eq!(reported(RuleEvent::OnCompletion, None, history), "sffsfffssf");
        assert_eq!(reported(RuleEvent::OnSuccess, None, history), "s..s...ss.");
        assert_eq!(reported(RuleEvent::OnFailure, None, history), ".ff.fff..f");
        assert_eq!(reported(RuleEvent::OnFailure, Some(1), history), ".f..f....f");
        assert_eq!(reported(RuleEvent::OnFailure, Some(3), history), "......f...");
        assert_eq!(reported(RuleEvent::OnRecovery, None, history), "...r...r..");
        assert_eq!(reported(RuleEvent::OnRecovery, Some(3), history), ".......r..");
    }

    #[test]
    fn after_failures_goes_with_failures() {
        assert_eq!(Rule::check(RuleEvent::OnFailure, Some(3)).map(|rule| rule.after_failures), Ok(Some(3)));
        assert_eq!(Rule::check(RuleEvent::OnSuccess, Some(3)).unwrap_err().code, "not_with_event");
        for invalid in [0, -1, 1001, i64::MAX] {
            assert_eq!(Rule::check(RuleEvent::OnRecovery, Some(invalid)).unwrap_err().code, "out_of_range");
        }
    }

    #[test]
    fn waits_grow_to_an_hour_and_end_after_eight_attempts() {
        let waits: Vec<u64> = (1..MAX_ATTEMPTS).map(|number| wait(number, 0.5, None).as_secs()).collect();
        assert_eq!(waits, [5, 15, 45, 135, 405, 1215, 3645]);
        assert_eq!(wait(1, 0.5, Some(Duration::from_secs(86_400))), Duration::from_secs(3600));
    }

    #[test]
    fn temporary_failures_are_retried() {
        let decided = |number, status, status_code| {
            let outcome = Outcome { status_code, error_class: Some("class"), ..Outcome::of(status) };
            decide(number, &outcome, DateTime::UNIX_EPOCH, 0.5)
        };
        let failed = Disposition::Failed { error_class: "class".into() };
        for status in [429, 500, 502, 503, 504] {
            assert_ne!(decided(1, AttemptStatus::HttpError, Some(status)), failed);
        }
        for status in [203, 301, 400, 404, 408, 410, 501, 507, 999] {
            assert_eq!(decided(1, AttemptStatus::HttpError, Some(status)), failed);
        }
        assert_ne!(decided(7, AttemptStatus::Timeout, None), failed);
        assert_eq!(decided(8, AttemptStatus::Timeout, None), failed);
        assert_eq!(decided(1, AttemptStatus::Blocked, None), failed);
        assert_eq!(decided(1, AttemptStatus::Success, Some(204)), Disposition::Succeeded);
    }
}
