//! What the product costs while nothing is due.

use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    bench::Bench,
    cost::{Cost, Meter},
    product,
};

/// Connections are opened, statements prepared, and the first `tidy` is over.
const SETTLES: Duration = Duration::from_secs(10);
const SECONDS: usize = 20;

#[derive(Serialize)]
pub struct Idle {
    /// Of one processor, by process.
    pub percent: BTreeMap<String, f64>,
    pub percent_sum: f64,
    pub memory_mib: BTreeMap<String, f64>,
}

pub async fn measure(bench: &Bench, database: &str) -> anyhow::Result<Idle> {
    let scheduler = product::start("scheduler", &bench.servers, database, &[])?;
    let executor = product::start("executor", &bench.servers, database, &[])?;
    tokio::time::sleep(SETTLES).await;
    let processes = vec![("scheduler", scheduler.pid()), ("executor", executor.pid())];
    let meter = Meter::start(bench.around()?, processes);
    tokio::time::sleep(Duration::from_secs(SECONDS as u64)).await;
    // As if each second were a run.
    let Cost { us_per_run, us_per_run_sum, memory_mib, .. } = meter.stop().of(SECONDS);
    executor.end().await?;
    scheduler.end().await?;
    let percent = |us: f64| us / 1e6 * 100.0;
    Ok(Idle {
        percent: us_per_run.into_iter().map(|(name, us)| (name, percent(us))).collect(),
        percent_sum: percent(us_per_run_sum),
        memory_mib,
    })
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} % of a processor (", self.percent_sum)?;
        for (name, percent) in &self.percent {
            write!(f, " {name} {percent:.2}")?;
        }
        write!(f, " ),")?;
        for (name, mib) in &self.memory_mib {
            write!(f, " {name} {mib:.0} MiB")?;
        }
        Ok(())
    }
}
