//! Looks for work several times a second, and starts the passes that find something to do.
//!
//! One statement replaces the searches of all passes, which an idle installation would repeat dozens of times a second. A pass also runs by
//! itself every few seconds, so that nothing depends on this search alone.

use std::{sync::atomic::Ordering, time::Duration};
use trigrun_core::store::{
    StoreError,
    work::{self, Work},
};

use crate::{Scheduler, liveness, recover::DELIVERY_TIMEOUT};

/// How often an installation without work is searched while NOTIFY reports new work. Less than the horizon, so that work is found before it is
/// due, and than the longest gap between two checks of heartbeats.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// One pass; `true` if there is work.
pub async fn watch(scheduler: &Scheduler) -> Result<bool, StoreError> {
    let work = find(scheduler).await?;
    liveness::expire_of(scheduler, work.live_executors.clone()).await?;
    scheduler.start(&work);
    Ok(!work.is_none())
}

async fn find(scheduler: &Scheduler) -> Result<Work, StoreError> {
    let mut conn = scheduler.db.conn().await?;
    let search = &scheduler.searches.work;
    let (after, now) = (search.begin(), scheduler.clock.now());
    let work = work::find(&mut conn, after, scheduler.horizon()).await?;
    search.succeeded(work.oldest(), now);
    Ok(work)
}

impl Scheduler {
    /// How long until the next search.
    pub(crate) fn watch_interval(&self, is_idle: bool) -> Duration {
        let poll = Duration::from_millis(self.settings.poll_ms);
        if is_idle && self.listens.load(Ordering::Relaxed) { poll.max(IDLE_INTERVAL) } else { poll }
    }

    fn start(&self, work: &Work) {
        if work.timer.is_some() {
            self.plan_now.notify_one();
        }
        if work.unpublished.is_some() {
            self.publish_requested_now.notify_one();
        }
        let overdue = self.clock.now() - DELIVERY_TIMEOUT;
        if work.publish_claimed.is_some_and(|due_at| due_at < overdue) {
            self.republish_now.notify_one();
        }
        if work.waits_for_slot || work.unreleased || work.schedule_errors {
            self.requeue_now.notify_one();
        }
    }
}
