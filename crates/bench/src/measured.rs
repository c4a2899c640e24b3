//! What one repetition of a load has come to: the product's, the prototype's and the peers' alike, as the sink has seen it.

use serde::Serialize;
use std::fmt;

use crate::{
    arrivals::{Arrivals, quantile},
    cost::Cost,
};

#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub runs: usize,
    /// Requests at the sink, over the middle 80 % of them.
    pub runs_per_second: f64,
    /// From the first request (backlog) or the instant until the last was recorded; of peers it is not known.
    pub recorded_per_second: Option<f64>,
    pub late_p50_ms: f64,
    pub late_p99_ms: f64,
    pub late_p999_ms: f64,
    pub late_max_ms: f64,
    /// The first request, after the first instant.
    pub first_ms: f64,
    #[serde(flatten)]
    pub cost: Cost,
    pub repeated: usize,
    pub early: usize,
    /// By how much at the most.
    pub earliest_us: i64,
    /// Lateness at each thousandth, for the plot.
    pub late_curve_ms: Vec<f64>,
    /// Runs in each tenth of a second.
    pub per_tenth: Vec<usize>,
}

impl Measured {
    pub fn new(arrivals: &Arrivals, first_us: i64, cost: Cost) -> Self {
        let late = arrivals.late_ms();
        Self {
            runs: arrivals.0.len(),
            runs_per_second: arrivals.per_second(),
            recorded_per_second: None,
            late_p50_ms: quantile(&late, 0.5),
            late_p99_ms: quantile(&late, 0.99),
            late_p999_ms: quantile(&late, 0.999),
            late_max_ms: quantile(&late, 1.0),
            first_ms: (arrivals.first_us() - first_us) as f64 / 1e3,
            cost,
            repeated: arrivals.repeated(),
            early: arrivals.early(),
            earliest_us: arrivals.earliest_us(),
            late_curve_ms: (0..=1000).map(|part| quantile(&late, f64::from(part) / 1000.0)).collect(),
            per_tenth: arrivals.per_tenth(),
        }
    }

    /// What must not be: requests before their instant, or more than one of a run.
    pub fn defect(&self) -> Option<String> {
        let Self { early, earliest_us, repeated, .. } = self;
        (early + repeated > 0)
            .then(|| format!("{early} early, by up to {earliest_us} µs; {repeated} repeated: a defect"))
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} runs/s", self.runs_per_second)?;
        if let Some(recorded) = self.recorded_per_second {
            write!(f, " ({recorded:.0} recorded/s)")?;
        }
        write!(
            f,
            ", late {:.2} / {:.2} / {:.2} ms (p50 / p99 / p99.9), first {:.1} ms, {:.1} µs/run (",
            self.late_p50_ms, self.late_p99_ms, self.late_p999_ms, self.first_ms, self.cost.us_per_run_sum
        )?;
        for (name, us) in &self.cost.us_per_run {
            write!(f, " {name} {us:.1}")?;
        }
        write!(f, " ),")?;
        for (name, mib) in &self.cost.memory_mib {
            write!(f, " {name} {mib:.0} MiB,")?;
        }
        let Self { repeated, early, .. } = self;
        write!(f, " repeated {repeated}, early {early}, foreign {:.2}", self.cost.foreign_processors)
    }
}
