//! The reconciliation report: compares every fire that was due with every recorded execution, to prove that none was lost.
//!
//! The fires are computed again from the versions of the job, that is from what its owner configured and when. The planner's own state
//! is not used. Pure: takes rows and returns the report.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

mod explain;

pub use explain::{Explanation, History, Verdict, explain};

use super::{
    execution::Status,
    id::ExecutionId,
    job::JobState,
    schedule::{Schedule, ScheduleError},
};

/// The part of a job's version that decides its fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub number: i32,
    pub created_at: DateTime<Utc>,
    pub state: JobState,
    pub schedule: Schedule,
}

/// The versions of a job, as far as they are read.
#[derive(Clone, Debug)]
pub struct Versions {
    /// When the job was created: the anchor of its schedules.
    pub created_at: DateTime<Utc>,
    /// Oldest first; at most [`MAX_VERSIONS`], the newest.
    pub newest: Vec<Version>,
    /// The job had older ones, which are not read or no longer kept.
    pub has_older: bool,
}

impl Versions {
    /// Those that were in effect from `from` on, and perhaps earlier ones. [`LedgerError::TooManyVersions`] if some of them are not read.
    pub fn since(&self, from: DateTime<Utc>) -> Result<&[Version], LedgerError> {
        let is_read = self.newest.first().is_some_and(|oldest| oldest.created_at < from - EDGE_TOLERANCE);
        match self.has_older && !is_read {
            true => Err(LedgerError::TooManyVersions),
            false => Ok(&self.newest),
        }
    }
}

/// An execution of source `schedule`.
#[derive(Clone, Debug)]
pub struct Record {
    pub execution: ExecutionId,
    pub status: Status,
    pub scheduled_for: DateTime<Utc>,
    /// Why it was not run, and the last fire that the record covers.
    pub skipped: Option<(String, DateTime<Utc>)>,
}

/// From (inclusive) and to (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerWindow {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Fires that were due.
    pub due: usize,
    /// How many of these have their own execution that ran or will run.
    pub executed: usize,
    /// How many were deliberately not run, by reason.
    pub skipped: BTreeMap<String, usize>,
    /// How many came due within the last minute and are not recorded yet: late, not lost.
    pub pending: usize,
    pub mismatches: Vec<Mismatch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// A fire without an execution.
    Gap(DateTime<Utc>),
    /// An execution without a fire, or a second execution of the same fire.
    Duplicate(ExecutionId, DateTime<Utc>),
}

impl Ledger {
    pub fn gaps(&self) -> usize {
        self.mismatches.iter().filter(|mismatch| matches!(mismatch, Mismatch::Gap(_))).count()
    }

    pub fn duplicates(&self) -> usize {
        self.mismatches.len() - self.gaps()
    }
}

/// For this long, an unrecorded fire counts as late, not as lost.
const PENDING_TIMEOUT: TimeDelta = TimeDelta::seconds(60);
/// A fire this close to a change of the schedule may belong to either side, because the change and the fire were decided by two readings
/// of the same clock.
const EDGE_TOLERANCE: TimeDelta = TimeDelta::seconds(1);

