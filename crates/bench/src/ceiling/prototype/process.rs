//! The prototype's process: its threads, and its report as a line of JSON.

use anyhow::{Context, ensure};
use std::{fs, net::SocketAddr, sync::Arc};
use tokio::sync::mpsc;

use super::{
    PrototypeReport, claim, read,
    record::{self, Recorded},
    send,
    threads::spawn_thread,
    timer::Timer,
};
use crate::ceiling::{block_on, postgres, unix_us};

const FIRST: &str =
    "SELECT (extract(epoch FROM min(next_run_at)) * 1000000)::bigint FROM bench_prototype_jobs";
/// USER_HZ, the unit in /proc.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process expects what [`super::Prototype::seed`] has created.
#[derive(Debug, Clone, clap::Args)]
pub struct PrototypeArguments {
    #[arg(long)]
    jobs: i64,
    #[arg(long)]
    postgres_url: String,
    #[arg(long)]
    redis_url: String,
    #[arg(long)]
    sink: SocketAddr,
}

/// Runs every job once, and prints a [`PrototypeReport`].
pub fn main(arguments: PrototypeArguments) -> anyhow::Result<()> {
    let start = unix_us();
    let PrototypeArguments { jobs, postgres_url, redis_url, sink } = arguments;
    let first = block_on(first_instant(&postgres_url))?;

    let timer = Arc::<Timer>::default();
    let (due, to_send) = mpsc::unbounded_channel();
    let (completed, to_record) = mpsc::unbounded_channel();
    let (postgres, redis) = (postgres_url.clone(), redis_url.clone());
    spawn_thread("claim", move || claim::all(jobs, &postgres, &redis))?;
    let (redis, to_wait) = (redis_url.clone(), timer.clone());
    spawn_thread("read", move || read::all(jobs, &redis, &to_wait))?;
    spawn_thread("timer", move || timer.release(&due))?;
    let recorder = spawn_thread("record", move || record::all(to_record, &postgres_url, &redis_url))?;
    block_on(send::all(jobs, sink, to_send, completed))?;
    let Recorded { runs, last } = recorder.join().ok().context("the recorder panicked")?;
    ensure!(runs == jobs, "{runs} of {jobs} jobs were recorded");

    let seconds = (last - start.max(first)) as f64 / 1e6;
    let recorded_per_second = runs as f64 / seconds;
    let report = PrototypeReport { runs, seconds, recorded_per_second, cpu_seconds: cpu_seconds()? };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

async fn first_instant(postgres_url: &str) -> anyhow::Result<i64> {
    let row = postgres(postgres_url).await?.query_one(FIRST, &[]).await?;
    row.try_get::<_, Option<i64>>(0)?.context("there are no jobs")
}

fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // utime and stime are the twelfth and thirteenth fields after the name in parentheses (proc_pid_stat(5)).
    let (_, after) = stat.rsplit_once(')').context("cannot parse /proc/self/stat")?;
    let ticks: Result<Vec<f64>, _> = after.split_whitespace().skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum::<f64>() / TICKS_PER_SECOND)
}
