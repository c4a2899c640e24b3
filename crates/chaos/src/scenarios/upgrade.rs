//! From one release to the next, and back, under load: the other release's processes work on this schema.

use std::{path::Path, time::Duration};

use super::{Options, run};
use crate::{
    faults,
    report::{Bound, Figure, Report},
};

/// Starts with the binaries in `old`, replaces them one by one by those built with this program, goes back, and forward again.
pub async fn upgrade(old: &Path, options: Options) -> anyhow::Result<Report> {
    let mut setup = options.setup();
    setup.layout.binaries = Some(old.to_owned());
    let ((baseline, faults), outcome) = run("upgrade", setup, async |run| {
        let baseline = run.baseline(options.duration(6)).await;
        let from = run.clock.elapsed();
        for (direction, binaries) in [("forward", None), ("back", Some(old)), ("forward again", None)] {
            run.log(direction);
            run.cluster.set_binaries(binaries);
            faults::rolling_restart(run).await?;
            run.wait(Duration::from_secs(2)).await;
        }
        Ok((baseline, run.phase_since(from)))
    })
    .await?;
    let mut figures = outcome.added_lateness(baseline, faults, 1000.0);
    figures.push(Figure::new("sent twice", outcome.interrupted() as f64, "", Bound::AtMost(0.0)));
    Ok(Report::new("upgrade", options.seed, outcome, figures))
}
