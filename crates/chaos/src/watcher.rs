//! Looks now and then at what nobody would tell: transactions that their clients forgot, and what the processes hold.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

use crate::{
    cluster::{Cluster, Held, Role},
    servers::connect,
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const BACK_WITHIN: Duration = Duration::from_secs(20);
/// What a process may hold beside its level: connections that come and go, and a heap that is not given back at once.
const FILES_BESIDE: u64 = 24;
const MB_BESIDE: u64 = 96;

#[derive(Default, Debug)]
pub struct Looks {
    pub looks: usize,
    pub found: Vec<String>,
}

#[derive(Default, Debug)]
pub struct Watched {
    pub idle: Looks,
    pub held: Looks,
}

/// Stops when it is dropped.
pub struct Watcher {
    idle: Arc<Mutex<Looks>>,
    /// What each role holds under the load, before anything is done to it.
    level: HashMap<Role, Held>,
    _stop: DropGuard,
}

impl Watcher {
    pub fn start(postgres: String) -> Self {
        let (idle, stop) = (Arc::<Mutex<Looks>>::default(), CancellationToken::new());
        let watching = watch(postgres, idle.clone());
        tasks::spawn("watcher", stop.clone().run_until_cancelled_owned(watching));
        Self { idle, level: HashMap::new(), _stop: stop.drop_guard() }
    }

    /// What is held now is the level to which all must come back.
    pub fn level(&mut self, cluster: &Cluster) {
        for (role, _, _, held) in cluster.held() {
            let level = self.level.entry(role).or_default();
            level.resident_mb = level.resident_mb.max(held.resident_mb);
            level.files = level.files.max(held.files);
        }
    }

    /// Idle connections are kept for a while: what is not at its level yet is looked at again.
    pub async fn end(self, cluster: &Cluster) -> Watched {
        let deadline = Instant::now() + BACK_WITHIN;
        let mut held = self.look(cluster);
        while !held.found.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
            held = self.look(cluster);
        }
        Watched { idle: std::mem::take(&mut *lock(&self.idle)), held }
    }

    fn look(&self, cluster: &Cluster) -> Looks {
        let mut held = Looks::default();
        for (role, index, _, now) in cluster.held() {
            let Some(level) = self.level.get(&role) else { continue };
            held.looks += 1;
            if now.files > level.files + FILES_BESIDE || now.resident_mb > level.resident_mb + MB_BESIDE {
                held.found.push(format!(
                    "{role} {index} holds {} MB and {} files; the level was {} MB and {}",
                    now.resident_mb, now.files, level.resident_mb, level.files
                ));
            }
        }
        held
    }
}

fn lock(looks: &Mutex<Looks>) -> MutexGuard<'_, Looks> {
    looks.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(looks: &Mutex<Looks>, found: impl Iterator<Item = String>) {
    let mut looks = lock(looks);
    looks.looks += 1;
    looks.found.extend(found);
}

async fn watch(postgres: String, idle: Arc<Mutex<Looks>>) {
    loop {
        if let Ok(sql) = connect(&postgres).await {
            while let Ok(rows) = sql.query(IDLE, &[]).await {
                note(&idle, rows.iter().map(|row| row.get(0)));
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        // Postgres is down: that is what the run does to it.
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The limit that the processes set for themselves is 10 s, after which Postgres ends the session.
const IDLE: &str = "select 'pid ' || pid || ' is idle in a transaction for ' || (clock_timestamp() - state_change)
    || ' after: ' || left(query, 100)
    from pg_stat_activity where state like 'idle in transaction%' and state_change < clock_timestamp() - interval '11 seconds'";
