//! All faults in one run.

use std::time::Duration;

use super::{Ask, play};
use crate::{
    faults::{self, shake},
    report::{Bound, Figure, Verdict},
};

pub async fn chaos(name: &'static str, ask: Ask) -> anyhow::Result<Verdict> {
    let time = ask.time(60);
    let (span, outcome) = play(name, ask.setup(), async |lab| {
        let peace = lab.peace(Duration::from_secs(3)).await;
        shake(lab, time, &faults::ALL, Duration::from_millis(700)).await?;
        Ok(peace)
    })
    .await?;
    let peace = outcome.late(span);
    let figures = vec![
        Figure::new("lateness in peace, median", peace.median, "ms", Bound::AtMost(100.0)),
        Figure::new("interrupted attempts", outcome.interrupted() as f64, "", Bound::None),
        Figure::new("clients that hung up", outcome.seen.hung_up as f64, "", Bound::None),
        Figure::new(
            "slowest answer of the API",
            outcome.seen.slowest.as_secs_f64(),
            "s",
            Bound::AtMost(10.0),
        ),
    ];
    Ok(Verdict::new(name, ask.seed, outcome, figures))
}
