//! Statistics: sums over ended executions, which passes of the scheduler keep up to date.
//!
//! A pass reads what was recorded since its position, and writes its sums and its new position in one transaction. It reads what
//! transactions have recorded that are older than all running ones: later commits can add nothing to it, so no execution is left out, and
//! none is counted twice. An advisory lock keeps other schedulers from doing the same work; that the position is still the one that was read
//! is a condition of the update.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;

mod failures;
mod health;
mod position;
mod purge;
mod read;
mod recorded;
mod sums;

pub use failures::{ClassFailures, failing_jobs, failures, failures_by_class};
pub use position::fresh_until;
pub(super) use purge::purge_workspaces;
pub use purge::{Kept, purge_old};
pub use read::{HostSums, JobLabel, JobSums, hosts, hours, labels, minutes, of_job};
pub use recorded::READ;

use super::{Conn, StoreError, notifications};
use position::Position;
use sums::{Accumulated, Grain};

/// How many jobs and hours one transaction writes at most. More would delay the counting of minutes, which waits for older transactions.
const MAX_HOURS_WRITTEN: usize = 50_000;
/// How many executions one transaction counts at most. More would hold a snapshot for too long.
const MAX_HOURS_READ: usize = 500_000;

/// How minutes, hours and health are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Minutes of workspaces, failures, and the health of jobs.
    Minutes,
    /// Hours of jobs and of hosts. The longer the time that one transaction counts, the fewer rows are written twice.
    Hours,
}

impl Counting {
    pub const ALL: &[Self] = &[Self::Minutes, Self::Hours];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }
}

/// What a transaction has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub executions: usize,
    /// Whether there is more to count at once.
    pub has_more: bool,
}

/// Counts what was recorded since the last time, if that is at least `pause` ago and no other process does it at this moment.
pub async fn count(conn: &mut Conn, counting: Counting, pause: TimeDelta) -> Result<Counted, StoreError> {
    let counted = conn.transaction(async |conn: &mut Conn| -> Result<_, StoreError> {
        let Some(position) = position::claim(conn, counting, pause).await? else {
            return Ok(Counted::default());
        };
        match counting {
            Counting::Minutes => count_minutes(conn, position).await,
            Counting::Hours => count_hours(conn, position).await,
        }
    });
    match counted.await {
        // Another process has counted the same: the lock was free because it had just committed.
        Err(error) if error.is_conflict(position::MOVED) => Ok(Counted::default()),
        counted => counted,
    }
}

async fn count_minutes(conn: &mut Conn, position: Position) -> Result<Counted, StoreError> {
    let batch = recorded::read(conn, position.counted_to, position.settled_to).await?;
    let counted = Counted { executions: batch.executions.len(), has_more: batch.is_full };
    position::advance(conn, Counting::Minutes, position, batch.counted_to).await?;
    if batch.executions.is_empty() {
        return Ok(counted);
    }
    let mut minutes = Accumulated::default();
    batch.executions.iter().for_each(|recorded| minutes.add_minute(recorded));
    sums::write(conn, Grain::Minutes, minutes).await?;
    failures::write(conn, &batch.executions).await?;
    let decided = health::write(conn, &batch.executions).await?;
    notifications::write_of_workspaces(conn, &decided).await?;
    Ok(counted)
}

/// Reads before it writes: until then, the transaction has no id, and nothing waits for it.
async fn count_hours(conn: &mut Conn, position: Position) -> Result<Counted, StoreError> {
    let (mut hours, mut executions, mut counted_to) = (Accumulated::default(), 0, position.counted_to);
    let has_more = loop {
        let batch = recorded::read(conn, counted_to, position.settled_to).await?;
        batch.executions.iter().for_each(|recorded| hours.add_hour(recorded));
        executions += batch.executions.len();
        counted_to = batch.counted_to;
        if !batch.is_full || hours.len() >= MAX_HOURS_WRITTEN || executions >= MAX_HOURS_READ {
            break batch.is_full;
        }
    };
    position::advance(conn, Counting::Hours, position, counted_to).await?;
    let hosts = sums::of_hosts(conn, &hours).await?;
    sums::write(conn, Grain::Hours, hours).await?;
    sums::write(conn, Grain::Hosts, hosts).await?;
    Ok(Counted { executions, has_more })
}

/// The start of the hour of an instant.
fn hour(at: DateTime<Utc>) -> DateTime<Utc> {
    crate::domain::statistics::bucket(at, 3600)
}
