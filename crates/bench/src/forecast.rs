//! What the API computes of the schedules of many jobs, on one thread and without the database.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use std::{hint::black_box, time::Instant};
use trigrun_core::domain::{
    forecast::{MAX_SPAN, forecast, spread},
    id::JobId,
    schedule::MinuteSpan,
    timer::{StoredSchedule, Timer},
    upcoming::{Position, merge},
};
use trigrun_testkit::stats::Samples;
use uuid::Uuid;

#[derive(Args)]
pub struct ForecastArguments {
    #[arg(long, default_value_t = 10_000)]
    jobs: u32,
    /// The table shows medians
    #[arg(long, default_value_t = 9)]
    repetitions: usize,
}

/// The schedule of a job of this number.
type Mix = fn(u32) -> StoredSchedule;

/// As workspaces have them, and the most expensive ones.
const MIXES: [(&str, Mix); 3] = [
    ("300 expressions, intervals", mixed),
    ("intervals of a minute", |_| StoredSchedule::Every { seconds: 60 }),
    ("an expression for each job, almost every minute", distinct),
];
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"];
const HOSTS: u32 = 100;

fn cron(expression: String, number: u32) -> StoredSchedule {
    let timezone = ZONES[number as usize % ZONES.len()].to_owned();
    StoredSchedule::Cron { expression, timezone }
}

fn mixed(number: u32) -> StoredSchedule {
    match number % 10 {
        0 => StoredSchedule::Every { seconds: 60 * (1 + number / 10 % 90) },
        1 => cron("*/5 * * * *".to_owned(), number / 10),
        2 => cron(format!("{} * * * *", number / 10 % 60), number),
        kind => cron(format!("{} {} * * {}", kind * 5, number / 10 % 24, kind - 3), number),
    }
}

/// 10,240 expressions.
fn distinct(number: u32) -> StoredSchedule {
    let (first, last) = (number % 8, 50 + number / 8 % 10);
    let (day, month) = (28 + number / 80 % 4, 1 + number / 320 % 8);
    cron(format!("{first}-{last} 0-23 1-{day} {month}-12 *"), number / 2560)
}

fn timers(mix: Mix, jobs: u32, now: DateTime<Utc>) -> Vec<Timer> {
    let timer = |number: u32| Timer {
        job: JobId::from_uuid(Uuid::from_u128(number.into())),
        version: 1,
        next_run_at: now - TimeDelta::seconds(1),
        anchor: now - TimeDelta::seconds(i64::from(number) * 37),
        schedule: mix(number),
        host: format!("{}.example.com", number % HOSTS),
    };
    (0..jobs).map(timer).collect()
}

pub fn run(arguments: &ForecastArguments) -> anyhow::Result<()> {
    let now: DateTime<Utc> = "2026-10-20T00:00:00Z".parse().context("an instant")?;
    let span = MinuteSpan::new(now, now + MAX_SPAN);
    let hour = MinuteSpan::new(now, now + TimeDelta::hours(1));
    println!("{} jobs, {HOSTS} hosts; medians of {} in ms", arguments.jobs, arguments.repetitions);
    for (name, mix) in MIXES {
        let timers = timers(mix, arguments.jobs, now);
        for (what, step) in [("8 days by the hour", 60), ("8 days by the minute", 1)] {
            let starts = span.buckets(step, "Europe/Berlin").map_err(anyhow::Error::new)?;
            time(arguments, name, what, || forecast(timers.clone(), span, &starts).len());
        }
        let after = Position::before(now);
        time(arguments, name, "the next 250 fires", || merge(&timers, after, None, 250).len());
        time(arguments, name, "a proposal", || spread(&timers, None, hour).changes.len());
    }
    Ok(())
}

fn time(arguments: &ForecastArguments, mix: &str, what: &str, work: impl Fn() -> usize) {
    let took = (0..arguments.repetitions.max(1)).map(|_| {
        let began = Instant::now();
        black_box(work());
        began.elapsed().as_secs_f64() * 1e3
    });
    let took: Samples = took.collect();
    println!("{mix:<50} {what:<22} {:>8.1}", took.median().unwrap_or(f64::NAN));
}
