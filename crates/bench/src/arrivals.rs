//! What the sink has seen, and what it says about lateness and rate.

use anyhow::{Context, ensure};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::Method;
use std::{
    collections::HashSet,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::http;

const SIZE: usize = 24;
const POLL: Duration = Duration::from_millis(10);

/// The wall clock that every process of this machine shares.
#[allow(clippy::disallowed_methods, reason = "arrivals are compared across processes of one machine")]
pub fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

/// The same, for who reckons with days.
pub fn now() -> anyhow::Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(now_us()).context("the time is out of range")
}

/// One request at the sink; microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub id: u64,
    pub intended_us: i64,
    pub at_us: i64,
}

impl Arrival {
    pub fn to_bytes(self) -> Vec<u8> {
        [self.id.to_be_bytes(), self.intended_us.to_be_bytes(), self.at_us.to_be_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        Self { id: number(0), intended_us: number(8) as i64, at_us: number(16) as i64 }
    }

    pub fn late_us(&self) -> i64 {
        self.at_us - self.intended_us
    }
}

/// The harness's connection to the sink.
pub struct Sink {
    pub address: SocketAddr,
}

impl Sink {
    pub async fn reset(&self) -> anyhow::Result<()> {
        self.ask(Method::POST, "/reset").await.map(drop)
    }

    pub async fn count(&self) -> anyhow::Result<usize> {
        let count = self.ask(Method::GET, "/count").await?;
        Ok(std::str::from_utf8(&count)?.parse()?)
    }

    pub async fn arrivals(&self) -> anyhow::Result<Arrivals> {
        let dump = self.ask(Method::GET, "/dump").await?;
        ensure!(dump.len() % SIZE == 0, "the sink's answer is cut off");
        Ok(Arrivals(dump.chunks_exact(SIZE).map(Arrival::read).collect()))
    }

    /// Waits until so many have arrived, telling how many have; an error when nothing more comes for `patience`.
    pub async fn wait_for(
        &self,
        wanted: usize,
        patience: Duration,
        mut tell: impl FnMut(usize),
    ) -> anyhow::Result<()> {
        let (mut most, mut since) = (0, Instant::now());
        loop {
            let count = self.count().await?;
            tell(count);
            if count >= wanted {
                return Ok(());
            }
            if count > most {
                (most, since) = (count, Instant::now());
            }
            ensure!(since.elapsed() < patience, "only {count} of {wanted} arrived, and no more come");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Bytes> {
        http::ask(self.address, method, path).await.context("the sink is gone")
    }
}

pub struct Arrivals(pub Vec<Arrival>);

impl Arrivals {
    pub fn first_us(&self) -> i64 {
        self.0.iter().map(|arrival| arrival.at_us).min().unwrap_or(0)
    }

    /// How many came more than once: requests beyond the first of their id.
    pub fn repeated(&self) -> usize {
        let ids: HashSet<u64> = self.0.iter().map(|arrival| arrival.id).collect();
        self.0.len() - ids.len()
    }

    pub fn early(&self) -> usize {
        self.0.iter().filter(|arrival| arrival.late_us() < 0).count()
    }

    /// How long before its instant the earliest came; 0 when none did.
    pub fn earliest_us(&self) -> i64 {
        self.0.iter().map(|arrival| -arrival.late_us()).max().unwrap_or(0).max(0)
    }

    /// Sorted, in milliseconds.
    pub fn late_ms(&self) -> Vec<f64> {
        let mut late: Vec<f64> = self.0.iter().map(|arrival| arrival.late_us() as f64 / 1e3).collect();
        late.sort_by(f64::total_cmp);
        late
    }

    /// Per second, over the middle 80 % of them: without the beginning and the tail.
    pub fn per_second(&self) -> f64 {
        let mut at: Vec<i64> = self.0.iter().map(|arrival| arrival.at_us).collect();
        at.sort_unstable();
        let (from, to) = (at.len() / 10, at.len() * 9 / 10);
        if to <= from {
            return 0.0;
        }
        (to - from) as f64 / ((at[to] - at[from]).max(1) as f64 / 1e6)
    }

    /// How many arrived in each tenth of a second since the first.
    pub fn per_tenth(&self) -> Vec<usize> {
        let first = self.first_us();
        let mut tenths = Vec::new();
        for arrival in &self.0 {
            let tenth = usize::try_from((arrival.at_us - first) / 100_000).unwrap_or(0);
            if tenths.len() <= tenth {
                tenths.resize(tenth + 1, 0);
            }
            tenths[tenth] += 1;
        }
        tenths
    }
}

/// The value below which this part of a sorted list lies.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    sorted[(last as f64 * part).round() as usize]
}
