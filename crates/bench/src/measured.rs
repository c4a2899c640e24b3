//! The results of measurements.

use serde::Serialize;
use std::fmt;

use crate::{arrivals::Arrivals, cost::Cost};

/// One repetition of a load, as the sink saw it: of the product, the prototype or a peer.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub runs: usize,
    /// Requests at the sink, over the middle 80 % of them.
    pub runs_per_second: f64,
    /// From the first request (backlog) or the first instant to the last record; unknown for peers.
    pub recorded_per_second: Option<f64>,
    pub lateness_p50_ms: f64,
    pub lateness_p99_ms: f64,
    pub lateness_p999_ms: f64,
    pub lateness_max_ms: f64,
    /// From the first instant to the first request.
    pub first_ms: f64,
    #[serde(flatten)]
    pub cost: Cost,
    pub repeated: usize,
    pub early: usize,
    /// How early the earliest request was.
    pub earliest_us: i64,
    /// Lateness at each thousandth, for the plot.
    pub lateness_curve_ms: Vec<f64>,
    /// Runs in each tenth of a second.
    pub per_tenth: Vec<usize>,
}

/// The creation of jobs through the API.
#[derive(Clone, Debug, Serialize)]
pub struct Created {
    /// With a request always in flight on each connection.
    pub requests_per_second: f64,
    /// At half that rate, from the instant when each request was due: waiting for a connection counts.
    pub half_rate_p50_ms: f64,
    pub half_rate_p99_ms: f64,
    /// Of the first part, per job.
    #[serde(flatten)]
    pub cost: Cost,
}

/// The pages of one list.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    pub list: String,
    /// Of the last page.
    pub rows: usize,
    /// Whether the last page had a next one.
    #[serde(skip)]
    pub has_next: bool,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Measured {
    pub fn new(arrivals: &Arrivals, first_us: i64, cost: Cost) -> Self {
        let lateness = arrivals.lateness_ms();
        let at = |fraction: f64| lateness.quantile(fraction).unwrap_or(f64::NAN);
        Self {
            runs: arrivals.0.len(),
            runs_per_second: arrivals.per_second(),
            recorded_per_second: None,
            lateness_p50_ms: at(0.5),
            lateness_p99_ms: at(0.99),
            lateness_p999_ms: at(0.999),
            lateness_max_ms: at(1.0),
            first_ms: (arrivals.first_us() - first_us) as f64 / 1e3,
            cost,
            repeated: arrivals.repeated(),
            early: arrivals.early(),
            earliest_us: arrivals.earliest_us(),
            lateness_curve_ms: (0..=1000).map(|thousandth| at(f64::from(thousandth) / 1000.0)).collect(),
            per_tenth: arrivals.per_tenth(),
        }
    }

    /// Requests before their instant, or more than one for a run.
    pub fn violation(&self) -> Option<String> {
        let Self { early, earliest_us, repeated, .. } = self;
        (early + repeated > 0)
            .then(|| format!("{early} requests early, by up to {earliest_us} µs; {repeated} repeated"))
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
            ", lateness {:.2} / {:.2} / {:.2} ms (p50 / p99 / p99.9), first {:.1} ms, {:.1} µs per run (",
            self.lateness_p50_ms,
            self.lateness_p99_ms,
            self.lateness_p999_ms,
            self.first_ms,
            self.cost.us_per_run_sum
        )?;
        for (name, us) in &self.cost.us_per_run {
            write!(f, " {name} {us:.1}")?;
        }
        write!(f, " ),")?;
        for (name, mib) in &self.cost.memory_mib {
            write!(f, " {name} {mib:.0} MiB,")?;
        }
        let Self { repeated, early, .. } = self;
        write!(
            f,
            " {repeated} repeated, {early} early, {:.2} processors used by others",
            self.cost.foreign_processors
        )
    }
}
