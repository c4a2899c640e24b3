//! Which executors have fallen silent: by this scheduler's monotonic clock, whatever any wall clock shows.
//!
//! A pass of its own: looks must come without a break, however long it takes to set going again what the dead have left.
//!
//! A session is silent when this scheduler has seen the same heartbeat of it for long enough, and Postgres without a break meanwhile: an
//! executor's silence means nothing when Postgres could not receive. Two schedulers may come to it at different times; the first is right.

use chrono::{DateTime, Utc};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use trigrun_core::{
    domain::{id::ExecutorId, lease::SESSION_TTL},
    failpoint,
    store::{
        StoreError,
        executors::{self, LiveExecutor},
    },
};

use crate::Scheduler;

/// A break between two looks that is longer than this is an outage.
const BREAK: Duration = Duration::from_secs(3);

/// One pass: declares dead who has been silent for too long. What they held is taken over by `recover`.
pub async fn expire(scheduler: &Scheduler) -> Result<(), StoreError> {
    expire_at(scheduler, Instant::now()).await
}

/// The same; `now` is for whoever cannot wait until an executor counts as silent.
pub async fn expire_at(scheduler: &Scheduler, now: Instant) -> Result<(), StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let silent = scheduler.liveness.look(executors::live(&mut conn).await?, now);
    if silent.is_empty() || failpoint::is(failpoint::NO_EXECUTOR_EXPIRY) {
        return Ok(());
    }
    let dead = executors::expire(&mut conn, &silent).await?;
    if dead > 0 {
        tracing::warn!(
            executors = dead,
            ttl_seconds = SESSION_TTL.as_secs(),
            "went silent; their work is taken over"
        );
    }
    Ok(())
}

#[derive(Default)]
pub struct Liveness(Mutex<Looks>);

#[derive(Default)]
struct Looks {
    last: Option<Instant>,
    /// The latest heartbeat of each, and when it was first seen.
    beats: HashMap<ExecutorId, (DateTime<Utc>, Instant)>,
}

impl Liveness {
    /// Of those that Postgres shows at `now`, the ones that are dead.
    pub fn look(&self, live: Vec<LiveExecutor>, now: Instant) -> Vec<LiveExecutor> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.last.is_none_or(|last| now.saturating_duration_since(last) > BREAK) {
            looks.beats.clear();
        }
        looks.last = Some(now);
        let before = std::mem::take(&mut looks.beats);
        let since = |session: &LiveExecutor| match before.get(&session.id) {
            Some((beat, since)) if *beat == session.heartbeat_at => *since,
            _ => now,
        };
        looks.beats = live.iter().map(|it| (it.id, (it.heartbeat_at, since(it)))).collect();
        live.into_iter().filter(|it| now.saturating_duration_since(since(it)) >= SESSION_TTL).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// Looks at these seconds, at one session whose heartbeats stand beside them; says when it was found dead.
    fn found_dead(looks: &[(u64, i64)]) -> Vec<u64> {
        let (silence, start) = (Liveness::default(), Instant::now());
        let look = |(second, beat): &(u64, i64)| {
            let session = LiveExecutor {
                id: ExecutorId::from_uuid(Uuid::from_u128(1)),
                heartbeat_at: DateTime::from_timestamp(1_800_000_000 + beat, 0).unwrap(),
            };
            !silence.look(vec![session], start + Duration::from_secs(*second)).is_empty()
        };
        looks.iter().filter(|at| look(at)).map(|(second, _)| *second).collect()
    }

    #[test]
    fn the_same_heartbeat_for_too_long_is_death() {
        let silent: Vec<_> = (0..20).map(|second| (second, 0)).collect();
        assert_eq!(found_dead(&silent), [15, 16, 17, 18, 19]);
    }

    #[test]
    fn a_wall_clock_that_jumps_kills_nobody() {
        let jumps: Vec<_> = (0..40u64)
            .map(|second| (second, if second < 20 { second as i64 } else { second as i64 - 3600 }))
            .collect();
        assert!(found_dead(&jumps).is_empty());
    }

    #[test]
    fn an_outage_of_postgres_is_no_silence() {
        let looks: Vec<_> = (0..10).chain(40..52).map(|second| (second, 0)).collect();
        assert!(found_dead(&looks).is_empty());
    }
}
