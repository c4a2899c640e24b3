//! Every combination of the filters of a list of executions: for the tests of its bound, and for the benchmark of it.

use chrono::{DateTime, Utc};
use trigrun_core::{
    domain::{
        execution::{Execution, Source, Status},
        id::JobId,
    },
    store::executions::Filter,
};

/// From (inclusive) and to (exclusive).
pub type Span = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// The values that are combined, each also with none.
#[derive(Clone, Debug)]
pub struct Choices {
    pub jobs: Vec<JobId>,
    /// Parts of names of jobs.
    pub names: Vec<&'static str>,
    pub spans: Vec<Span>,
}

impl Choices {
    /// All combinations of status, source, job, name of the job and span of time.
    pub fn filters(&self) -> Vec<Filter> {
        let mut filters = vec![Filter::default()];
        extend(&mut filters, Status::ALL, |filter, status| filter.statuses = vec![*status]);
        extend(&mut filters, Source::ALL, |filter, source| filter.source = Some(*source));
        extend(&mut filters, &self.jobs, |filter, job| filter.job = Some(*job));
        extend(&mut filters, &self.names, |filter, name| filter.job_name = Some((*name).to_owned()));
        extend(&mut filters, &self.spans, |filter, (from, to)| (filter.from, filter.to) = (*from, *to));
        filters
    }
}

fn extend<T>(filters: &mut Vec<Filter>, values: &[T], set: impl Fn(&mut Filter, &T)) {
    for at in 0..filters.len() {
        for value in values {
            let mut filter = filters[at].clone();
            set(&mut filter, value);
            filters.push(filter);
        }
    }
}

/// Does the execution match, by the meaning of the filters? Its job has the name; an execution does not show tags and host.
pub fn matches(filter: &Filter, execution: &Execution) -> bool {
    (filter.statuses.is_empty() || filter.statuses.contains(&execution.status))
        && filter.status_code.is_none_or(|item| {
            let (first, last) = item.bounds();
            execution.status_code.is_some_and(|code| (first..=last).contains(&code))
        })
        && filter.min_attempts.is_none_or(|min| min <= execution.attempt_count)
        && filter.error_class.as_ref().is_none_or(|class| Some(class) == execution.error_class.as_ref())
        && filter.source.is_none_or(|source| source == execution.source)
        && filter.job.is_none_or(|job| job == execution.job)
        && (filter.jobs.is_empty() || filter.jobs.contains(&execution.job))
        && filter
            .job_name
            .as_ref()
            .is_none_or(|part| execution.job_name.to_lowercase().contains(&part.to_lowercase()))
        && filter.from.is_none_or(|from| from <= execution.scheduled_for)
        && filter.to.is_none_or(|to| execution.scheduled_for < to)
}
