//! The requests that arrived at the sink: lateness, rate, violations.

use anyhow::{Context, ensure};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::Method;
use std::{
    collections::HashSet,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use trigrun_testkit::{
    client::{Client, Request},
    stats::Samples,
};

/// Of an arrival in the sink's dump.
const ARRIVAL_BYTES: usize = 24;
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The wall clock of the machine, in microseconds since the epoch.
#[allow(clippy::disallowed_methods, reason = "arrivals are compared across processes of one machine")]
pub fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

/// [`now_us`] as a date.
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

    pub fn lateness_us(&self) -> i64 {
        self.at_us - self.intended_us
    }
}

/// The sink, as the benchmark controls it.
pub struct Sink {
    pub address: SocketAddr,
}

impl Sink {
    /// Forgets all requests. From now on, those that are intended for `end` or later are not recorded.
    pub async fn reset(&self, end: Option<DateTime<Utc>>) -> anyhow::Result<()> {
        let path = end.map_or("/reset".to_owned(), |end| format!("/reset?{}", end.timestamp_micros()));
        self.request(Method::POST, &path).await.map(drop)
    }

    pub async fn count(&self) -> anyhow::Result<usize> {
        let count = self.request(Method::GET, "/count").await?;
        Ok(std::str::from_utf8(&count)?.parse()?)
    }

    pub async fn arrivals(&self) -> anyhow::Result<Arrivals> {
        let dump = self.request(Method::GET, "/dump").await?;
        ensure!(dump.len() % ARRIVAL_BYTES == 0, "the sink's response is truncated");
        Ok(Arrivals(dump.chunks_exact(ARRIVAL_BYTES).map(Arrival::read).collect()))
    }

    /// Waits until `wanted` requests have arrived, and reports the progress. Fails if none arrives for `idle_timeout`.
    pub async fn wait_for(
        &self,
        wanted: usize,
        idle_timeout: Duration,
        mut report: impl FnMut(usize),
    ) -> anyhow::Result<()> {
        let (mut max, mut since) = (0, Instant::now());
        loop {
            let count = self.count().await?;
            report(count);
            if count >= wanted {
                return Ok(());
            }
            if count > max {
                (max, since) = (count, Instant::now());
            }
            ensure!(since.elapsed() < idle_timeout, "only {count} of {wanted} requests arrived");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn request(&self, method: Method, path: &str) -> anyhow::Result<Bytes> {
        let response = Client::new(self.address).send(Request::new(method, path)).await;
        Ok(response.context("the sink does not respond")?.body)
    }
}

pub struct Arrivals(pub Vec<Arrival>);

impl Arrivals {
    pub fn first_us(&self) -> i64 {
        self.0.iter().map(|arrival| arrival.at_us).min().unwrap_or(0)
    }

    /// The last fifth, by the instant for which they were intended.
    pub fn last_fifth(&self) -> Self {
        let mut arrivals = self.0.clone();
        arrivals.sort_unstable_by_key(|arrival| arrival.intended_us);
        Self(arrivals.split_off(arrivals.len() * 4 / 5))
    }

    /// Requests beyond the first of their id.
    pub fn repeated(&self) -> usize {
        let ids: HashSet<u64> = self.0.iter().map(|arrival| arrival.id).collect();
        self.0.len() - ids.len()
    }

    pub fn early(&self) -> usize {
        self.0.iter().filter(|arrival| arrival.lateness_us() < 0).count()
    }

    /// How long before its instant the earliest request arrived; 0 if none did.
    pub fn earliest_us(&self) -> i64 {
        self.0.iter().map(|arrival| -arrival.lateness_us()).max().unwrap_or(0).max(0)
    }

    pub fn lateness_ms(&self) -> Samples {
        self.0.iter().map(|arrival| arrival.lateness_us() as f64 / 1e3).collect()
    }

    /// Over the middle 80 % of the requests, without the start and the tail.
    pub fn per_second(&self) -> f64 {
        let mut at: Vec<i64> = self.0.iter().map(|arrival| arrival.at_us).collect();
        at.sort_unstable();
        let (from, to) = (at.len() / 10, at.len() * 9 / 10);
        if to <= from {
            return 0.0;
        }
        (to - from) as f64 / ((at[to] - at[from]).max(1) as f64 / 1e6)
    }

    /// Requests in each tenth of a second since the first.
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
