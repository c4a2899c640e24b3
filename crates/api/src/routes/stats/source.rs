//! Which of the kept sums serve a request. What none of them serves is refused.

use chrono::{DateTime, TimeDelta, Utc};
use trigrun_core::domain::{
    id::JobId,
    invalid::{FieldErrors, Invalid, both},
    page,
    statistics::{StatsBy, bucket},
};

use super::StatsQuery;
use crate::result::ApiResult;

const MAX_BUCKETS: i64 = 400;
/// Keys and their buckets in a response.
const MAX_KEYED_BUCKETS: i64 = 25_000;
const DEFAULT_SPAN: TimeDelta = TimeDelta::days(1);
const DEFAULT_STEP_SECONDS: i64 = 3600;
const HOUR_SECONDS: i64 = 3600;
const DAY_SECONDS: i64 = 86_400;
/// How long minutes are kept. The scheduler purges older ones.
const MINUTES_KEPT: TimeDelta = TimeDelta::hours(30);

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Minutes of the workspace.
    Minutes,
    /// Hours of hosts, whose sum is the workspace.
    Hosts,
    /// Hours of all jobs.
    Jobs,
    /// Hours of one job.
    OneJob(JobId),
    /// The executions of one job.
    Executions(JobId),
    /// Failures by hour and class.
    Failures,
}

/// A request that the kept sums serve.
#[derive(Debug)]
pub struct StatsRequest {
    pub source: Source,
    pub by: StatsBy,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub step_seconds: i64,
    pub limit: usize,
    pub job: Option<JobId>,
    pub host: Option<String>,
    pub tag: Option<String>,
}

impl StatsQuery {
    /// `job` is the one that the query names.
    pub fn check(self, job: Option<JobId>, now: DateTime<Utc>) -> ApiResult<StatsRequest> {
        let Self { from, to, step, by, job_id: _, host, tag, limit } = self;
        let (mut errors, by) = (FieldErrors::default(), by.unwrap_or_default());
        let limit = errors.take("?limit", page::limit(limit));
        let step = errors.take("?step", check_step(step.unwrap_or(DEFAULT_STEP_SECONDS)));
        let span =
            step.and_then(|step| errors.take("?from", span(from, to, step, now)).map(|span| (step, span)));
        let parts = both(limit, span).and_then(|(limit, (step_seconds, (from, to)))| {
            if by != StatsBy::None && limit * (to - from).num_seconds() / step_seconds > MAX_KEYED_BUCKETS {
                let detail = format!("times the number of buckets must be at most {MAX_KEYED_BUCKETS}");
                return errors.take("?limit", Err(Invalid::new("too_many", detail)));
            }
            let is_fine = step_seconds % HOUR_SECONDS != 0;
            let source = errors.take("?by", source(by, job, host.as_deref(), tag.as_deref()))?;
            let source = errors.take("?step", finest(source, is_fine, from, now))?;
            let limit = usize::try_from(limit).unwrap_or(0);
            Ok(StatsRequest { source, by, from, to, step_seconds, limit, job, host, tag })
        });
        Ok(errors.finish(parts)?)
    }
}

fn check_step(seconds: i64) -> Result<i64, Invalid> {
    let divides = (60..=DAY_SECONDS).contains(&seconds) && seconds % 60 == 0 && DAY_SECONDS % seconds == 0;
    let invalid = || {
        let detail = format!("must be whole minutes that divide a day, from 60 to {DAY_SECONDS} seconds");
        Invalid::new("out_of_range", detail).hint("Examples: 300, 3600, 86400.")
    };
    divides.then_some(seconds).ok_or_else(invalid)
}

type Span = (DateTime<Utc>, DateTime<Utc>);

/// Whole steps.
fn span(
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    step: i64,
    now: DateTime<Utc>,
) -> Result<Span, Invalid> {
    let to = to.unwrap_or(now);
    // Rounding adds a step.
    let longest = TimeDelta::seconds(step * (MAX_BUCKETS - 1));
    let from = from.unwrap_or(to - DEFAULT_SPAN.min(longest));
    if from >= to {
        return Err(Invalid::new("window_empty", "must be before `to`"));
    }
    let (from, last) = (bucket(from, step), bucket(to - TimeDelta::microseconds(1), step));
    if (last - from).num_seconds() / step >= MAX_BUCKETS {
        let detail = format!("must be at most {MAX_BUCKETS} steps before `to`");
        return Err(Invalid::new("window_too_long", detail));
    }
    Ok((from, last + TimeDelta::seconds(step)))
}

