//! The loops that repeat the passes until shutdown.

use futures_util::future::select_all;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    runtime::{
        probes,
        tasks::{every, spawn},
    },
    store::{PostgresSettings, wake},
};

use crate::{
    Scheduler, SchedulerError, Settings,
    backlog::report,
    installations::announce,
    plan::plan,
    publish,
    recover::{StreamCheck, republish, requeue},
    resume::resume,
    retention::clean_up,
    statistics::{count_hours, count_minutes},
    streams::check_streams,
    suspension::cancel_suspended,
    watch::watch,
};

/// The longest pause of a pass that `watch` starts, and of `watch` itself, so that nothing depends on one search alone.
const UNPROMPTED_INTERVAL: Duration = Duration::from_secs(5);
/// The least time between two checks for lost dispatch messages.
const REPUBLISH_INTERVAL: Duration = Duration::from_millis(300);
/// In a backlog, a check for lost dispatch messages reads much and finds nothing. The pause after it is this many times as long
/// as the check took, at most [`MAX_REPUBLISH_INTERVAL`].
const BACKLOG_PAUSE_FACTOR: u32 = 20;
const MAX_REPUBLISH_INTERVAL: Duration = Duration::from_secs(2);
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
const BACKLOG_INTERVAL: Duration = Duration::from_secs(10);
/// Statistics are less than five seconds old, with what a pass takes.
const MINUTES_INTERVAL: Duration = Duration::from_secs(2);
const HOURS_INTERVAL: Duration = Duration::from_secs(30);
const STREAMS_INTERVAL: Duration = Duration::from_secs(10);
const RESUME_INTERVAL: Duration = Duration::from_secs(1);
/// The search reads an index that is empty while no workspace is suspended.
const SUSPENSION_INTERVAL: Duration = Duration::from_secs(1);
const INSTALLATIONS_INTERVAL: Duration = Duration::from_secs(30);
const LISTEN_RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Runs a scheduler until shutdown, then hands over what it has not published.
pub async fn serve(settings: Settings, shutdown: CancellationToken) -> Result<(), SchedulerError> {
    let scheduler = Arc::new(Scheduler::new(&settings).await?);
    let probes = probes::serve(
        settings.telemetry.probes_address,
        scheduler.db.clone(),
        scheduler.hold.clone(),
        shutdown.clone(),
    );
    match probes.await {
        Ok(address) => tracing::info!(probes = %address, "scheduler started"),
        Err(error) => {
            tracing::error!(%error, address = %settings.telemetry.probes_address, "probes and metrics cannot be served")
        }
    }
    let poll = Duration::from_millis(settings.scheduler.poll_ms);
    let loops = [
        spawn("clock", scheduler.clock.clone().run(scheduler.db.clone(), shutdown.clone())),
        spawn("hold", scheduler.hold.clone().run(scheduler.db.clone(), shutdown.clone())),
        spawn("listen", listen(scheduler.clone(), settings.postgres, shutdown.clone())),
        spawn("watch", repeat_watch(scheduler.clone(), shutdown.clone())),
        spawn("plan", repeat_plan(scheduler.clone(), shutdown.clone())),
        spawn("publish", repeat_publish(scheduler.clone(), shutdown.clone(), poll)),
        spawn("publish_requested", repeat_publish_requested(scheduler.clone(), shutdown.clone())),
        spawn("requeue", repeat_requeue(scheduler.clone(), shutdown.clone())),
        spawn("republish", repeat_republish(scheduler.clone(), shutdown.clone())),
        spawn("resume", repeat_resume(scheduler.clone(), shutdown.clone())),
        spawn("suspension", repeat_cancel_suspended(scheduler.clone(), shutdown.clone())),
        spawn("retention", repeat_retention(scheduler.clone(), shutdown.clone())),
        spawn("backlog", repeat_backlog(scheduler.clone(), shutdown.clone())),
        spawn("count_minutes", repeat_count_minutes(scheduler.clone(), shutdown.clone())),
        spawn("count_hours", repeat_count_hours(scheduler.clone(), shutdown.clone())),
        spawn("streams", repeat_streams(scheduler.clone(), shutdown.clone())),
        spawn("installations", repeat_installations(scheduler.clone(), shutdown.clone())),
    ];
    // A loop ends on shutdown only, and survives a pass that fails or panics. A panic in the loop itself stops the process.
    let mut loops = Vec::from(loops);
    while !loops.is_empty() {
        let (ended, _, others) = select_all(loops).await;
        if ended.is_err() {
            shutdown.cancel();
        }
        loops = others;
    }
    if let Err(error) = publish::hand_over_pending(&scheduler).await {
        tracing::warn!(%error, "cannot hand over the last dispatch messages; another scheduler republishes them");
    }
    tracing::info!("scheduler stopped");
    Ok(())
}

