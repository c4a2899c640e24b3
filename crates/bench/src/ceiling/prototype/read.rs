//! Reads the stream as a member of its group.

use anyhow::Context;
use redis::streams::StreamReadReply;

use super::{
    run::{Run, decode},
    timer::Timer,
};
use crate::ceiling::redis;

pub const KEY: &str = "bench:prototype";
pub const GROUP: &str = "group";
const BATCH: usize = 500;
const BLOCK_MS: usize = 500;

pub fn all(jobs: i64, redis_url: &str, timer: &Timer) -> anyhow::Result<()> {
    let mut stream = redis(redis_url)?;
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(GROUP).arg("reader").arg("COUNT").arg(BATCH).arg("BLOCK").arg(BLOCK_MS);
    command.arg("STREAMS").arg(KEY).arg(">");
    let mut read = 0;
    while read < jobs {
        let reply: Option<StreamReadReply> = command.query(&mut stream)?;
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids);
        let runs: Vec<Run> = entries
            .map(|entry| {
                let text: String = entry.get("d").context("an entry of the stream is empty")?;
                decode(entry.id, &text)
            })
            .collect::<anyhow::Result<_>>()?;
        read += runs.len() as i64;
        timer.add(runs);
    }
    timer.complete();
    Ok(())
}
