//! The cost of the product while nothing is due.

use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

use trigrun_testkit::process::Role;

use crate::{
    bench::Bench,
    cost::{Cost, Meter},
    product::{self, DEFAULTS, EXECUTOR, SCHEDULER},
};

/// By then connections are open, statements prepared, and the first `retention` pass is over.
const SETTLE_TIME: Duration = Duration::from_secs(10);
const SECONDS: usize = 20;

#[derive(Serialize)]
pub struct Idle {
    /// Percent of a processor, by process.
    pub percent: BTreeMap<String, f64>,
    pub percent_sum: f64,
    pub memory_mib: BTreeMap<String, f64>,
}

pub async fn measure(bench: &Bench, database: &str) -> anyhow::Result<Idle> {
    let mut cluster = product::cluster(&bench.servers, database)?;
    cluster.start(SCHEDULER, Role::Scheduler, DEFAULTS)?;
    cluster.start(EXECUTOR, Role::Executor, DEFAULTS)?;
    tokio::time::sleep(SETTLE_TIME).await;
    let processes = vec![(SCHEDULER, cluster.pid(SCHEDULER)?), (EXECUTOR, cluster.pid(EXECUTOR)?)];
    let meter = Meter::start(bench.shared_processes()?, processes);
    tokio::time::sleep(Duration::from_secs(SECONDS as u64)).await;
    // Each second counts as a run.
    let Cost { us_per_run, us_per_run_sum, memory_mib, .. } = meter.stop().per_run(SECONDS);
    cluster.stop().await?;
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
