//! Records results in batches, one durable commit each; then deletes their entries from the stream.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    read::{GROUP, KEY},
    run::Completed,
};
use crate::ceiling::{block_on, postgres, redis, stream::acknowledge, unix_us};

const MAX_BATCH: usize = 4000;

const RECORD: &str = "
    INSERT INTO bench_prototype_executions
    SELECT * FROM UNNEST($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::integer[], $5::smallint[], $6::text[])
    ON CONFLICT DO NOTHING";

/// The result after the last run.
pub struct Recorded {
    pub runs: i64,
    /// The last commit, in unix microseconds.
    pub last: i64,
}

pub fn all(
    mut completed: UnboundedReceiver<Vec<Completed>>,
    postgres_url: &str,
    redis_url: &str,
) -> anyhow::Result<Recorded> {
    let mut stream = redis(redis_url)?;
    block_on(async {
        let client = postgres(postgres_url).await?;
        let record = client.prepare(RECORD).await?;
        let mut recorded = Recorded { runs: 0, last: unix_us() };
        while let Some(mut all) = completed.recv().await {
            while all.len() < MAX_BATCH
                && let Ok(more) = completed.try_recv()
            {
                all.extend(more);
            }
            let jobs = column(&all, |it| it.job);
            let (instants, starts) = (column(&all, |it| time(it.at)), column(&all, |it| time(it.started)));
            let (latencies, statuses) = (column(&all, |it| it.latency_us), column(&all, |it| it.status));
            let snippets: Vec<&str> = all.iter().map(|it| it.snippet.as_str()).collect();
            let rows = client
                .execute(&record, &[&jobs, &instants, &starts, &latencies, &statuses, &snippets])
                .await?;
            recorded.runs += i64::try_from(rows)?;
            recorded.last = unix_us();
            let entries: Vec<&str> = all.iter().map(|it| it.entry.as_str()).collect();
            acknowledge(&mut stream, KEY, GROUP, &entries)?;
        }
        Ok(recorded)
    })
}

fn column<T>(completed: &[Completed], value: impl Fn(&Completed) -> T) -> Vec<T> {
    completed.iter().map(value).collect()
}

fn time(us: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(us).unwrap_or(0))
}
