//! What can be done to a system that runs, and in what order: a seed fixes it.

use anyhow::Context;
use std::time::Duration;
use trigrun_core::stream::key::{GROUP, Keys};

use crate::{fleet::Role, lab::Lab, servers::NAMESPACE};

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

/// Does these to it in an order that the lab's seed fixes, with pauses between them, for that long.
pub async fn shake(lab: &mut Lab, time: Duration, faults: &[Fault], pause: Duration) -> anyhow::Result<()> {
    let end = lab.clock.elapsed() + time;
    // Each once before any comes again.
    let mut bag = Vec::new();
    while lab.clock.elapsed() < end {
        if bag.is_empty() {
            bag = faults.to_vec();
            lab.random.shuffle(&mut bag);
        }
        if let Some(fault) = bag.pop() {
            apply(lab, fault).await?;
        }
        let pause = pause.mul_f64(0.3 + 1.4 * lab.random.f64());
        lab.pass(pause).await;
        lab.wake()?;
    }
    Ok(())
}

pub async fn apply(lab: &mut Lab, fault: Fault) -> anyhow::Result<()> {
    let short = Duration::from_millis(lab.random.u64(200..2000));
    match fault {
        Fault::KillScheduler => {
            let index = lab.random.usize(0..lab.fleet.count(Role::Scheduler));
            lab.kill(Role::Scheduler, index).await?;
            lab.pass(short).await;
            lab.begin_again(Role::Scheduler, index)
        }
        Fault::KillSchedulers => {
            for index in 0..lab.fleet.count(Role::Scheduler) {
                lab.kill(Role::Scheduler, index).await?;
            }
            lab.pass(short).await;
            (0..lab.fleet.count(Role::Scheduler))
                .try_for_each(|index| lab.begin_again(Role::Scheduler, index))
        }
        Fault::KillExecutor => {
            let Some(index) = lab.an_executor() else { return Ok(()) };
            lab.kill(Role::Executor, index).await?;
            lab.pass(short).await;
            lab.begin_again(Role::Executor, index)
        }
        Fault::KillApi => {
            let index = lab.random.usize(0..lab.fleet.count(Role::Api));
            lab.kill(Role::Api, index).await?;
            lab.pass(short).await;
            lab.begin_again(Role::Api, index)
        }
        Fault::StopExecutor => match lab.an_executor() {
            Some(index) => lab.stand_still(index, STILL),
            None => Ok(()),
        },
        Fault::Roll => roll(lab).await.map(drop),
        Fault::FlushRedis => {
            lab.say("FLUSHALL");
            redis(lab, redis::cmd("FLUSHALL")).await
        }
        Fault::LoseRedis => {
            lab.say(&format!("Redis is lost for {:.1} s", short.as_secs_f64()));
            lab.servers.lose_redis(short).await
        }
        Fault::SilenceRedis => {
            lab.say(&format!("Redis accepts and does not answer for {:.1} s", 2.0 * short.as_secs_f64()));
            lab.servers.redis.pass(false);
            lab.pass(2 * short).await;
            lab.servers.redis.pass(true);
            Ok(())
        }
        Fault::TrimStreams => {
            lab.say("XTRIM of all streams to nothing");
            each_stream(lab, |key| redis::cmd("XTRIM").arg(key).arg("MAXLEN").arg(0).clone()).await
        }
        Fault::DestroyGroups => {
            lab.say("XGROUP DESTROY of all groups");
            each_stream(lab, |key| redis::cmd("XGROUP").arg("DESTROY").arg(key).arg(GROUP).clone()).await
        }
        Fault::Garbage => {
            lab.say("garbage into all streams");
            each_stream(lab, |key| {
                redis::cmd("XADD").arg(key).arg("*").arg("v").arg("1").arg("id").arg("\u{0}").clone()
            })
            .await
        }
        Fault::CrashPostgres => {
            lab.say("Postgres is stopped at once and started again");
            lab.servers.crash_postgres(short / 4).await
        }
        Fault::FreezePostgres => {
            lab.say(&format!("Postgres stands still for {:.1} s", 2.0 * short.as_secs_f64()));
            lab.servers.freeze_postgres(2 * short).await;
            Ok(())
        }
        Fault::EndBackends => end_backends(lab).await,
        Fault::SetTimersBack => {
            lab.say("timers are set back by three seconds");
            let back = "update job_timers set next_run_at = next_run_at - interval '3 s' where every_seconds <= 3 and version = 1";
            lab.servers.sql().await?.execute(back, &[]).await?;
            Ok(())
        }
    }
}

/// Every process is asked to end and started again, one after the other; says how long the executors took.
pub async fn roll(lab: &mut Lab) -> anyhow::Result<Vec<Duration>> {
    lab.say("SIGTERM to one after the other");
    let mut took = Vec::new();
    for role in [Role::Scheduler, Role::Executor, Role::Api] {
        for index in 0..lab.fleet.count(role) {
            lab.wake()?;
            if lab.is_still(role, index) {
                continue;
            }
            let ended = lab.fleet.terminate(role, index).await?;
            took.extend((role == Role::Executor).then_some(ended));
            lab.begin_again(role, index)?;
        }
    }
    Ok(took)
}

/// Half of all connections to Postgres are ended by its administrator.
async fn end_backends(lab: &mut Lab) -> anyhow::Result<()> {
    lab.say("pg_terminate_backend for half of all");
    let half = "select pg_terminate_backend(pid) from pg_stat_activity
                where backend_type = 'client backend' and pid <> pg_backend_pid() and random() < 0.5";
    lab.servers.sql().await?.execute(half, &[]).await?;
    Ok(())
}

async fn redis(lab: &Lab, command: redis::Cmd) -> anyhow::Result<()> {
    let mut connection = lab.servers.redis().await?;
    command.query_async::<redis::Value>(&mut connection).await.context("Redis does not do it")?;
    Ok(())
}

async fn each_stream(lab: &Lab, command: impl Fn(&str) -> redis::Cmd) -> anyhow::Result<()> {
    let mut connection = lab.servers.redis().await?;
    let keys = Keys::new(NAMESPACE);
    for stream in keys.all() {
        let key = keys.name(stream);
        // A stream that is not there has nothing to lose.
        if redis::cmd("EXISTS").arg(key).query_async::<bool>(&mut connection).await? {
            command(key).query_async::<redis::Value>(&mut connection).await?;
        }
    }
    Ok(())
}