/// What is read if hours are fine enough.
fn source(by: StatsBy, job: Option<JobId>, host: Option<&str>, tag: Option<&str>) -> Result<Source, Invalid> {
    let refused = |detail: &str| Err(Invalid::new("not_counted", detail));
    match (by, job) {
        (StatsBy::ErrorClass, _) => Ok(Source::Failures),
        (StatsBy::None | StatsBy::Job, Some(_)) if host.is_some() || tag.is_some() => {
            refused("cannot be combined with `host` or `tag` for one job")
        }
        (StatsBy::None | StatsBy::Job, Some(job)) => Ok(Source::OneJob(job)),
        (StatsBy::Host | StatsBy::Tag, Some(_)) => refused("must be none, job or error_class for one job"),
        (StatsBy::Host, None) if tag.is_some() => refused("must be none, job, tag or error_class with `tag`"),
        (StatsBy::Host, None) => Ok(Source::Hosts),
        (StatsBy::None, None) if tag.is_none() && host.is_none() => Ok(Source::Minutes),
        (StatsBy::None, None) if tag.is_none() => Ok(Source::Hosts),
        (StatsBy::None | StatsBy::Job | StatsBy::Tag, None) => Ok(Source::Jobs),
    }
}

/// Minutes where they are kept, because they are fresher than hours.
fn finest(source: Source, is_fine: bool, from: DateTime<Utc>, now: DateTime<Utc>) -> Result<Source, Invalid> {
    let refused = |detail: &str| Err(Invalid::new("not_counted", detail));
    match source {
        Source::OneJob(job) if is_fine => Ok(Source::Executions(job)),
        Source::Minutes if from >= now - MINUTES_KEPT => Ok(source),
        Source::Minutes if is_fine => {
            refused("must be a multiple of 3600 if `from` is more than 30 hours ago")
        }
        Source::Minutes => Ok(Source::Hosts),
        _ if is_fine => {
            refused("must be a multiple of 3600, unless it is for the whole workspace or for one job")
        }
        _ => Ok(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trigrun_core::domain::id::JobId;

    #[test]
    fn the_finest_sums_are_read() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let job = JobId::at(now);
        let read = |by, job, host, tag, step, hours| {
            source(by, job, host, tag)
                .and_then(|source| finest(source, step % 3600 != 0, now - TimeDelta::hours(hours), now))
                .map_err(|invalid| invalid.code)
        };
        let refused = Err("not_counted");
        let (none, host) = (StatsBy::None, Some("example.com"));
        assert_eq!(read(none, None, None, None, 60, 24), Ok(Source::Minutes));
        assert_eq!(read(none, None, None, None, 3600, 24), Ok(Source::Minutes));
        assert_eq!(read(none, None, None, None, 3600, 48), Ok(Source::Hosts));
        assert_eq!(read(none, None, None, None, 60, 48), refused);
        assert_eq!(read(none, None, host, None, 3600, 1), Ok(Source::Hosts));
        assert_eq!(read(none, None, host, None, 60, 1), refused);
        assert_eq!(read(none, None, host, Some("a"), 3600, 1), Ok(Source::Jobs));
        assert_eq!(read(none, Some(job), None, None, 60, 48), Ok(Source::Executions(job)));
        assert_eq!(read(none, Some(job), None, None, 3600, 48), Ok(Source::OneJob(job)));
        assert_eq!(read(none, Some(job), host, None, 3600, 48), refused);
        assert_eq!(read(StatsBy::Host, None, None, None, 3600, 48), Ok(Source::Hosts));
        assert_eq!(read(StatsBy::Host, None, None, Some("a"), 3600, 48), refused);
        assert_eq!(read(StatsBy::Tag, None, host, None, 3600, 48), Ok(Source::Jobs));
        assert_eq!(read(StatsBy::Tag, Some(job), None, None, 3600, 48), refused);
        assert_eq!(read(StatsBy::ErrorClass, Some(job), None, None, 3600, 48), Ok(Source::Failures));
        assert_eq!(read(StatsBy::ErrorClass, None, None, None, 60, 1), refused);
    }
}
