//! Postgres crashes, stands still, throws everybody out, or has no room.

use std::time::Duration;

use super::{Ask, play};
use crate::{
    faults::{Fault, shake},
    report::{Bound, Figure, Verdict},
    run::{Run, Setup},
    servers::ServerFaults,
};

pub async fn crashed(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(30);
    let setup = ask.setup();
    back(name, ask, setup, async |run| {
        let (end, mut longest) = (run.clock.elapsed() + time, Duration::ZERO);
        while run.clock.elapsed() < end {
            run.say("Postgres is stopped at once");
            run.servers.crash_postgres(Duration::from_millis(500)).await?;
            longest = longest.max(works_again(run).await);
            let pause = Duration::from_millis(run.random.u64(1500..4000));
            run.pass(pause).await;
        }
        Ok(longest)
    })
    .await
}

pub async fn frozen(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(30);
    let setup = ask.setup();
    back(name, ask, setup, async |run| {
        run.say("Postgres stands still");
        run.servers.freeze_postgres(time).await;
        let longest = works_again(run).await;
        run.pass(Duration::from_secs(5)).await;
        Ok(longest)
    })
    .await
}

pub async fn backends_ended(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(20);
    let setup = ask.setup();
    back(name, ask, setup, async |run| {
        shake(run, time, &[Fault::EndBackends], Duration::from_millis(250)).await?;
        Ok(works_again(run).await)
    })
    .await
}

pub async fn disk_full(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(10);
    let mut setup = ask.setup();
    setup.server_faults = ServerFaults { disk_mb: Some(400), ..ServerFaults::default() };
    let mut refused = 0;
    let mut verdict = back(name, ask, setup, async |run| {
        let mut longest = Duration::ZERO;
        for _ in 0..2 {
            run.say("the disk is full");
            run.servers.fill_disk(time).await?;
            // It may have crashed for want of room, and not come up again.
            run.servers.start_postgres().await?;
            run.say("there is room again");
            longest = longest.max(works_again(run).await);
            run.pass(Duration::from_secs(4)).await;
        }
        refused = run.servers.postgres_said("No space left on device")?;
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
    harm: impl AsyncFnOnce(&mut Run) -> anyhow::Result<Duration>,
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
async fn works_again(run: &Run) -> Duration {
    let began = run.clock.elapsed();
    let begun_at = run.clock.now();
    while run.recorder.latest_due().is_none_or(|due| due <= begun_at) {
        if !run.recorder.more_than(run.recorder.count(), Duration::from_secs(30)).await {
            break;
        }
    }
    run.clock.elapsed() - began
}
