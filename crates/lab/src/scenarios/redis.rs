//! Redis forgets, dies, falls silent or talks nonsense.

use std::time::Duration;

use super::{Ask, Span, play};
use crate::{
    faults::{Fault, apply, shake},
    lab::Lab,
    report::Verdict,
};

/// What a wiped Redis may add to the lateness.
const MOST_MS: f64 = 2000.0;

pub async fn wiped(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(20);
    harmed(name, ask, async |lab| {
        let end = lab.clock.elapsed() + time;
        while lab.clock.elapsed() < end {
            apply(lab, Fault::FlushRedis).await?;
            lab.pass(Duration::from_millis(300)).await;
        }
        Ok(())
    })
    .await
}

pub async fn lost(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(60);
    harmed(name, ask, async |lab| {
        lab.say("Redis is gone");
        lab.servers.lose_redis(time).await?;
        lab.say("Redis is back, empty");
        lab.pass(Duration::from_secs(4)).await;
        Ok(())
    })
    .await
}

pub async fn silent(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(20);
    harmed(name, ask, async |lab| {
        lab.say("Redis accepts, and does not answer");
        lab.servers.redis.pass(false);
        lab.pass(time).await;
        lab.servers.redis.pass(true);
        lab.say("Redis answers");
        lab.pass(Duration::from_secs(4)).await;
        Ok(())
    })
    .await
}

pub async fn garbled(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(20);
    let faults = [Fault::TrimStreams, Fault::DestroyGroups, Fault::Garbage];
    harmed(name, ask, async |lab| shake(lab, time, &faults, Duration::from_millis(250)).await).await
}

async fn harmed(
    name: &'static str,
    ask: Ask,
    harm: impl AsyncFnOnce(&mut Lab) -> anyhow::Result<()>,
) -> anyhow::Result<Verdict> {
    let ((peace, span), outcome) = play(name, ask.setup(), async |lab| {
        let peace = lab.peace(Duration::from_secs(6)).await;
        let from = lab.clock.elapsed();
        harm(lab).await?;
        Ok((peace, Span { from, to: lab.clock.elapsed() }))
    })
    .await?;
    let figures = outcome.added(peace, span, MOST_MS);
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}
