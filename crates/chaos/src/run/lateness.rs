//! How late requests arrived at the recording target.

use std::{collections::HashSet, time::Duration};
use trigrun_testkit::stats::Samples;

use super::Outcome;
use crate::load::Kind;

/// From the scheduled instant to the arrival of the request, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lateness {
    pub count: usize,
    pub median: f64,
    pub p99: f64,
    pub worst: f64,
}

impl Outcome {
    /// Of the load's first attempts that were due in `from..to` of the run's time. Leaves out jobs whose executions wait for each other
    /// or are paused.
    pub fn lateness(&self, from: Duration, to: Duration) -> Lateness {
        let is_measured = |kind: Kind| kind.limit().is_none() && kind != Kind::Toggled;
        let jobs = self.load.jobs.iter().filter(|job| is_measured(job.kind));
        let jobs: HashSet<_> = jobs.map(|job| job.id).collect();
        let (from, to) = (self.clock.wall(from), self.clock.wall(to));
        let first = self.hits.iter().filter(|hit| hit.number == 1 && jobs.contains(&hit.job));
        let due = first.filter(|hit| from <= hit.scheduled_for && hit.scheduled_for < to);
        let late = due.map(|hit| self.clock.wall(hit.arrived) - hit.scheduled_for);
        let late: Samples =
            late.filter_map(|late| late.num_microseconds()).map(|us| us as f64 / 1000.0).collect();
        Lateness {
            count: late.len(),
            median: late.median().unwrap_or_default(),
            p99: late.quantile(0.99).unwrap_or_default(),
            worst: late.max().unwrap_or_default(),
        }
    }
}
