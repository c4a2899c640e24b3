//! What can be done to a system that runs, and in what order: a seed fixes it.

use anyhow::Context;
use std::time::Duration;
use trigrun_core::stream::key::{GROUP, StreamNames};

use crate::{cluster::Role, run::Run, servers::NAMESPACE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    KillScheduler,
    KillSchedulers,
    KillExecutor,
    KillApi,
    /// Longer than a session lives.
    StopExecutor,
    /// SIGTERM to one after the other, each started again.
    Roll,
    FlushRedis,
    LoseRedis,
    SilenceRedis,
    TrimStreams,
    DestroyGroups,
    Garbage,
    CrashPostgres,
    FreezePostgres,
    EndBackends,
    /// As after a restore of that one table: fires come due again that are recorded already.
    SetTimersBack,
}

pub const ALL: [Fault; 16] = [
    Fault::KillScheduler,
    Fault::KillSchedulers,
    Fault::KillExecutor,
    Fault::KillApi,
    Fault::StopExecutor,
    Fault::Roll,
    Fault::FlushRedis,
    Fault::LoseRedis,
    Fault::SilenceRedis,
    Fault::TrimStreams,
    Fault::DestroyGroups,
    Fault::Garbage,
    Fault::CrashPostgres,
    Fault::FreezePostgres,
    Fault::EndBackends,
    Fault::SetTimersBack,
];

/// Longer than a session may be silent (15 s), even if all schedulers have just been started and know nothing of it yet.
const STILL: Duration = Duration::from_secs(23);

/// Does these to it in an order that the run's seed fixes, with pauses between them, for that long.
pub async fn shake(run: &mut Run, time: Duration, faults: &[Fault], pause: Duration) -> anyhow::Result<()> {
    let end = run.clock.elapsed() + time;
    // Each once before any comes again.
    let mut bag = Vec::new();
    while run.clock.elapsed() < end {
        if bag.is_empty() {
            bag = faults.to_vec();
            run.random.shuffle(&mut bag);
        }
        if let Some(fault) = bag.pop() {
            apply(run, fault).await?;
        }
        let pause = pause.mul_f64(0.3 + 1.4 * run.random.f64());
        run.pass(pause).await;
        run.wake()?;
    }
    Ok(())
}

pub async fn apply(run: &mut Run, fault: Fault) -> anyhow::Result<()> {
    let short = Duration::from_millis(run.random.u64(200..2000));
    match fault {
        Fault::KillScheduler => {
            let index = run.random.usize(0..run.cluster.count(Role::Scheduler));
            run.kill(Role::Scheduler, index).await?;
            run.pass(short).await;
            run.begin_again(Role::Scheduler, index)
        }
        Fault::KillSchedulers => {
            for index in 0..run.cluster.count(Role::Scheduler) {
                run.kill(Role::Scheduler, index).await?;
            }
            run.pass(short).await;
            (0..run.cluster.count(Role::Scheduler))
                .try_for_each(|index| run.begin_again(Role::Scheduler, index))
        }
        Fault::KillExecutor => {
            let Some(index) = run.an_executor() else { return Ok(()) };
            run.kill(Role::Executor, index).await?;
            run.pass(short).await;
            run.begin_again(Role::Executor, index)
        }
        Fault::KillApi => {
            let index = run.random.usize(0..run.cluster.count(Role::Api));
            run.kill(Role::Api, index).await?;
            run.pass(short).await;
            run.begin_again(Role::Api, index)
        }
        Fault::StopExecutor => match run.an_executor() {
            Some(index) => run.stand_still(index, STILL),
            None => Ok(()),
        },
        Fault::Roll => roll(run).await.map(drop),
        Fault::FlushRedis => {
            run.say("FLUSHALL");
            redis(run, redis::cmd("FLUSHALL")).await
        }
        Fault::LoseRedis => {
            run.say(&format!("Redis is lost for {:.1} s", short.as_secs_f64()));
            run.servers.lose_redis(short).await
        }
        Fault::SilenceRedis => {
            run.say(&format!("Redis accepts and does not answer for {:.1} s", 2.0 * short.as_secs_f64()));
            run.servers.redis.pass(false);
            run.pass(2 * short).await;
            run.servers.redis.pass(true);
            Ok(())
        }
        Fault::TrimStreams => {
            run.say("XTRIM of all streams to nothing");
            each_stream(run, |key| redis::cmd("XTRIM").arg(key).arg("MAXLEN").arg(0).clone()).await
        }
        Fault::DestroyGroups => {
            run.say("XGROUP DESTROY of all groups");
            each_stream(run, |key| redis::cmd("XGROUP").arg("DESTROY").arg(key).arg(GROUP).clone()).await
        }
        Fault::Garbage => {
            run.say("garbage into all streams");
            each_stream(run, |key| {
                redis::cmd("XADD").arg(key).arg("*").arg("v").arg("1").arg("id").arg("\u{0}").clone()
            })
            .await
        }
        Fault::CrashPostgres => {
            run.say("Postgres is stopped at once and started again");
            run.servers.crash_postgres(short / 4).await
        }
        Fault::FreezePostgres => {
            run.say(&format!("Postgres stands still for {:.1} s", 2.0 * short.as_secs_f64()));
            run.servers.freeze_postgres(2 * short).await;
            Ok(())
        }
        Fault::EndBackends => end_backends(run).await,
        Fault::SetTimersBack => {
            run.say("timers are set back by three seconds");
            let back = "update job_timers set next_run_at = next_run_at - interval '3 s' where every_seconds <= 3 and version = 1";
            run.servers.sql().await?.execute(back, &[]).await?;
            Ok(())
        }
    }
}

/// Every process is asked to end and started again, one after the other; says how long the executors took.
pub async fn roll(run: &mut Run) -> anyhow::Result<Vec<Duration>> {
    run.say("SIGTERM to one after the other");
    let mut took = Vec::new();
    for role in [Role::Scheduler, Role::Executor, Role::Api] {
        for index in 0..run.cluster.count(role) {
            run.wake()?;
            if run.is_still(role, index) {
                continue;
            }
            let ended = run.cluster.terminate(role, index).await?;
            took.extend((role == Role::Executor).then_some(ended));
            run.begin_again(role, index)?;
        }
    }
    Ok(took)
}

/// Half of all connections to Postgres are ended by its administrator.
async fn end_backends(run: &mut Run) -> anyhow::Result<()> {
    run.say("pg_terminate_backend for half of all");
    let half = "select pg_terminate_backend(pid) from pg_stat_activity
                where backend_type = 'client backend' and pid <> pg_backend_pid() and random() < 0.5";
    run.servers.sql().await?.execute(half, &[]).await?;
    Ok(())
}

async fn redis(run: &Run, command: redis::Cmd) -> anyhow::Result<()> {
    let mut connection = run.servers.redis().await?;
    command.query_async::<redis::Value>(&mut connection).await.context("Redis does not do it")?;
    Ok(())
}

async fn each_stream(run: &Run, command: impl Fn(&str) -> redis::Cmd) -> anyhow::Result<()> {
    let mut connection = run.servers.redis().await?;
    let keys = StreamNames::new(NAMESPACE);
    for stream in keys.all() {
        let key = keys.name(stream);
        // A stream that is not there has nothing to lose.
        if redis::cmd("EXISTS").arg(key).query_async::<bool>(&mut connection).await? {
            command(key).query_async::<redis::Value>(&mut connection).await?;
        }
    }
    Ok(())
}
