//! Postgres crashes, stands still, throws everybody out, or has no room.

use std::time::Duration;

use super::{Ask, play};
use crate::{
    faults::{Fault, shake},
    lab::{Lab, Setup},
    report::{Bound, Figure, Verdict},
    servers::Wishes,
};

pub async fn crashed(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(30);
    let setup = ask.setup();
    back(name, ask, setup, async |lab| {
        let (end, mut longest) = (lab.clock.elapsed() + time, Duration::ZERO);
        while lab.clock.elapsed() < end {
            lab.say("Postgres is stopped at once");
            lab.servers.crash_postgres(Duration::from_millis(500)).await?;
            longest = longest.max(works_again(lab).await);
            let pause = Duration::from_millis(lab.random.u64(1500..4000));
            lab.pass(pause).await;
        }
        Ok(longest)
    })
    .await
}

pub async fn frozen(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(30);
    let setup = ask.setup();
    back(name, ask, setup, async |lab| {
        lab.say("Postgres stands still");
        lab.servers.freeze_postgres(time).await;
        let longest = works_again(lab).await;
        lab.pass(Duration::from_secs(5)).await;
        Ok(longest)
    })
    .await
}

pub async fn backends_ended(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(20);
    let setup = ask.setup();
    back(name, ask, setup, async |lab| {
        shake(lab, time, &[Fault::EndBackends], Duration::from_millis(250)).await?;
        Ok(works_again(lab).await)
    })
    .await
}

pub async fn disk_full(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(10);
    let mut setup = ask.setup();
    setup.wishes = Wishes { disk_mb: Some(400), ..Wishes::default() };
    let mut refused = 0;
    let mut verdict = back(name, ask, setup, async |lab| {
        let mut longest = Duration::ZERO;
        for _ in 0..2 {
            lab.say("the disk is full");
            lab.servers.fill_disk(time).await?;
            // It may have crashed for want of room, and not come up again.
            lab.servers.start_postgres().await?;
            lab.say("there is room again");
            longest = longest.max(works_again(lab).await);
            lab.pass(Duration::from_secs(4)).await;
        }
        refused = lab.servers.postgres_said("No space left on device")?;
        Ok(longest)
    })
    .await?;
    let refusals = Figure::new("Postgres had no room, times", refused as f64, "", Bound::AtLeast(1.0));
    verdict.figures.push(refusals);
    Ok(verdict)
}

async fn back(
    name: &'static str,
    ask: Ask,
    setup: Setup,
    harm: impl AsyncFnOnce(&mut Lab) -> anyhow::Result<Duration>,
) -> anyhow::Result<Verdict> {
    let (longest, outcome) = play(name, setup, harm).await?;
    let figures = vec![
        Figure::new(
            "Postgres is back: requests leave within",
            longest.as_secs_f64(),
            "s",
            Bound::AtMost(5.0),
        ),
        Figure::new("slowest answer of the API", outcome.seen.slowest.as_secs_f64(), "s", Bound::AtMost(2.5)),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}

/// How long until requests leave again that were planned after this moment.
async fn works_again(lab: &Lab) -> Duration {
    let began = lab.clock.elapsed();
    let begun_at = lab.clock.now();
    while lab.witness.latest_due().is_none_or(|due| due <= begun_at) {
        if !lab.witness.more_than(lab.witness.count(), Duration::from_secs(30)).await {
            break;
        }
    }
    lab.clock.elapsed() - began
}
