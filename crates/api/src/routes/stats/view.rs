//! Statistics in responses.

use serde::Serialize;
use trigrun_core::domain::statistics::{Counts, Group, Histogram, StatsBy, Sums};
use utoipa::ToSchema;

use super::{collect::Collected, source::StatsRequest};
use crate::{
    enums,
    time::{instant, micros},
};

/// Statistics of executions that have ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub struct StatsView {
    #[schema(format = DateTime)]
    from: String,
    #[schema(format = DateTime)]
    to: String,
    #[schema(example = 3600)]
    step_seconds: i64,
    #[schema(value_type = enums::StatsBy)]
    by: &'static str,
    /// What was recorded before this instant is counted.
    #[schema(format = DateTime)]
    fresh_until: String,
    /// How many keys there are. `data` has at most `limit` of them.
    keys: usize,
    /// Those with most failures first, then those with most executions.
    data: Vec<GroupView>,
}

/// The executions of one key.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsGroup)]
pub struct GroupView {
    /// The job's id, the host, the tag or the class of errors; null if nothing is shown apart.
    #[schema(example = "example.com")]
    key: Option<String>,
    /// The name of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    totals: TotalsView,
    /// From scheduled_for to the first byte of the first attempt.
    lateness_ms: DistributionView,
    /// From the start of the first attempt to the end.
    duration_ms: DistributionView,
    /// Without those in which no execution was due.
    buckets: Vec<BucketView>,
}

/// Counts of executions.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsTotals)]
pub struct TotalsView {
    /// Fires and requested runs that have ended.
    #[schema(example = 60)]
    due: i64,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    /// Missed fires that were skipped together count one by one.
    skipped: i64,
    /// Executions with more than one attempt.
    retried: i64,
    attempts: i64,
}

/// A distribution of durations in milliseconds. A quantile is off by 6 % at most; all are null without values.
#[derive(Serialize, ToSchema)]
#[schema(as = Distribution)]
pub struct DistributionView {
    #[schema(example = 41.5)]
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
    /// The counts of ranges, ascending. Each begins where half of its end is.
    histogram: Vec<RangeView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DistributionRange)]
pub struct RangeView {
    /// Shorter than this.
    #[schema(example = 65.536)]
    below_ms: f64,
    #[schema(example = 12)]
    count: u64,
}

/// Counts of the executions that were due in a bucket.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsBucket)]
pub struct BucketView {
    #[schema(format = DateTime)]
    at: String,
    succeeded: i64,
    failed: i64,
    skipped: i64,
    retried: i64,
}

impl StatsView {
    pub fn new(request: &StatsRequest, collected: Collected) -> Self {
        let Collected { fresh_until, groups, mut names, keys } = collected;
        let group =
            |(key, group): (String, Group)| GroupView::new(request.by, names.remove(&key), key, group);
        Self {
            data: groups.into_iter().map(group).collect(),
            from: instant(request.from),
            to: instant(request.to),
            step_seconds: request.step_seconds,
            by: request.by.as_str(),
            fresh_until: instant(fresh_until),
            keys,
        }
    }
}

impl GroupView {
    fn new(by: StatsBy, name: Option<String>, key: String, group: Group) -> Self {
        let Group { sums, buckets } = group;
        Self {
            key: (by != StatsBy::None).then_some(key),
            name,
            totals: TotalsView::from(&sums),
            lateness_ms: DistributionView::from(&sums.lateness),
            duration_ms: DistributionView::from(&sums.duration),
            buckets: buckets.into_iter().map(|(at, counts)| BucketView::new(instant(at), counts)).collect(),
        }
    }
}

impl From<&Sums> for TotalsView {
    fn from(sums: &Sums) -> Self {
        let &Sums { succeeded, failed, cancelled, skipped, retried, attempts, .. } = sums;
        Self { due: sums.due(), succeeded, failed, cancelled, skipped, retried, attempts }
    }
}

pub fn millis(us: u64) -> f64 {
    micros(i64::try_from(us).unwrap_or(i64::MAX))
}

impl From<&Histogram> for DistributionView {
    fn from(histogram: &Histogram) -> Self {
        let quantile = |part| histogram.quantile_us(part).map(millis);
        let range = |(below, count)| RangeView { below_ms: millis(below), count };
        Self {
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: histogram.max_us().map(millis),
            histogram: histogram.doublings().into_iter().map(range).collect(),
        }
    }
}

impl BucketView {
    fn new(at: String, counts: Counts) -> Self {
        let Counts { succeeded, failed, skipped, retried } = counts;
        Self { at, succeeded, failed, skipped, retried }
    }
}
