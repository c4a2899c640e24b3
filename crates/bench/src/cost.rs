//! What a measurement costs: processor time of each process for each run, and the most memory that each has held.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::processes::{self, Roots, Spent};

/// The target is the same for everybody: it is shown, and not in the sum.
const SINK: &str = "sink";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Microseconds of a processor for each run, by process.
    pub us_per_run: BTreeMap<String, f64>,
    pub us_per_run_sum: f64,
    /// The most that each of ours has held, in MiB.
    pub memory_mib: BTreeMap<String, f64>,
    /// Processors that were kept busy by others than us: where it is high, the machine was not ours.
    pub foreign_processors: f64,
}

/// Runs from [`Meter::start`] to [`Meter::stop`].
pub struct Meter {
    /// The servers and the sink.
    around: Roots,
    measured: Roots,
    before: Spent,
    busy: f64,
    began: Instant,
}

/// What was counted, not yet divided by runs.
pub struct Reading {
    spent: BTreeMap<&'static str, f64>,
    memory_mib: BTreeMap<String, f64>,
    busy: f64,
    elapsed: Duration,
}

impl Meter {
    /// Those in `measured` are also asked for their memory. What all of them have spent so far is left out.
    pub fn start(around: Roots, measured: Roots) -> Self {
        let all: Roots = around.iter().chain(&measured).copied().collect();
        let before = Spent::of(&all);
        Self { around, measured, before, busy: processes::busy_seconds(), began: Instant::now() }
    }

    /// A process that was started after the meter: all that it spends is counted, its own start as well.
    pub fn add(&mut self, name: &'static str, pid: u32) {
        self.measured.push((name, pid));
    }

    /// Counts anew, the same processes.
    pub fn again(self) -> Self {
        Self::start(self.around, self.measured)
    }

    pub fn stop(self) -> Reading {
        let all: Roots = self.around.iter().chain(&self.measured).copied().collect();
        let memory =
            |(name, pid): &(&'static str, u32)| Some(((*name).to_owned(), processes::peak_mib(*pid)?));
        Reading {
            spent: Spent::of(&all).since(&self.before),
            memory_mib: self.measured.iter().filter_map(memory).collect(),
            busy: processes::busy_seconds() - self.busy,
            elapsed: self.began.elapsed(),
        }
    }
}

impl Reading {
    /// Of a process that has ended and says itself what it has spent.
    pub fn add(&mut self, name: &'static str, seconds: f64, memory_mib: f64) {
        self.spent.insert(name, seconds);
        self.memory_mib.insert(name.to_owned(), memory_mib);
    }

    pub fn of(self, runs: usize) -> Cost {
        let ours: f64 = self.spent.values().sum();
        let us = |seconds: &f64| seconds * 1e6 / runs.max(1) as f64;
        let us_per_run: BTreeMap<_, _> =
            self.spent.iter().map(|(name, seconds)| ((*name).to_owned(), us(seconds))).collect();
        Cost {
            us_per_run_sum: us_per_run.iter().filter(|(name, _)| *name != SINK).map(|(_, us)| us).sum(),
            us_per_run,
            memory_mib: self.memory_mib,
            foreign_processors: (self.busy - ours).max(0.0) / self.elapsed.as_secs_f64(),
        }
    }
}
