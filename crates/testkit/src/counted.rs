//! Statistics of everything that a test has recorded.

use chrono::TimeDelta;
use std::time::{Duration, Instant};
use trigrun_core::store::statistics::{self, Counting};

use crate::TestDb;

/// For a test that hangs.
const DEADLINE: Duration = Duration::from_secs(120);

impl TestDb {
    /// Counts what was recorded until now; returns how many executions. Transactions of other tests on this server may delay it.
    pub async fn count_executions(&self, counting: Counting) -> usize {
        let (mut conn, begun, now, mut executions) = (self.conn().await, Instant::now(), self.now().await, 0);
        loop {
            let counted = statistics::count(&mut conn, counting, TimeDelta::zero()).await;
            executions += counted.expect("executions can be counted").executions;
            let fresh_until = statistics::fresh_until(&mut conn, counting).await.expect("a position");
            if fresh_until >= now {
                return executions;
            }
            assert!(begun.elapsed() < DEADLINE, "transactions never end");
        }
    }
}
