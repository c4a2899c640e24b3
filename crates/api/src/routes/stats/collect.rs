//! Reads the sums of a request and groups them.

use chrono::{DateTime, Utc};
use std::collections::HashMap;
use trigrun_core::{
    domain::{
        id::{JobId, WorkspaceId},
        invalid::Invalid,
        statistics::{Group, Groups, StatsBy, Sums},
    },
    store::{
        Conn, StoreError,
        statistics::{self, Counting, JobLabel},
    },
};

use super::source::{Source, StatsRequest};
use crate::{problem::Problem, result::ApiResult, state::State};

/// Rows of hours or executions that one request may read.
const MAX_ROWS: i64 = 100_000;
/// Jobs of which names and tags are read.
const MAX_JOBS: i64 = 20_000;

pub struct Collected {
    pub fresh_until: DateTime<Utc>,
    /// Keys with their sums, and the names of jobs.
    pub groups: Vec<(String, Group)>,
    pub names: HashMap<String, String>,
    /// How many keys there are.
    pub keys: usize,
}

pub async fn collect(state: &State, workspace: WorkspaceId, request: &StatsRequest) -> ApiResult<Collected> {
    let mut conn = state.connections.for_list().await?;
    let fresh_until = match request.source {
        Source::Minutes | Source::Failures => statistics::fresh_until(&mut conn, Counting::Minutes).await?,
        Source::Hosts | Source::Jobs | Source::OneJob(_) => {
            statistics::fresh_until(&mut conn, Counting::Hours).await?
        }
        // Its executions themselves.
        Source::Executions(_) => state.clock.now(),
    };
    let mut groups = Groups::new(request.step_seconds);
    let labels = labels(&mut conn, workspace, request).await?;
    let read = read(&mut conn, workspace, request, labels.as_ref(), &mut groups).await?;
    if read > MAX_ROWS {
        let detail = format!(
            "has more than {MAX_ROWS} executions or hours of jobs until `to`; request a shorter time"
        );
        return Err(Problem::of_field("?from", Invalid::new("window_too_long", detail)));
    }
    let (groups, keys) = groups.most_failed(request.limit);
    let names = labels.filter(|_| request.by == StatsBy::Job).map_or_else(HashMap::new, |labels| {
        labels.into_iter().map(|(job, label)| (job.to_string(), label.name)).collect()
    });
    Ok(Collected { fresh_until, groups, names, keys })
}

type Labels = HashMap<JobId, JobLabel>;

/// The jobs that a request selects or names; `None` if it needs none.
async fn labels(
    conn: &mut Conn,
    workspace: WorkspaceId,
    request: &StatsRequest,
) -> ApiResult<Option<Labels>> {
    let StatsRequest { source, by, host, tag, job, .. } = request;
    let is_needed = match source {
        Source::Jobs => true,
        Source::OneJob(_) | Source::Executions(_) => *by == StatsBy::Job,
        Source::Failures => host.is_some() || tag.is_some() || job.is_some(),
        Source::Minutes | Source::Hosts => false,
    };
    if !is_needed {
        return Ok(None);
    }
    let labels = statistics::labels(conn, workspace, (host.as_deref(), tag.as_deref()), MAX_JOBS + 1).await?;
    if i64::try_from(labels.len()).unwrap_or(i64::MAX) > MAX_JOBS {
        let detail = format!(
            "cannot be used in a workspace with more than {MAX_JOBS} jobs, unless it is none or host"
        );
        return Err(Problem::of_field("?by", Invalid::new("not_counted", detail)));
    }
    let labels = labels.into_iter().map(|label| (label.job(), label));
    Ok(Some(labels.filter(|(id, _)| job.is_none_or(|job| job == *id)).collect()))
}

/// Adds what is kept to `groups`; returns how many rows there are, at most one above [`MAX_ROWS`].
async fn read(
    conn: &mut Conn,
    workspace: WorkspaceId,
    request: &StatsRequest,
    labels: Option<&Labels>,
    groups: &mut Groups,
) -> Result<i64, StoreError> {
    let StatsRequest { by, host, from, to, .. } = request;
    let span = (*from, *to);
    match request.source {
        Source::Minutes => {
            let minutes = statistics::minutes(conn, workspace, span).await?;
            minutes.iter().for_each(|(at, sums)| groups.add("", *at, sums));
            Ok(0)
        }
        Source::Hosts => {
            let key = |host: &str| if *by == StatsBy::Host { host.to_owned() } else { String::new() };
            let add = |(host, at, sums): statistics::HostSums| {
                if *by == StatsBy::None || !host.is_empty() {
                    groups.add(&key(&host), at, &sums);
                }
            };
            statistics::hosts(conn, workspace, span, host.as_deref(), MAX_ROWS + 1, add).await
        }
        Source::Jobs => {
            let add = |(job, at, sums): statistics::JobSums| add_job(groups, *by, labels, job, at, &sums);
            statistics::hours(conn, workspace, span, None, MAX_ROWS + 1, add).await
        }
        Source::OneJob(job) => {
            let add = |(job, at, sums): statistics::JobSums| add_job(groups, *by, labels, job, at, &sums);
            statistics::hours(conn, workspace, span, Some(job), MAX_ROWS + 1, add).await
        }
        Source::Executions(job) => {
            let executions = statistics::of_job(conn, workspace, job, span, MAX_ROWS + 1).await?;
            for recorded in &executions {
                let mut sums = Sums::default();
                sums.add(recorded);
                add_job(groups, *by, labels, job, recorded.scheduled_for, &sums);
            }
            Ok(i64::try_from(executions.len()).unwrap_or(i64::MAX))
        }
        Source::Failures => {
            let jobs: Option<Vec<JobId>> = labels.map(|labels| labels.keys().copied().collect());
            for row in statistics::failures_by_class(conn, workspace, span, jobs.as_deref()).await? {
                groups.add(&row.error_class, row.at, &Sums { failed: row.failed, ..Sums::default() });
            }
            Ok(0)
        }
    }
}

/// A job that the request does not select, or that has been deleted, counts only for the whole.
fn add_job(
    groups: &mut Groups,
    by: StatsBy,
    labels: Option<&Labels>,
    job: JobId,
    at: DateTime<Utc>,
    sums: &Sums,
) {
    let Some(labels) = labels else { return groups.add("", at, sums) };
    let Some(label) = labels.get(&job) else { return };
    match by {
        StatsBy::Job => groups.add(&job.to_string(), at, sums),
        StatsBy::Tag => label.tags.iter().for_each(|tag| groups.add(tag, at, sums)),
        StatsBy::None | StatsBy::Host | StatsBy::ErrorClass => groups.add("", at, sums),
    }
}
