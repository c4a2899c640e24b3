//! Samples what no process reports: transactions left idle, and the memory and file descriptors of the processes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

use crate::{
    cluster::{Cluster, Role, Usage},
    servers::connect,
};

const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
const RETURN_TIMEOUT: Duration = Duration::from_secs(20);
/// Tolerance above the level: short-lived connections, and a heap that is not returned to the kernel at once.
const MAX_EXTRA_FILES: u64 = 24;
const MAX_EXTRA_MB: u64 = 96;

#[derive(Default, Debug)]
pub struct Samples {
    pub taken: usize,
    pub violations: Vec<String>,
}

#[derive(Default, Debug)]
pub struct Watched {
    pub idle_transactions: Samples,
    pub usage: Samples,
}

/// Stops when it is dropped.
pub struct Watcher {
    idle_transactions: Arc<Mutex<Samples>>,
    /// The largest usage of each role under load, without faults.
    level: HashMap<Role, Usage>,
    _stop: DropGuard,
}

impl Watcher {
    pub fn start(postgres: String) -> Self {
        let (idle_transactions, stop) = (Arc::<Mutex<Samples>>::default(), CancellationToken::new());
        let watching = watch(postgres, idle_transactions.clone());
        tasks::spawn("watcher", stop.clone().run_until_cancelled_owned(watching));
        Self { idle_transactions, level: HashMap::new(), _stop: stop.drop_guard() }
    }

    /// Takes the current usage as the level to which all processes must return.
    pub fn take_level(&mut self, cluster: &Cluster) {
        for (role, _, usage) in cluster.usages() {
            let level = self.level.entry(role).or_default();
            level.resident_mb = level.resident_mb.max(usage.resident_mb);
            level.open_files = level.open_files.max(usage.open_files);
        }
    }

    /// Waits for the usage to return to its level: idle connections are kept for a while.
    pub async fn end(self, cluster: &Cluster) -> Watched {
        let deadline = Instant::now() + RETURN_TIMEOUT;
        let mut usage = self.compare(cluster);
        while !usage.violations.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(SAMPLE_INTERVAL).await;
            usage = self.compare(cluster);
        }
        Watched { idle_transactions: std::mem::take(&mut *lock(&self.idle_transactions)), usage }
    }

    fn compare(&self, cluster: &Cluster) -> Samples {
        let mut samples = Samples::default();
        for (role, name, usage) in cluster.usages() {
            let Some(level) = self.level.get(&role) else { continue };
            samples.taken += 1;
            if usage.open_files > level.open_files + MAX_EXTRA_FILES
                || usage.resident_mb > level.resident_mb + MAX_EXTRA_MB
            {
                samples.violations.push(format!(
                    "{name} uses {} MB and {} files; the level was {} MB and {}",
                    usage.resident_mb, usage.open_files, level.resident_mb, level.open_files
                ));
            }
        }
        samples
    }
}

fn lock(samples: &Mutex<Samples>) -> MutexGuard<'_, Samples> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(samples: &Mutex<Samples>, violations: impl Iterator<Item = String>) {
    let mut samples = lock(samples);
    samples.taken += 1;
    samples.violations.extend(violations);
}

async fn watch(postgres: String, idle_transactions: Arc<Mutex<Samples>>) {
    loop {
        if let Ok(sql) = connect(&postgres).await {
            while let Ok(rows) = sql.query(IDLE, &[]).await {
                add(&idle_transactions, rows.iter().map(|row| row.get(0)));
                tokio::time::sleep(SAMPLE_INTERVAL).await;
            }
        }
        // Postgres is down, which is part of the faults.
        tokio::time::sleep(SAMPLE_INTERVAL).await;
    }
}

/// The processes' own limit is 10 s; then Postgres ends the session.
const IDLE: &str = "select 'pid ' || pid || ' is idle in a transaction for ' || (clock_timestamp() - state_change)
    || ' after: ' || left(query, 100)
    from pg_stat_activity where state like 'idle in transaction%' and state_change < clock_timestamp() - interval '11 seconds'";
