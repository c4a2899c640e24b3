//! The proof that nothing was lost: every fire that should have been, against every execution that there is.
//!
//! The fires are computed again from what the owner wanted and when (the versions of the job); nothing of the planner's
//! bookkeeping is looked at. Pure: rows come in, the balance goes out.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

use super::{
    execution::Status,
    id::ExecutionId,
    job::JobState,
    schedule::{Schedule, ScheduleError},
};

/// One version of a job, as far as its fires depend on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub created_at: DateTime<Utc>,
    pub state: JobState,
    pub schedule: Schedule,
}

/// An execution of source `schedule`.
#[derive(Clone, Debug)]
pub struct Record {
    pub execution: ExecutionId,
    pub status: Status,
    pub scheduled_for: DateTime<Utc>,
    /// Why it was not run, and up to which fire it stands for others, too.
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
    /// Fires that should have been.
    pub due: usize,
    /// Of these, how many have an execution of their own that was run, or is going to be.
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
    /// An execution without a fire, or the second of one.
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

/// A fire is recorded late, but not lost, for this long.
const LATE: TimeDelta = TimeDelta::seconds(60);
/// A fire so close to a change of the schedule may belong to either side: the change and the fire were decided by two
/// readings of the same clock.
const EDGE: TimeDelta = TimeDelta::seconds(1);

/// More fires than this are not balanced at once: a month of every minute is fewer.
pub const MOST_FIRES: usize = 50_000;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("The window holds more than {MOST_FIRES} fires.")]
    TooMany,
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// The balance of `window`. `anchor` is the job's creation; `versions` and `records` are in the order of their time.
pub fn balance(
    versions: &[Version],
    anchor: DateTime<Utc>,
    records: &[Record],
    window: LedgerWindow,
    now: DateTime<Utc>,
) -> Result<Ledger, LedgerError> {
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
        // They do not overlap: only the latest that begins by then can reach so far.
        let covered = skips.range(..=fire.at).next_back().filter(|(_, (last, _))| *last >= fire.at);
        match (own, covered) {
            (Some(record), _) if record.status != Status::Skipped => ledger.executed += 1,
            (_, Some((_, (_, why)))) => *ledger.skipped.entry((*why).to_owned()).or_default() += 1,
            (Some(_), None) => *ledger.skipped.entry("unknown".to_owned()).or_default() += 1,
            // Not counted as due: the change may have come first.
            (None, None) if fire.at_edge => continue,
            (None, None) if fire.at > now - LATE => ledger.pending += 1,
            (None, None) => ledger.mismatches.push(Mismatch::Gap(fire.at)),
        }
        ledger.due += 1;
    }
    let edges: Vec<DateTime<Utc>> = regimes(versions).iter().map(|regime| regime.from).collect();
    let left = unmatched.into_values().flatten().filter(|record| {
        let at_edge = edges.iter().any(|edge| (record.scheduled_for - *edge).abs() <= EDGE);
        !at_edge && record.scheduled_for < window.to.min(now) && record.scheduled_for >= window.from
    });
    ledger.mismatches.extend(left.map(|record| Mismatch::Duplicate(record.execution, record.scheduled_for)));
    Ok(ledger)
}

struct Fire {
    at: DateTime<Utc>,
    at_edge: bool,
}

/// One schedule that held from one change to the next.
struct Regime<'a> {
    schedule: &'a Schedule,
    active: bool,
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

/// Versions that differ in other things only are one regime.
fn regimes(versions: &[Version]) -> Vec<Regime<'_>> {
    let mut regimes: Vec<Regime<'_>> = Vec::new();
    for version in versions {
        let active = version.state == JobState::Active;
        match regimes.last_mut() {
            Some(last) if last.active == active && *last.schedule == version.schedule => continue,
            Some(last) => last.until = Some(version.created_at),
            None => {}
        }
        regimes.push(Regime { schedule: &version.schedule, active, from: version.created_at, until: None });
    }
    regimes
}

/// The fires of `window`, in order.
fn due(versions: &[Version], anchor: DateTime<Utc>, window: LedgerWindow) -> Result<Vec<Fire>, LedgerError> {
    let mut fires: Vec<Fire> = Vec::new();
    for regime in regimes(versions).iter().filter(|regime| regime.active) {
        let until = regime.until.map_or(window.to, |until| (until + EDGE).min(window.to));
        // Strictly after: a fire at `from` itself is wanted, and one at the change is not.
        let mut after = regime.from.max(window.from - TimeDelta::microseconds(1));
        while let Some(at) = regime.schedule.next_after(anchor, after)?.filter(|at| *at < until) {
            let at_edge = (at - regime.from).abs() <= EDGE
                || regime.until.is_some_and(|until| (at - until).abs() <= EDGE);
            if fires.last().is_none_or(|last| last.at < at) {
                fires.push(Fire { at, at_edge });
            }
            if fires.len() > MOST_FIRES {
                return Err(LedgerError::TooMany);
            }
            after = at;
        }
    }
    Ok(fires)
}

#[cfg(test)]
mod tests;
