//! How many fires there will be and when, over all jobs: the load of the next days.
//!
//! Jobs with the same schedule and host are counted together. Each such series is one bitmap of minutes, and the bitmaps are added
//! up; no job is walked from fire to fire.

mod spread;

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, HashMap};

use super::{
    schedule::{MinuteSpan, Minutes, ScheduleError},
    timer::{ParsedSchedules, StoredSchedule, Timer},
};

pub use spread::{Change, KeptReason, Load, MAX_CHANGES, Spread, spread};

/// The busiest hosts of a bucket that are listed.
pub const MAX_HOSTS: usize = 5;

/// The longest forecast.
pub const MAX_SPAN: TimeDelta = TimeDelta::days(8);

/// Bitmaps that are kept for other hosts with the same schedule; of eight days, each has 1.4 kB.
const MAX_KEPT: usize = 4000;

/// The fires of a part of the span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub at: DateTime<Utc>,
    pub fires: u64,
    /// Its busiest minute, the first of several; `None` without fires.
    pub peak: Option<(DateTime<Utc>, u32)>,
    /// The busiest hosts, at most [`MAX_HOSTS`], most fires first.
    pub hosts: Vec<(String, u64)>,
}

/// Counts the fires of all timers. `starts` are the first minutes of the buckets, ascending, the first of them 0: see
/// [`MinuteSpan::buckets`]. A timer whose schedule can no longer be read does not count.
pub fn forecast(timers: Vec<Timer>, span: MinuteSpan, starts: &[usize]) -> Vec<Bucket> {
    let mut counts = Counts::new(span, starts);
    let mut bitmaps = Bitmaps { span, parsed: ParsedSchedules::default(), kept: HashMap::new() };
    for (host, series) in by_host(timers, span) {
        for (series, jobs) in series {
            bitmaps.with(series, |minutes| counts.add(minutes, jobs));
        }
        counts.end_host(&host);
    }
    counts.into_buckets()
}

/// Counts the fires of all timers by host.
pub fn fires_by_host(timers: Vec<Timer>, span: MinuteSpan) -> BTreeMap<String, u64> {
    let mut bitmaps = Bitmaps { span, parsed: ParsedSchedules::default(), kept: HashMap::new() };
    let mut hosts = BTreeMap::new();
    for (host, series) in by_host(timers, span) {
        let fires: &mut u64 = hosts.entry(host).or_default();
        for (series, jobs) in series {
            bitmaps.with(series, |minutes| *fires += minutes.indexes().count() as u64 * u64::from(jobs));
        }
    }
    hosts
}

/// A schedule, and the instant from which it counts if that matters.
type Series = (StoredSchedule, DateTime<Utc>);

/// How many jobs have each series, by host.
fn by_host(timers: Vec<Timer>, span: MinuteSpan) -> BTreeMap<String, HashMap<Series, u32>> {
    let mut hosts: BTreeMap<String, HashMap<Series, u32>> = BTreeMap::new();
    for Timer { schedule, anchor, host, .. } in timers {
        let anchor = match schedule {
            StoredSchedule::Every { seconds } => same_fires(anchor, seconds, span),
            _ => DateTime::UNIX_EPOCH,
        };
        *hosts.entry(host).or_default().entry((schedule, anchor)).or_default() += 1;
    }
    hosts
}

/// The latest anchor with the same minutes in `span`: it is the same for all jobs that fire together.
fn same_fires(anchor: DateTime<Utc>, every_seconds: u32, span: MinuteSpan) -> DateTime<Utc> {
    let start = span.start_of(0).timestamp().div_euclid(60);
    let (first, every) = (anchor.timestamp().div_euclid(60), i64::from(every_seconds / 60));
    if every_seconds == 0 || !every_seconds.is_multiple_of(60) || first + every > start {
        return anchor;
    }
    // The first fire of the span is its only one after this.
    let last = start - 1 - (start - 1 - first).rem_euclid(every);
    DateTime::from_timestamp(last * 60, 0).unwrap_or(anchor)
}

/// The bitmaps of series.
struct Bitmaps {
    span: MinuteSpan,
    parsed: ParsedSchedules,
    kept: HashMap<Series, Minutes>,
}

impl Bitmaps {
    fn with(&mut self, series: Series, work: impl FnOnce(&Minutes)) {
        if let Some(minutes) = self.kept.get(&series) {
            return work(minutes);
        }
        let Ok(minutes) = self.compute(&series) else { return };
        work(&minutes);
        if self.kept.len() < MAX_KEPT {
            self.kept.insert(series, minutes);
        }
    }

    fn compute(&mut self, (stored, anchor): &Series) -> Result<Minutes, ScheduleError> {
        self.parsed.get(stored).minutes(*anchor, self.span)
    }
}

/// The sums so far.
struct Counts {
    span: MinuteSpan,
    /// Fires of each minute.
    minutes: Vec<u32>,
    /// The bucket of each minute.
    bucket_of: Vec<u32>,
    starts: Vec<usize>,
    /// Fires of the present host, by bucket.
    of_host: Vec<u64>,
    /// By bucket.
    hosts: Vec<Vec<(String, u64)>>,
}

impl Counts {
    fn new(span: MinuteSpan, starts: &[usize]) -> Self {
        let ends = starts.iter().skip(1).copied().chain([span.len()]);
        let lengths = starts.iter().zip(ends).map(|(start, end)| end.saturating_sub(*start));
        let bucket_of =
            (0..).zip(lengths).flat_map(|(bucket, len)| std::iter::repeat_n(bucket, len)).collect();
        Self {
            span,
            minutes: vec![0; span.len()],
            bucket_of,
            starts: starts.to_vec(),
            of_host: vec![0; starts.len()],
            hosts: vec![Vec::new(); starts.len()],
        }
    }

    fn add(&mut self, minutes: &Minutes, jobs: u32) {
        for index in minutes.indexes() {
            self.minutes[index] += jobs;
            self.of_host[self.bucket_of[index] as usize] += u64::from(jobs);
        }
    }

    /// Keeps the busiest hosts. Of hosts with as many fires, the first stays.
    fn end_host(&mut self, host: &str) {
        for (of_host, hosts) in self.of_host.iter_mut().zip(&mut self.hosts) {
            let fires = std::mem::take(of_host);
            let at = hosts.partition_point(|(_, others)| *others >= fires);
            if fires > 0 && at < MAX_HOSTS {
                hosts.truncate(MAX_HOSTS - 1);
                hosts.insert(at, (host.to_owned(), fires));
            }
        }
    }

    fn into_buckets(self) -> Vec<Bucket> {
        let ends = self.starts.iter().skip(1).copied().chain([self.minutes.len()]);
        let parts = self.starts.iter().zip(ends).zip(self.hosts);
        let bucket = |((start, end), hosts): ((&usize, usize), Vec<(String, u64)>)| {
            let minutes = &self.minutes[*start..end];
            // The last of several is found, so they are searched from the end.
            let busiest = minutes.iter().enumerate().rev().max_by_key(|(_, fires)| **fires);
            let busiest = busiest.filter(|(_, fires)| **fires > 0);
            Bucket {
                at: self.span.start_of(*start),
                fires: minutes.iter().copied().map(u64::from).sum(),
                peak: busiest.map(|(index, fires)| (self.span.start_of(start + index), *fires)),
                hosts,
            }
        };
        parts.map(bucket).collect()
    }
}

#[cfg(test)]
mod tests;
