//! The cost of a measurement: processor time of each process per run, and its peak memory.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    processes::{self, CpuTime, Roots},
    series::Figures,
};

/// The target is the same for all that is measured: it is shown, but not in the sum.
const SINK: &str = "sink";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Processor time per run, by process.
    pub us_per_run: BTreeMap<String, f64>,
    pub us_per_run_sum: f64,
    /// Peak memory of each measured process.
    pub memory_mib: BTreeMap<String, f64>,
    /// Processors used by other programs. If it is high, the measurement is not reliable.
    pub foreign_processors: f64,
}

impl Cost {
    /// The sum, named `unit`, then the processes that are part of it.
    pub fn figures(&self, unit: &str) -> Figures {
        let parts = self.us_per_run.iter().filter(|(name, _)| *name != SINK);
        let parts = parts.map(|(name, us)| (format!("– {name}"), *us));
        std::iter::once((unit.to_owned(), self.us_per_run_sum)).chain(parts).collect()
    }
}

/// Runs from [`Meter::start`] to [`Meter::stop`].
pub struct Meter {
    /// The servers and the sink.
    shared: Roots,
    measured: Roots,
    before: CpuTime,
    busy: f64,
    began: Instant,
}

/// The totals, not yet divided by the number of runs.
pub struct Reading {
    seconds: BTreeMap<&'static str, f64>,
    memory_mib: BTreeMap<String, f64>,
    busy: f64,
    elapsed: Duration,
}

impl Meter {
    /// Counts the processor time of all from now on, and the memory of those in `measured`.
    pub fn start(shared: Roots, measured: Roots) -> Self {
        let all: Roots = shared.iter().chain(&measured).copied().collect();
        let before = CpuTime::of(&all);
        Self { shared, measured, before, busy: processes::busy_seconds(), began: Instant::now() }
    }

    /// Adds a process that was started after the meter, with all the time it has used since its start.
    pub fn add(&mut self, name: &'static str, pid: u32) {
        self.measured.push((name, pid));
    }

    /// Starts again with the same processes.
    pub fn restart(self) -> Self {
        Self::start(self.shared, self.measured)
    }

    pub fn stop(self) -> Reading {
        let all: Roots = self.shared.iter().chain(&self.measured).copied().collect();
        let memory =
            |(name, pid): &(&'static str, u32)| Some(((*name).to_owned(), processes::peak_mib(*pid)?));
        Reading {
            seconds: CpuTime::of(&all).since(&self.before),
            memory_mib: self.measured.iter().filter_map(memory).collect(),
            busy: processes::busy_seconds() - self.busy,
            elapsed: self.began.elapsed(),
        }
    }
}

impl Reading {
    /// Adds a process that has ended and reports its own usage.
    pub fn add(&mut self, name: &'static str, seconds: f64, memory_mib: f64) {
        self.seconds.insert(name, seconds);
        self.memory_mib.insert(name.to_owned(), memory_mib);
    }

    pub fn per_run(self, runs: usize) -> Cost {
        let measured: f64 = self.seconds.values().sum();
        let us = |seconds: &f64| seconds * 1e6 / runs.max(1) as f64;
        let us_per_run: BTreeMap<_, _> =
            self.seconds.iter().map(|(name, seconds)| ((*name).to_owned(), us(seconds))).collect();
        Cost {
            us_per_run_sum: us_per_run.iter().filter(|(name, _)| *name != SINK).map(|(_, us)| us).sum(),
            us_per_run,
            memory_mib: self.memory_mib,
            foreign_processors: (self.busy - measured).max(0.0) / self.elapsed.as_secs_f64(),
        }
    }
}
