//! Claims timers ahead in Postgres, advances them, and announces them on the stream.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{read::KEY, run::encode};
use crate::ceiling::{block_on, postgres, redis};

const BATCH: i64 = 1000;
/// How far ahead timers are claimed.
const HORIZON_MS: i64 = 5000;
const POLL_INTERVAL: Duration = Duration::from_millis(20);

const CLAIM: &str = "
    UPDATE bench_prototype_jobs AS job SET next_run_at = job.next_run_at + interval '1 hour'
    FROM (
        SELECT id, next_run_at FROM bench_prototype_jobs
        WHERE next_run_at <= now() + $2::bigint * interval '1 millisecond'
        ORDER BY next_run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE job.id = due.id
    RETURNING job.id, due.next_run_at, job.path, job.body";

pub fn all(jobs: i64, postgres_url: &str, redis_url: &str) -> anyhow::Result<()> {
    let mut stream = redis(redis_url)?;
    block_on(async {
        let client = postgres(postgres_url).await?;
        let claim = client.prepare(CLAIM).await?;
        let mut claimed = 0;
        while claimed < jobs {
            let rows = client.query(&claim, &[&BATCH, &HORIZON_MS]).await?;
            if rows.is_empty() {
                tokio::time::sleep(POLL_INTERVAL).await;
                continue;
            }
            let mut pipe = redis::pipe();
            for row in &rows {
                let at: SystemTime = row.get(1);
                let at = i64::try_from(at.duration_since(UNIX_EPOCH)?.as_micros())?;
                let entry = encode(row.get(0), at, row.get(2), row.get(3));
                pipe.cmd("XADD").arg(KEY).arg("*").arg("d").arg(entry).ignore();
            }
            pipe.exec(&mut stream)?;
            claimed += rows.len() as i64;
        }
        Ok(())
    })
}
