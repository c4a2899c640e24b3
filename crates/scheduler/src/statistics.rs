//! Counts ended executions, for statistics and for the health of jobs. Recording an execution does not wait for it.
//!
//! Minutes and health follow within seconds. Hours of jobs are counted every few minutes: a job that runs every minute has one row rewritten
//! for several of its runs together.

use chrono::TimeDelta;
use std::time::{Duration, Instant};
use trigrun_core::{
    store::statistics::{self, Counting},
    telemetry::metrics,
};

use crate::{Scheduler, SchedulerError};

/// The least time between two countings of minutes, by any scheduler: less than the interval of the pass.
const MINUTES_PAUSE: TimeDelta = TimeDelta::milliseconds(1500);
/// The same for hours.
const HOURS_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// How long one pass counts; the next one continues.
const COUNT_TIMEOUT: Duration = Duration::from_secs(30);

/// One pass over minutes, failures and health.
pub async fn count_minutes(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    count(scheduler, Counting::Minutes, MINUTES_PAUSE).await
}

/// One pass over hours.
pub async fn count_hours(scheduler: &Scheduler) -> Result<(), SchedulerError> {
    count(scheduler, Counting::Hours, HOURS_PAUSE).await
}

async fn count(scheduler: &Scheduler, counting: Counting, pause: TimeDelta) -> Result<(), SchedulerError> {
    let started = Instant::now();
    let mut conn = scheduler.db.conn().await?;
    while statistics::count(&mut conn, counting, pause).await?.has_more && started.elapsed() < COUNT_TIMEOUT {
    }
    metrics::pass(
        match counting {
            Counting::Minutes => "count_minutes",
            Counting::Hours => "count_hours",
        },
        started.elapsed(),
    );
    Ok(())
}
