//! From one release to the next, and back, under load: the last release's processes work on this schema.

use std::{path::Path, time::Duration};

use super::{Ask, Span, play};
use crate::{
    faults,
    report::{Bound, Figure, Verdict},
};

/// Begins with the binaries in `old`, replaces them one after the other by those that were built with the run, goes back, and forward again.
pub async fn upgrade(old: &Path, ask: Ask) -> anyhow::Result<Verdict> {
    let mut setup = ask.setup();
    setup.layout.programs = Some(old.to_owned());
    let ((peace, span), outcome) = play("upgrade", setup, async |run| {
        let peace = run.peace(ask.time(6)).await;
        let from = run.clock.elapsed();
        for (what, programs) in [("forward", None), ("back", Some(old)), ("forward again", None)] {
            run.say(what);
            run.cluster.take_programs(programs);
            faults::roll(run).await?;
            run.pass(Duration::from_secs(2)).await;
        }
        Ok((peace, Span { from, to: run.clock.elapsed() }))
    })
    .await?;
    let mut figures = outcome.added(peace, span, 1000.0);
    figures.push(Figure::new("sent twice", outcome.interrupted() as f64, "", Bound::AtMost(0.0)));
    Ok(Verdict::new("upgrade", ask.seed, outcome, figures))
}