async fn repeat_watch(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let is_idle = AtomicBool::new(false);
    let interval = || tokio::time::sleep(scheduler.watch_interval(is_idle.load(Ordering::Relaxed)));
    let pass = || async {
        let has_work = watch(&scheduler).await?;
        is_idle.store(!has_work, Ordering::Relaxed);
        Ok::<_, SchedulerError>(())
    };
    every("watch", shutdown, UNPROMPTED_INTERVAL, interval, pass).await;
}

async fn repeat_plan(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("plan", shutdown, UNPROMPTED_INTERVAL, || scheduler.plan_now.notified(), || plan(&scheduler)).await;
}

async fn repeat_publish_requested(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let pass = || publish::publish_requested(&scheduler);
    let requested = || scheduler.publish_requested_now.notified();
    every("publish_requested", shutdown, UNPROMPTED_INTERVAL, requested, pass).await;
}

/// Publishes whenever a pending dispatch message is due soon.
async fn repeat_publish(scheduler: Arc<Scheduler>, shutdown: CancellationToken, poll: Duration) {
    let next = || async {
        match publish::next_in(&scheduler) {
            Some(wait) => tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = scheduler.pending.pushed() => {}
            },
            None => scheduler.pending.pushed().await,
        }
    };
    every("publish", shutdown, poll, next, || publish::publish(&scheduler)).await;
}

async fn repeat_requeue(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let requested = || scheduler.requeue_now.notified();
    every("requeue", shutdown, UNPROMPTED_INTERVAL, requested, || requeue(&scheduler)).await;
}

async fn repeat_republish(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let pause = Mutex::new(REPUBLISH_INTERVAL);
    let rested = || async {
        let pause = *pause.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::time::sleep(pause).await;
        scheduler.republish_now.notified().await;
    };
    let pass = || async {
        let started = Instant::now();
        let found = republish(&scheduler).await?;
        *pause.lock().unwrap_or_else(PoisonError::into_inner) = match found {
            StreamCheck::Backlog => {
                (started.elapsed() * BACKLOG_PAUSE_FACTOR).clamp(REPUBLISH_INTERVAL, MAX_REPUBLISH_INTERVAL)
            }
            StreamCheck::NothingOverdue | StreamCheck::Lost => REPUBLISH_INTERVAL,
        };
        Ok::<_, SchedulerError>(())
    };
    every("republish", shutdown, UNPROMPTED_INTERVAL, rested, pass).await;
}

async fn repeat_retention(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("retention", shutdown, RETENTION_INTERVAL, std::future::pending, || clean_up(&scheduler)).await;
}

async fn repeat_resume(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("resume", shutdown, RESUME_INTERVAL, std::future::pending, || resume(&scheduler)).await;
}

async fn repeat_cancel_suspended(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let pass = || cancel_suspended(&scheduler);
    every("suspension", shutdown, SUSPENSION_INTERVAL, std::future::pending, pass).await;
}

async fn repeat_backlog(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("backlog", shutdown, BACKLOG_INTERVAL, std::future::pending, || report(&scheduler)).await;
}

async fn repeat_count_minutes(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("count_minutes", shutdown, MINUTES_INTERVAL, std::future::pending, || count_minutes(&scheduler))
        .await;
}

async fn repeat_count_hours(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("count_hours", shutdown, HOURS_INTERVAL, std::future::pending, || count_hours(&scheduler)).await;
}

async fn repeat_streams(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("streams", shutdown, STREAMS_INTERVAL, std::future::pending, || check_streams(&scheduler)).await;
}

async fn repeat_installations(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("installations", shutdown, INSTALLATIONS_INTERVAL, std::future::pending, || announce(&scheduler))
        .await;
}

/// Receives the NOTIFY that the API sends when there may be work.
async fn listen(scheduler: Arc<Scheduler>, postgres: PostgresSettings, shutdown: CancellationToken) {
    let listen = || async {
        let received = wake::listen(&postgres, || {
            scheduler.listens.store(true, Ordering::Relaxed);
            scheduler.wake_passes();
        });
        let ended = shutdown.run_until_cancelled(received).await.unwrap_or(Ok(()));
        scheduler.listens.store(false, Ordering::Relaxed);
        ended
    };
    every("listen", shutdown.clone(), LISTEN_RETRY_INTERVAL, std::future::pending, listen).await;
}
