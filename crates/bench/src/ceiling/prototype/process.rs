//! The prototype as a process: its parts, and its one line of JSON at the end.

use anyhow::{Context, ensure};
use std::{fs, net::SocketAddr, sync::Arc, thread, thread::JoinHandle};
use tokio::sync::mpsc;

use super::{
    PrototypeReport, claim,
    hold::Hold,
    read,
    record::{self, Recorded},
    send,
};
use crate::ceiling::{block_on, postgres, unix_us};

const FIRST: &str =
    "SELECT (extract(epoch FROM min(next_run_at)) * 1000000)::bigint FROM bench_prototype_jobs";
/// Ticks per second in /proc: USER_HZ, 100 on every machine that this runs on.
const TICKS: f64 = 100.0;

/// What the process is told. It expects what [`super::Prototype::seed`] has made.
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

/// Runs every job once, prints a [`PrototypeReport`].
pub fn main(arguments: PrototypeArguments) -> anyhow::Result<()> {
    let start = unix_us();
    let PrototypeArguments { jobs, postgres_url, redis_url, sink } = arguments;
    let first = block_on(first_instant(&postgres_url))?;

    let hold = Arc::<Hold>::default();
    let (due, to_send) = mpsc::unbounded_channel();
    let (answered, to_record) = mpsc::unbounded_channel();
    let (postgres, redis) = (postgres_url.clone(), redis_url.clone());
    part("claim", move || claim::all(jobs, &postgres, &redis))?;
    let (redis, to_hold) = (redis_url.clone(), hold.clone());
    part("read", move || read::all(jobs, &redis, &to_hold))?;
    part("hold", move || hold.let_go(&due))?;
    let recorder = part("record", move || record::all(to_record, &postgres_url, &redis_url))?;
    block_on(send::all(jobs, sink, to_send, answered))?;
    let Recorded { runs, last } = recorder.join().ok().context("the recorder panicked")?;
    ensure!(runs == jobs, "{jobs} jobs, and {runs} were recorded");

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

/// A thread of the prototype.
fn part<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(move || work().unwrap_or_else(|error| fail(name, &error)))
}

/// The others would wait for it for ever, and there is nothing to save.
pub fn fail(part: &str, error: &anyhow::Error) -> ! {
    eprintln!("prototype, {part}: {error:#}");
    std::process::exit(1)
}

fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // After the name, which is in parentheses: utime and stime are the twelfth and the thirteenth (proc_pid_stat(5)).
    let (_, after) = stat.rsplit_once(')').context("/proc/self/stat is not as expected")?;
    let ticks: Result<Vec<f64>, _> = after.split_whitespace().skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum::<f64>() / TICKS)
}
