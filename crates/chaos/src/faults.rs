//! What can be done to a running system, and in which order: a seed fixes it.

use anyhow::Context;
use std::time::Duration;
use trigrun_core::stream::key::{GROUP, StreamNames};

use crate::{cluster::Role, run::Run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    KillScheduler,
    KillSchedulers,
    KillExecutor,
    KillApi,
    /// SIGSTOP for longer than a session lives.
    PauseExecutor,
    /// SIGTERM to one process after the other, each started again.
    RollingRestart,
    FlushRedis,
    LoseRedis,
    StallRedis,
    TrimStreams,
    DestroyGroups,
    Garbage,
    CrashPostgres,
    FreezePostgres,
    TerminateBackends,
    /// As after a restore of that one table: fires come due again that are recorded already.
    SetTimersBack,
}

pub const ALL: [Fault; 16] = [
    Fault::KillScheduler,
    Fault::KillSchedulers,
    Fault::KillExecutor,
    Fault::KillApi,
    Fault::PauseExecutor,
    Fault::RollingRestart,
    Fault::FlushRedis,
    Fault::LoseRedis,
    Fault::StallRedis,
    Fault::TrimStreams,
    Fault::DestroyGroups,
    Fault::Garbage,
    Fault::CrashPostgres,
    Fault::FreezePostgres,
    Fault::TerminateBackends,
    Fault::SetTimersBack,
];

/// Longer than a session lives without heartbeats (15 s), even if all schedulers have just started and have not observed it yet.
const EXECUTOR_PAUSE: Duration = Duration::from_secs(23);

/// Injects these faults for `time`, in an order that the run's seed fixes, with about `pause` between them.
pub async fn inject(run: &mut Run, time: Duration, faults: &[Fault], pause: Duration) -> anyhow::Result<()> {
    let end = run.clock.elapsed() + time;
    // Each fault once before any is repeated.
    let mut queue = Vec::new();
    while run.clock.elapsed() < end {
        if queue.is_empty() {
            queue = faults.to_vec();
            run.random.shuffle(&mut queue);
        }
        if let Some(fault) = queue.pop() {
            apply(run, fault).await?;
        }
        let pause = pause.mul_f64(0.3 + 1.4 * run.random.f64());
        run.wait(pause).await;
        run.resume_executors()?;
    }
    Ok(())
}

pub async fn apply(run: &mut Run, fault: Fault) -> anyhow::Result<()> {
    let short = Duration::from_millis(run.random.u64(200..2000));
    match fault {
        Fault::KillScheduler => {
            let index = run.random.usize(0..run.cluster.count(Role::Scheduler));
            run.kill(Role::Scheduler, index)?;
            run.wait(short).await;
            run.cluster.restart(Role::Scheduler, index)
        }
        Fault::KillSchedulers => {
            run.kill_all(Role::Scheduler)?;
            run.wait(short).await;
            run.restart_all(Role::Scheduler)
        }
        Fault::KillExecutor => {
            let Some(index) = run.random_executor() else { return Ok(()) };
            run.kill(Role::Executor, index)?;
            run.wait(short).await;
            run.cluster.restart(Role::Executor, index)
        }
        Fault::KillApi => {
            let index = run.random.usize(0..run.cluster.count(Role::Api));
            run.kill(Role::Api, index)?;
            run.wait(short).await;
            run.cluster.restart(Role::Api, index)
        }
        Fault::PauseExecutor => match run.random_executor() {
            Some(index) => run.pause_executor(index, EXECUTOR_PAUSE),
            None => Ok(()),
        },
        Fault::RollingRestart => rolling_restart(run).await.map(drop),
        Fault::FlushRedis => {
            run.log("FLUSHALL");
            redis(run, redis::cmd("FLUSHALL")).await
        }
        Fault::LoseRedis => {
            run.log(&format!("Redis loses its data and is down for {:.1} s", short.as_secs_f64()));
            run.servers.lose_redis(short).await
        }
        Fault::StallRedis => {
            run.log(&format!("Redis accepts and does not respond for {:.1} s", 2.0 * short.as_secs_f64()));
            run.servers.redis.forward(false);
            run.wait(2 * short).await;
            run.servers.redis.forward(true);
            Ok(())
        }
        Fault::TrimStreams => {
            run.log("XTRIM of all streams to nothing");
            each_stream(run, |key| redis::cmd("XTRIM").arg(key).arg("MAXLEN").arg(0).clone()).await
        }
        Fault::DestroyGroups => {
            run.log("XGROUP DESTROY of all groups");
            each_stream(run, |key| redis::cmd("XGROUP").arg("DESTROY").arg(key).arg(GROUP).clone()).await
        }
        Fault::Garbage => {
            run.log("garbage into all streams");
            each_stream(run, |key| {
                redis::cmd("XADD").arg(key).arg("*").arg("v").arg("1").arg("id").arg("\u{0}").clone()
            })
            .await
        }
        Fault::CrashPostgres => {
            run.log("immediate shutdown and restart of Postgres");
            run.servers.crash_postgres(short / 4).await
        }
        Fault::FreezePostgres => {
            run.log(&format!("Postgres is frozen for {:.1} s", 2.0 * short.as_secs_f64()));
            run.servers.freeze_postgres_for(2 * short).await;
            Ok(())
        }
        Fault::TerminateBackends => terminate_backends(run).await,
        Fault::SetTimersBack => {
            run.log("timers are set back by three seconds");
            let back = "update job_timers set next_run_at = next_run_at - interval '3 s' where every_seconds <= 3 and version = 1";
            run.servers.sql().await?.execute(back, &[]).await?;
            Ok(())
        }
    }
}

/// Terminates and restarts one process after the other; returns how long each executor took to end.
pub async fn rolling_restart(run: &mut Run) -> anyhow::Result<Vec<Duration>> {
    run.log("SIGTERM to one process after the other");
    let mut took = Vec::new();
    for role in [Role::Scheduler, Role::Executor, Role::Api] {
        for index in 0..run.cluster.count(role) {
            run.resume_executors()?;
            if run.is_paused(role, index) {
                continue;
            }
            let ended = run.cluster.terminate(role, index).await?;
            took.extend((role == Role::Executor).then_some(ended));
            run.cluster.restart(role, index)?;
        }
    }
    Ok(took)
}

async fn terminate_backends(run: &mut Run) -> anyhow::Result<()> {
    run.log("pg_terminate_backend for half of the connections");
    let half = "select pg_terminate_backend(pid) from pg_stat_activity
                where backend_type = 'client backend' and pid <> pg_backend_pid() and random() < 0.5";
    run.servers.sql().await?.execute(half, &[]).await?;
    Ok(())
}

async fn redis(run: &Run, command: redis::Cmd) -> anyhow::Result<()> {
    let mut connection = run.servers.redis().await?;
    command.query_async::<redis::Value>(&mut connection).await.context("Redis rejects the command")?;
    Ok(())
}

async fn each_stream(run: &Run, command: impl Fn(&str) -> redis::Cmd) -> anyhow::Result<()> {
    let mut connection = run.servers.redis().await?;
    let id = run.servers.sql().await?.query_one("select id from installation", &[]).await?.get(0);
    let names = StreamNames::new(&run.servers.redis_settings().of_installation(id).namespace);
    for stream in names.all() {
        let name = names.name(stream);
        // A stream that does not exist has nothing to lose.
        if redis::cmd("EXISTS").arg(name).query_async::<bool>(&mut connection).await? {
            command(name).query_async::<redis::Value>(&mut connection).await?;
        }
    }
    Ok(())
}
