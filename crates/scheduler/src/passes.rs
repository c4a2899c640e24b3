//! The loops that repeat the passes until shutdown.

use std::{
    sync::{Arc, Mutex, PoisonError},
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
    measure::measure,
    plan::plan,
    publish,
    recover::{Look, ring_again, set_going},
    silence::reap,
    tidy::tidy,
};

const REAP_EVERY: Duration = Duration::from_millis(300);
const RECOVER_EVERY: Duration = Duration::from_millis(300);
/// After a look for lost bells that found a backlog, so many times as long is rested, up to so long: it costs more than it finds.
const REST_IN_A_BACKLOG: u32 = 20;
const LONGEST_REST: Duration = Duration::from_secs(2);
const TIDY_EVERY: Duration = Duration::from_secs(60);
const MEASURE_EVERY: Duration = Duration::from_secs(10);
const LISTEN_AGAIN: Duration = Duration::from_millis(10);

/// Runs a scheduler until shutdown, then hands over what it had still to ring.
pub async fn serve(settings: Settings, shutdown: CancellationToken) -> Result<(), SchedulerError> {
    let scheduler = Arc::new(Scheduler::new(&settings).await?);
    let probes = probes::serve(settings.telemetry.probes_address, scheduler.db.clone(), shutdown.clone());
    match probes.await {
        Ok(address) => tracing::info!(probes = %address, "scheduler started"),
        Err(error) => {
            tracing::error!(%error, address = %settings.telemetry.probes_address, "probes and metrics cannot be served")
        }
    }
    let poll = Duration::from_millis(settings.scheduler.poll_ms);
    let loops = [
        spawn("clock", scheduler.clock.clone().run(scheduler.db.clone(), shutdown.clone())),
        spawn("listen", listen(scheduler.clone(), settings.postgres, shutdown.clone())),
        spawn("plan", repeat_plan(scheduler.clone(), shutdown.clone(), poll)),
        spawn("publish", repeat_publish(scheduler.clone(), shutdown.clone(), poll)),
        spawn("publish_asked", repeat_publish_asked(scheduler.clone(), shutdown.clone(), poll)),
        spawn("reap", repeat_reap(scheduler.clone(), shutdown.clone())),
        spawn("recover", repeat_recover(scheduler.clone(), shutdown.clone())),
        spawn("ring_again", repeat_ring_again(scheduler.clone(), shutdown.clone())),
        spawn("tidy", repeat_tidy(scheduler.clone(), shutdown.clone())),
        spawn("measure", repeat_measure(scheduler.clone(), shutdown.clone())),
    ];
    for running in loops {
        // A loop ends on shutdown only; a panic in one is logged by the runtime and must end the process, not hang it.
        if running.await.is_err() && !shutdown.is_cancelled() {
            shutdown.cancel();
        }
    }
    if let Err(error) = publish::hand_over(&scheduler).await {
        tracing::warn!(%error, "the last bells could not be handed over; another scheduler finds them");
    }
    tracing::info!("scheduler stopped");
    Ok(())
}

async fn repeat_plan(scheduler: Arc<Scheduler>, shutdown: CancellationToken, poll: Duration) {
    every("plan", shutdown, poll, || scheduler.plan_now.notified(), || plan(&scheduler)).await;
}

async fn repeat_publish_asked(scheduler: Arc<Scheduler>, shutdown: CancellationToken, poll: Duration) {
    let pass = || publish::publish_asked(&scheduler);
    every("publish_asked", shutdown, poll, || scheduler.publish_now.notified(), pass).await;
}

/// Rings whenever the next bell is near.
async fn repeat_publish(scheduler: Arc<Scheduler>, shutdown: CancellationToken, poll: Duration) {
    let next = || async {
        match publish::next_in(&scheduler) {
            Some(wait) => tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = scheduler.bells.pushed() => {}
            },
            None => scheduler.bells.pushed().await,
        }
    };
    every("publish", shutdown, poll, next, || publish::publish(&scheduler)).await;
}

async fn repeat_reap(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("reap", shutdown, REAP_EVERY, std::future::pending, || reap(&scheduler)).await;
}

async fn repeat_recover(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("recover", shutdown, RECOVER_EVERY, std::future::pending, || set_going(&scheduler)).await;
}

async fn repeat_ring_again(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    let rest = Mutex::new(RECOVER_EVERY);
    let rested = || tokio::time::sleep(*rest.lock().unwrap_or_else(PoisonError::into_inner));
    let look = || async {
        let started = Instant::now();
        let found = ring_again(&scheduler).await?;
        *rest.lock().unwrap_or_else(PoisonError::into_inner) = match found {
            Look::Backlog => RECOVER_EVERY.max(started.elapsed() * REST_IN_A_BACKLOG),
            Look::Nothing | Look::Lost => RECOVER_EVERY,
        };
        Ok::<_, SchedulerError>(())
    };
    every("ring_again", shutdown, LONGEST_REST, rested, look).await;
}

async fn repeat_tidy(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("tidy", shutdown, TIDY_EVERY, std::future::pending, || tidy(&scheduler)).await;
}

async fn repeat_measure(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every("measure", shutdown, MEASURE_EVERY, std::future::pending, || measure(&scheduler)).await;
}

/// Hears the API's wishes to be woken.
async fn listen(scheduler: Arc<Scheduler>, postgres: PostgresSettings, shutdown: CancellationToken) {
    let listen = || async {
        let heard = wake::listen(&postgres, || scheduler.work_is_due());
        shutdown.run_until_cancelled(heard).await.unwrap_or(Ok(()))
    };
    every("listen", shutdown.clone(), LISTEN_AGAIN, std::future::pending, listen).await;
}
