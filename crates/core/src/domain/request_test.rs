//! A test: a request that is sent once, to try it, by an executor like any other.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    attempt::{Attempt, AttemptStatus},
    id::TestId,
    sent_request::SentAttempt,
    string_enum::string_enum,
};

/// An executor starts a test within this time, or it is not sent: later, its client no longer waits for it.
pub const CLAIM_LIMIT: TimeDelta = TimeDelta::seconds(30);
/// How long a test is kept.
pub const RETENTION: TimeDelta = TimeDelta::hours(1);
/// How many tests of a workspace are kept, the newest, besides those that may still run: none runs for ten minutes.
pub const MAX_KEPT: u16 = 100;
/// How long an executor may wait for the destination, before and after the request.
const MAX_WAIT: TimeDelta = TimeDelta::seconds(60);

string_enum! {
    TestStatus { Queued = "queued", Running = "running", Succeeded = "succeeded", Failed = "failed", }
}

#[derive(Clone, Debug)]
pub struct RequestTest {
    pub id: TestId,
    pub created_at: DateTime<Utc>,
    /// When an executor claimed it.
    pub claimed_at: Option<DateTime<Utc>>,
    /// Its request, and what that names as its job.
    pub sent: SentAttempt,
    pub attempt: Option<Attempt>,
}

/// How long an executor may take for a request with this timeout. After that it sends nothing, and the test has failed.
pub fn time_limit(timeout_seconds: u16) -> TimeDelta {
    TimeDelta::seconds(timeout_seconds.into()) + MAX_WAIT
}

impl RequestTest {
    /// With a sentence if it failed.
    pub fn status(&self, now: DateTime<Utc>) -> (TestStatus, Option<&str>) {
        if let Some(attempt) = &self.attempt {
            let succeeded = attempt.status == AttemptStatus::Success;
            let status = if succeeded { TestStatus::Succeeded } else { TestStatus::Failed };
            return (status, attempt.error.as_deref());
        }
        let limit = time_limit(self.sent.request.timeout_seconds);
        match self.claimed_at {
            Some(claimed_at) if claimed_at + limit < now => (
                TestStatus::Failed,
                Some(
                    "The executor did not finish this test. Whether the target received the request is unknown.",
                ),
            ),
            Some(_) => (TestStatus::Running, None),
            None if self.created_at + CLAIM_LIMIT < now => (
                TestStatus::Failed,
                Some("No executor had capacity for this test within 30 s; nothing was sent. Try again."),
            ),
            None => (TestStatus::Queued, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        id::{ExecutionId, JobId},
        request::{DEFAULT_SUCCESS_STATUSES, Headers, Method, Request},
    };
    use uuid::Uuid;

    #[test]
    fn a_test_that_no_executor_ends_fails_after_a_while() {
        let created_at: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let id = Uuid::from_u128(1);
        let request = Request {
            url: "https://example.com/".to_owned(),
            method: Method::Get,
            headers: Headers::default(),
            body: None,
            timeout_seconds: 10,
            success_statuses: DEFAULT_SUCCESS_STATUSES.into(),
        };
        let mut test = RequestTest {
            id: TestId::from_uuid(id),
            created_at,
            claimed_at: None,
            sent: SentAttempt {
                execution: ExecutionId::from_uuid(id),
                job: JobId::from_uuid(id),
                scheduled_for: created_at,
                depth: 0,
                number: 1,
                http_version: None,
                request,
            },
            attempt: None,
        };
        let status = |test: &RequestTest, seconds| test.status(created_at + TimeDelta::seconds(seconds)).0;
        assert_eq!(status(&test, 30), TestStatus::Queued);
        assert_eq!(status(&test, 31), TestStatus::Failed);
        test.claimed_at = Some(created_at + TimeDelta::seconds(5));
        assert_eq!(status(&test, 75), TestStatus::Running);
        assert_eq!(status(&test, 76), TestStatus::Failed);
    }
}
