//! What the product costs while nothing is due.

use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    processes::{self, Roots, Spent},
    product,
    servers::Servers,
};

/// Connections are opened, statements prepared, and the first `tidy` is over.
const SETTLES: Duration = Duration::from_secs(10);
const SECONDS: u32 = 20;

#[derive(Serialize)]
pub struct Idle {
    /// Of one processor, by process.
    pub percent: BTreeMap<&'static str, f64>,
    pub percent_sum: f64,
    pub scheduler_mib: f64,
    pub executor_mib: f64,
}

pub async fn measure(servers: &Servers, database: &str) -> anyhow::Result<Idle> {
    let (postgres, redis) = servers.pids()?;
    let scheduler = product::start("scheduler", servers, database, &[])?;
    let executor = product::start("executor", servers, database, &[])?;
    let roots: Roots = vec![
        ("postgres", postgres),
        ("redis", redis),
        ("scheduler", scheduler.pid()),
        ("executor", executor.pid()),
    ];
    tokio::time::sleep(SETTLES).await;
    let before = Spent::of(&roots);
    tokio::time::sleep(Duration::from_secs(SECONDS.into())).await;
    // Microseconds, as if all of it were one run.
    let spent = Spent::of(&roots).per_run(&before, 1);
    let percent: BTreeMap<_, _> =
        spent.into_iter().map(|(name, us)| (name, us / 1e6 / f64::from(SECONDS) * 100.0)).collect();
    let memory = |pid| processes::peak_mib(pid).unwrap_or(f64::NAN);
    let (scheduler_mib, executor_mib) = (memory(scheduler.pid()), memory(executor.pid()));
    executor.end().await?;
    scheduler.end().await?;
    Ok(Idle { percent_sum: percent.values().sum(), percent, scheduler_mib, executor_mib })
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} % of a processor (", self.percent_sum)?;
        for (name, percent) in &self.percent {
            write!(f, " {name} {percent:.2}")?;
        }
        write!(f, "), scheduler {:.0} MiB, executor {:.0} MiB", self.scheduler_mib, self.executor_mib)
    }
}
