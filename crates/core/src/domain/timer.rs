//! The timers of active jobs, to compute many fires of many jobs at once.

use chrono::{DateTime, Utc};
use std::collections::HashMap;

use super::{
    id::JobId,
    schedule::{Cron, Schedule},
};

/// The timer of an active job that has a next fire.
#[derive(Clone, Debug)]
pub struct Timer {
    pub job: JobId,
    pub version: i32,
    pub next_run_at: DateTime<Utc>,
    /// See [`Schedule::next_after`].
    pub anchor: DateTime<Utc>,
    pub schedule: StoredSchedule,
    /// The host of the URL, in lower case, without a port.
    pub host: String,
}

/// A schedule as it is stored. To parse an expression takes longer than to compute its fires, and many jobs have the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredSchedule {
    Every { seconds: u32 },
    Cron { expression: String, timezone: String },
    Once { run_at: DateTime<Utc> },
}

impl StoredSchedule {
    pub fn read(&self) -> Schedule {
        match self {
            Self::Every { seconds } => Schedule::Recurring { every_seconds: *seconds },
            Self::Cron { expression, timezone } => Schedule::Cron(Cron::from_stored(expression, timezone)),
            Self::Once { run_at } => Schedule::Scheduled { run_at: *run_at },
        }
    }
}

/// Parsed expressions, each parsed once, as far as they fit.
#[derive(Default)]
pub struct ParsedSchedules(HashMap<StoredSchedule, Schedule>);

/// Some ten megabytes. Further expressions are parsed each time.
const MAX_PARSED: usize = 5000;

impl ParsedSchedules {
    pub fn get(&mut self, stored: &StoredSchedule) -> Schedule {
        if let Some(parsed) = self.0.get(stored) {
            return parsed.clone();
        }
        let parsed = stored.read();
        if self.0.len() < MAX_PARSED && matches!(parsed, Schedule::Cron(_)) {
            self.0.insert(stored.clone(), parsed.clone());
        }
        parsed
    }
}