/// How many fires one report may contain. A job that fires every minute has fewer in a month.
pub const MAX_FIRES: usize = 50_000;
/// How many versions of a job are read, the newest.
pub const MAX_VERSIONS: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("The window contains more than {MAX_FIRES} fires.")]
    TooMany,
    #[error("The job has more than {MAX_VERSIONS} later versions, of which TrigRun reads the newest.")]
    TooManyVersions,
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// The report for `window`. `anchor` is the job's creation; `versions` and `records` are sorted by time.
pub fn balance(
    versions: &[Version],
    anchor: DateTime<Utc>,
    records: &[Record],
    window: LedgerWindow,
    now: DateTime<Utc>,
) -> Result<Ledger, LedgerError> {
    if records.len() > MAX_FIRES {
        return Err(LedgerError::TooMany);
    }
    let due = due(versions, anchor, LedgerWindow { to: window.to.min(now), ..window })?;
    let mut ledger = Ledger::default();
    let mut unmatched: BTreeMap<DateTime<Utc>, Vec<&Record>> = BTreeMap::new();
    for record in records {
        unmatched.entry(record.scheduled_for).or_default().push(record);
    }
    let skips: BTreeMap<DateTime<Utc>, (DateTime<Utc>, &str)> = records
        .iter()
        .filter_map(|record| {
            record.skipped.as_ref().map(|(why, last)| (record.scheduled_for, (*last, why.as_str())))
        })
        .collect();
    for fire in due {
        let own = unmatched.get_mut(&fire.at).and_then(Vec::pop);
        // Skips do not overlap, so only the latest one that begins by then can cover the fire.
        let covered = skips.range(..=fire.at).next_back().filter(|(_, (last, _))| *last >= fire.at);
        match (own, covered) {
            (Some(record), _) if record.status != Status::Skipped => ledger.executed += 1,
            (_, Some((_, (_, why)))) => *ledger.skipped.entry((*why).to_owned()).or_default() += 1,
            (Some(_), None) => *ledger.skipped.entry("unknown".to_owned()).or_default() += 1,
            // Not counted as due: the change may have come first.
            (None, None) if fire.at_edge => continue,
            (None, None) if fire.at > now - PENDING_TIMEOUT => ledger.pending += 1,
            (None, None) => ledger.mismatches.push(Mismatch::Gap(fire.at)),
        }
        ledger.due += 1;
    }
    let edges: Vec<DateTime<Utc>> = periods(versions).iter().map(|period| period.from).collect();
    let left = unmatched.into_values().flatten().filter(|record| {
        let at_edge = edges.iter().any(|edge| (record.scheduled_for - *edge).abs() <= EDGE_TOLERANCE);
        !at_edge && record.scheduled_for < window.to.min(now) && record.scheduled_for >= window.from
    });
    ledger.mismatches.extend(left.map(|record| Mismatch::Duplicate(record.execution, record.scheduled_for)));
    Ok(ledger)
}

struct Fire {
    at: DateTime<Utc>,
    at_edge: bool,
}

/// One schedule, in effect from one change to the next.
struct Period<'a> {
    schedule: &'a Schedule,
    active: bool,
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

/// Versions with the same state and schedule form one period.
fn periods(versions: &[Version]) -> Vec<Period<'_>> {
    let mut periods: Vec<Period<'_>> = Vec::new();
    for version in versions {
        let active = version.state == JobState::Active;
        match periods.last_mut() {
            Some(last) if last.active == active && *last.schedule == version.schedule => continue,
            Some(last) => last.until = Some(version.created_at),
            None => {}
        }
        periods.push(Period { schedule: &version.schedule, active, from: version.created_at, until: None });
    }
    periods
}

/// The fires of `window`, in order.
fn due(versions: &[Version], anchor: DateTime<Utc>, window: LedgerWindow) -> Result<Vec<Fire>, LedgerError> {
    let mut fires: Vec<Fire> = Vec::new();
    for period in periods(versions).iter().filter(|period| period.active) {
        let until = period.until.map_or(window.to, |until| (until + EDGE_TOLERANCE).min(window.to));
        // `next_after` is strict: a fire at `window.from` itself is included, and one at the change is not.
        let mut after = period.from.max(window.from - TimeDelta::microseconds(1));
        while let Some(at) = period.schedule.next_after(anchor, after)?.filter(|at| *at < until) {
            let at_edge = (at - period.from).abs() <= EDGE_TOLERANCE
                || period.until.is_some_and(|until| (at - until).abs() <= EDGE_TOLERANCE);
            if fires.last().is_none_or(|last| last.at < at) {
                fires.push(Fire { at, at_edge });
            }
            if fires.len() > MAX_FIRES {
                return Err(LedgerError::TooMany);
            }
            after = at;
        }
    }
    Ok(fires)
}

#[cfg(test)]
mod tests;
