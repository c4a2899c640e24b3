//! Redis forgets, dies, falls silent or talks nonsense.

use std::time::Duration;

use super::{Ask, Span, play};
use crate::{
    faults::{Fault, apply, shake},
    report::Verdict,
    run::Run,
};

/// What a wiped Redis may add to the lateness.
const MOST_MS: f64 = 2000.0;

pub async fn wiped(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(20);
    harmed(name, ask, async |run| {
        let end = run.clock.elapsed() + time;
        while run.clock.elapsed() < end {
            apply(run, Fault::FlushRedis).await?;
            run.pass(Duration::from_millis(300)).await;
        }
        Ok(())
    })
    .await
}

pub async fn lost(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(60);
    harmed(name, ask, async |run| {
        run.say("Redis is gone");
        run.servers.lose_redis(time).await?;
        run.say("Redis is back, empty");
        run.pass(Duration::from_secs(4)).await;
        Ok(())
    })
    .await
}

pub async fn silent(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(20);
    harmed(name, ask, async |run| {
        run.say("Redis accepts, and does not answer");
        run.servers.redis.pass(false);
        run.pass(time).await;
        run.servers.redis.pass(true);
        run.say("Redis answers");
        run.pass(Duration::from_secs(4)).await;
        Ok(())
    })
    .await
}

pub async fn garbled(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(20);
    let faults = [Fault::TrimStreams, Fault::DestroyGroups, Fault::Garbage];
    harmed(name, ask, async |run| shake(run, time, &faults, Duration::from_millis(250)).await).await
}

async fn harmed(
    name: &'static str,
    ask: Ask,
    harm: impl AsyncFnOnce(&mut Run) -> anyhow::Result<()>,
) -> anyhow::Result<Verdict> {
    let ((peace, span), outcome) = play(name, ask.setup(), async |run| {
        let peace = run.peace(Duration::from_secs(6)).await;
        let from = run.clock.elapsed();
        harm(run).await?;
        Ok((peace, Span { from, to: run.clock.elapsed() }))
    })
    .await?;
    let figures = outcome.added(peace, span, MOST_MS);
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}
