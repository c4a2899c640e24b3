//! The ceiling of Redis: an entry per run is written, read by a group, acknowledged and deleted.

use redis::{Connection, streams::StreamReadReply};
use std::time::{Duration, Instant};

use super::redis;

const KEY: &str = "bench:ceiling:stream";
const GROUP: &str = "group";
const BATCH: usize = 100;
const TIME: Duration = Duration::from_secs(2);
/// About the size of a kind, an id, an instant and a traceparent.
const ENTRY: [u8; 130] = [b'x'; 130];

/// Runs per second through a stream, with one connection and three pipelined round trips per batch.
pub async fn stream_cycle(redis_url: &str) -> anyhow::Result<f64> {
    let url = redis_url.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut connection = redis(&url)?;
        create_stream(&mut connection, KEY, GROUP)?;
        let (start, mut runs) = (Instant::now(), 0.0);
        while start.elapsed() < TIME {
            runs += cycle(&mut connection)?;
        }
        let rate = runs / start.elapsed().as_secs_f64();
        redis::cmd("DEL").arg(KEY).exec(&mut connection)?;
        Ok(rate)
    })
    .await?
}

/// Creates an empty stream and a group that reads it from the start.
pub(super) fn create_stream(connection: &mut Connection, key: &str, group: &str) -> anyhow::Result<()> {
    let mut pipe = redis::pipe();
    pipe.cmd("DEL").arg(key).ignore();
    pipe.cmd("XGROUP").arg("CREATE").arg(key).arg(group).arg("0").arg("MKSTREAM").ignore();
    Ok(pipe.exec(connection)?)
}

fn cycle(connection: &mut Connection) -> anyhow::Result<f64> {
    let mut add = redis::pipe();
    for _ in 0..BATCH {
        add.cmd("XADD").arg(KEY).arg("*").arg("d").arg(&ENTRY).ignore();
    }
    add.exec(connection)?;
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg("reader").arg("COUNT").arg(BATCH).arg("STREAMS").arg(KEY).arg(">");
    let reply: StreamReadReply = read.query(connection)?;
    let ids: Vec<&str> =
        reply.keys.iter().flat_map(|stream| &stream.ids).map(|entry| entry.id.as_str()).collect();
    acknowledge(connection, KEY, GROUP, &ids)?;
    Ok(ids.len() as f64)
}

pub(super) fn acknowledge(
    connection: &mut Connection,
    key: &str,
    group: &str,
    ids: &[&str],
) -> anyhow::Result<()> {
    let mut pipe = redis::pipe();
    pipe.cmd("XACK").arg(key).arg(group).arg(ids).ignore();
    pipe.cmd("XDEL").arg(key).arg(ids).ignore();
    Ok(pipe.exec(connection)?)
}
