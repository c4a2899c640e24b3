//! Failure detection: expires the sessions of executors whose heartbeats stopped.
//!
//! An executor writes a heartbeat into its row every two seconds. Its session expires when this scheduler has seen the same
//! heartbeat for 15 s of its own monotonic clock, whatever any wall clock shows. The observation must be continuous: a heartbeat
//! that does not change means nothing while this scheduler could not reach Postgres. Two schedulers may decide at different times;
//! the first one counts.
//!
//! `watch` checks with each search. `requeue` then recovers the executions, so that the checks stay continuous however long that takes.

use chrono::{DateTime, Utc};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use trigrun_core::{
    domain::{id::ExecutorId, lease::EXECUTOR_TTL},
    failpoint,
    store::{
        StoreError,
        executors::{self, LiveExecutor},
    },
};

use crate::Scheduler;

/// A longer gap between two checks is an outage, after which observation starts again.
const MAX_CHECK_GAP: Duration = Duration::from_secs(3);

/// Expires those of the `live` sessions whose heartbeats stopped. `requeue` reclaims their executions.
pub async fn expire_of(scheduler: &Scheduler, live: Vec<LiveExecutor>) -> Result<(), StoreError> {
    expire(scheduler, live, Instant::now()).await
}

/// One check, with `now` as an argument, for tests.
pub async fn expire_at(scheduler: &Scheduler, now: Instant) -> Result<(), StoreError> {
    let live = executors::live(&mut *scheduler.db.conn().await?).await?;
    expire(scheduler, live, now).await
}

async fn expire(scheduler: &Scheduler, live: Vec<LiveExecutor>, now: Instant) -> Result<(), StoreError> {
    let candidates = scheduler.liveness.check(live, now);
    if candidates.is_empty() || failpoint::is(failpoint::NO_EXECUTOR_EXPIRY) {
        return Ok(());
    }
    let mut conn = scheduler.db.conn().await?;
    let expired = executors::expire(&mut conn, &candidates).await?;
    if expired > 0 {
        tracing::warn!(
            executors = expired,
            ttl_seconds = EXECUTOR_TTL.as_secs(),
            "no heartbeats: sessions expired, their executions are reclaimed"
        );
    }
    Ok(())
}

#[derive(Default)]
pub struct Liveness(Mutex<Observations>);

#[derive(Default)]
struct Observations {
    last_check: Option<Instant>,
    /// The latest heartbeat of each session, and when it was first seen.
    heartbeats: HashMap<ExecutorId, (DateTime<Utc>, Instant)>,
}

impl Liveness {
    /// Of the sessions that Postgres shows at `now`, those without a new heartbeat for too long.
    pub fn check(&self, live: Vec<LiveExecutor>, now: Instant) -> Vec<LiveExecutor> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.last_check.is_none_or(|last| now.saturating_duration_since(last) > MAX_CHECK_GAP) {
            seen.heartbeats.clear();
        }
        seen.last_check = Some(now);
        let before = std::mem::take(&mut seen.heartbeats);
        let since = |session: &LiveExecutor| match before.get(&session.id) {
            Some((heartbeat, since)) if *heartbeat == session.heartbeat_at => *since,
            _ => now,
        };
        seen.heartbeats = live.iter().map(|it| (it.id, (it.heartbeat_at, since(it)))).collect();
        live.into_iter().filter(|it| now.saturating_duration_since(since(it)) >= EXECUTOR_TTL).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// Checks one session at these seconds, each with the heartbeat that Postgres shows then. Returns when it counted as expired.
    fn expired_at(checks: &[(u64, i64)]) -> Vec<u64> {
        let (liveness, start) = (Liveness::default(), Instant::now());
        let is_expired = |(second, heartbeat): &(u64, i64)| {
            let session = LiveExecutor {
                id: ExecutorId::from_uuid(Uuid::from_u128(1)),
                heartbeat_at: DateTime::from_timestamp(1_800_000_000 + heartbeat, 0).unwrap(),
            };
            !liveness.check(vec![session], start + Duration::from_secs(*second)).is_empty()
        };
        checks.iter().filter(|check| is_expired(check)).map(|(second, _)| *second).collect()
    }

    #[test]
    fn the_same_heartbeat_for_the_whole_ttl_expires_a_session() {
        let unchanged: Vec<_> = (0..20).map(|second| (second, 0)).collect();
        assert_eq!(expired_at(&unchanged), [15, 16, 17, 18, 19]);
    }

    #[test]
    fn a_wall_clock_that_jumps_expires_no_session() {
        let jumps: Vec<_> = (0..40u64)
            .map(|second| (second, if second < 20 { second as i64 } else { second as i64 - 3600 }))
            .collect();
        assert!(expired_at(&jumps).is_empty());
    }

    #[test]
    fn an_outage_of_postgres_expires_no_session() {
        let checks: Vec<_> = (0..10).chain(40..52).map(|second| (second, 0)).collect();
        assert!(expired_at(&checks).is_empty());
    }
}
