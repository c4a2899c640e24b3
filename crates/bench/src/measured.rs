//! The results of measurements.

use serde::Serialize;
use std::{collections::BTreeMap, fmt};

use crate::{arrivals::Arrivals, cost::Cost, series::Figures, written::Written};

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
    /// p99 of the last fifth of the runs.
    pub lateness_end_p99_ms: f64,
    /// From the first instant to the first request.
    pub first_ms: f64,
    #[serde(flatten)]
    pub cost: Cost,
    /// Only of the product.
    pub written: Option<Written>,
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
    pub jobs_per_request: usize,
    /// With a request always in flight on each connection.
    pub jobs_per_second: f64,
    /// Of these requests.
    pub p99_ms: f64,
    /// At half that rate, from the instant when each request was due: waiting for a connection counts.
    pub half_rate_p50_ms: f64,
    pub half_rate_p99_ms: f64,
    /// Of the first part, per job.
    #[serde(flatten)]
    pub cost: Cost,
}

impl Created {
    pub fn figures(&self) -> Figures {
        let mut figures = vec![
            ("jobs/s".to_owned(), self.jobs_per_second),
            ("p99 of a request, ms".to_owned(), self.p99_ms),
            ("p50 at half that rate, ms".to_owned(), self.half_rate_p50_ms),
            ("p99 at half that rate, ms".to_owned(), self.half_rate_p99_ms),
        ];
        figures.extend(self.cost.figures("µs per job"));
        figures
    }
}

/// The product while nothing is due.
#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    /// Percent of a processor, by process.
    pub percent: BTreeMap<String, f64>,
    pub percent_sum: f64,
    pub statements_per_second: f64,
    pub memory_mib: BTreeMap<String, f64>,
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
            lateness_end_p99_ms: arrivals.last_fifth().lateness_ms().quantile(0.99).unwrap_or(f64::NAN),
            first_ms: (arrivals.first_us() - first_us) as f64 / 1e3,
            cost,
            written: None,
            repeated: arrivals.repeated(),
            early: arrivals.early(),
            earliest_us: arrivals.earliest_us(),
            lateness_curve_ms: (0..=1000).map(|thousandth| at(f64::from(thousandth) / 1000.0)).collect(),
            per_tenth: arrivals.per_tenth(),
        }
    }

    pub fn figures(&self) -> Figures {
        let Self { written, cost, .. } = self;
        let mut figures = vec![
            ("runs/s".to_owned(), self.runs_per_second),
            ("lateness p50, ms".to_owned(), self.lateness_p50_ms),
            ("lateness p99, ms".to_owned(), self.lateness_p99_ms),
            ("lateness p99 at the end, ms".to_owned(), self.lateness_end_p99_ms),
        ];
        figures.extend(cost.figures("µs per run"));
        if let Some(Written { wal_bytes, commits, heap_bytes, index_bytes }) = written {
            figures.push(("WAL, bytes per run".to_owned(), *wal_bytes));
            figures.push(("commits per run".to_owned(), *commits));
            figures.push(("rows, bytes per execution".to_owned(), *heap_bytes));
            figures.push(("indexes, bytes per execution".to_owned(), *index_bytes));
        }
        figures
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
        if let Some(Written { wal_bytes, commits, heap_bytes, index_bytes }) = &self.written {
            write!(f, " {wal_bytes:.0} bytes of WAL and {commits:.3} commits per run,")?;
            write!(f, " {heap_bytes:.0} + {index_bytes:.0} bytes per execution,")?;
        }
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

impl Idle {
    pub fn figures(&self) -> Figures {
        let parts = self.percent.iter().filter(|(name, _)| *name != "sink");
        let parts = parts.map(|(name, percent)| (format!("– {name}"), *percent));
        let mut figures: Figures =
            std::iter::once(("% of a processor".to_owned(), self.percent_sum)).chain(parts).collect();
        figures.push(("statements/s".to_owned(), self.statements_per_second));
        figures
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} % of a processor (", self.percent_sum)?;
        for (name, percent) in &self.percent {
            write!(f, " {name} {percent:.2}")?;
        }
        write!(f, " ), {:.1} statements/s,", self.statements_per_second)?;
        for (name, mib) in &self.memory_mib {
            write!(f, " {name} {mib:.0} MiB")?;
        }
        Ok(())
    }
}

/// What one measurement found.
pub enum Outcome {
    Load {
        measured: Measured,
        pages: Vec<Page>,
    },
    /// From the creation of `one_time` jobs.
    EndToEnd(Measured),
    Created(Created),
    Idle(Idle),
    /// The build has no such operation.
    NotAvailable,
    /// A limit of the machine.
    PerSecond(f64),
}

impl Outcome {
    /// Its numbers, for a comparison; none of the limits of the machine.
    pub fn figures(&self) -> Figures {
        match self {
            Self::Load { measured, .. } | Self::EndToEnd(measured) => measured.figures(),
            Self::Created(created) => created.figures(),
            Self::Idle(idle) => idle.figures(),
            Self::NotAvailable | Self::PerSecond(_) => Figures::new(),
        }
    }

    /// Requests before their instant, or more than one for a run.
    pub fn violation(&self) -> Option<String> {
        match self {
            Self::Load { measured, .. } | Self::EndToEnd(measured) => measured.violation(),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { measured, .. } | Self::EndToEnd(measured) => measured.fmt(f),
            Self::Created(created) => write!(f, "{:.0} jobs/s", created.jobs_per_second),
            Self::Idle(idle) => idle.fmt(f),
            Self::NotAvailable => f.write_str("not available"),
            Self::PerSecond(rate) => write!(f, "{rate:.0}/s"),
        }
    }
}
