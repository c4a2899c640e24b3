//! Rate limits that all replicas share: the generic cell rate algorithm (ITU-T I.371, Annex A) in Redis, by Redis's clock.
//!
//! A limiter must never make the service unavailable: while Redis is unavailable, each process applies the limits locally.

use redis::Script;
use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

mod allotments;
mod local;

pub use allotments::MAX_PERMITS;
pub use local::LocalLimiter;

use allotments::Allotments;

use super::{RedisSettings, StreamError, link::Link};

/// A decision may take this fraction of Redis's timeout: a request should not wait long for its rate limit.
const TIMEOUT_DIVISOR: u32 = 10;

/// `KEYS[i]` allows one request per `ARGV[2i+2]` µs, with a burst of `ARGV[2i+3]`. Gives back `ARGV[1]` permits, then takes up to `ARGV[2]`, but
/// at least `ARGV[3]` or none. They count against all keys.
const TAKE_SCRIPT: &str = r"
    local returned, most, least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local wait, taken, tats = 0, most, {}
    for i, key in ipairs(KEYS) do
        local interval, burst = tonumber(ARGV[2 * i + 2]), tonumber(ARGV[2 * i + 3])
        local tat = math.max(tonumber(redis.call('GET', key) or now) - returned * interval, now)
        tats[i] = tat
        wait = math.max(wait, tat + least * interval - burst * interval - now)
        taken = math.min(taken, math.floor((burst * interval - (tat - now)) / interval))
    end
    if wait > 0 then taken = 0 end
    local left, reset = -1, 0
    for i, key in ipairs(KEYS) do
        local interval, burst = tonumber(ARGV[2 * i + 2]), tonumber(ARGV[2 * i + 3])
        local tat = tats[i] + taken * interval
        local here = math.floor((burst * interval - (tat - now)) / interval)
        if left < 0 or here < left then left = here end
        reset = math.max(reset, tat - now)
        if taken + returned > 0 then
            redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
        end
    end
    if taken == 0 then return {0, 0, math.ceil(wait / 1000)} end
    return {taken, left, math.ceil(reset / 1000)}";

/// One request per interval on average, and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub interval: Duration,
    pub burst: NonZeroU32,
}

impl Rate {
    pub fn per_second(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(1) / rate.get(), burst }
    }

    /// With a burst of one minute's requests.
    pub fn per_minute(rate: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(60) / rate.get(), burst: rate }
    }

    /// With a burst of one hour's requests.
    pub fn per_hour(rate: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(3600) / rate.get(), burst: rate }
    }

    /// After this time without requests, the whole burst is available again.
    pub fn window(self) -> Duration {
        self.interval * self.burst.get()
    }
}

/// The decision on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// `left` further requests are allowed immediately; after `reset` without requests, the whole burst.
    Allowed { left: u32, reset: Duration },
    /// No request is allowed for this long.
    Limited { wait: Duration },
}

/// A request is allowed by the limits of this process; what other processes allow is not known.
const UNKNOWN: RateDecision = RateDecision::Allowed { left: 0, reset: Duration::from_secs(1) };

/// `N` limits, applied together: a request counts against all of them or none.
pub struct Limiter<const N: usize> {
    link: Mutex<Link>,
    namespace: String,
    script: Script,
    timeout: Duration,
    rates: [Rate; N],
    allotments: Allotments,
    fallback: [LocalLimiter; N],
}

/// How many permits to take.
#[derive(Clone, Copy)]
struct Permits {
    /// Of an earlier allotment.
    returned: u32,
    most: u32,
    /// None are taken if there are fewer.
    least: u32,
}

impl<const N: usize> Limiter<N> {
    pub fn new(settings: &RedisSettings, rates: [Rate; N]) -> Result<Self, StreamError> {
        Ok(Self {
            link: Mutex::new(Link::new(settings)?),
            namespace: settings.namespace.clone(),
            script: Script::new(TAKE_SCRIPT),
            timeout: Duration::from_millis(settings.timeout_ms) / TIMEOUT_DIVISOR,
            rates,
            allotments: Allotments::none(),
            fallback: rates.map(LocalLimiter::new),
        })
    }

    /// From now on, takes several permits at once for callers with many requests. Their number may be wrong by [`MAX_PERMITS`] per process.
    #[must_use]
    pub fn in_allotments(self) -> Self {
        Self { allotments: Allotments::of(&self.rates), ..self }
    }

    /// Whether the limits of these names allow one request of `group`.
    pub async fn check(&self, group: &str, names: [&str; N]) -> RateDecision {
        match tokio::time::timeout(self.timeout, self.check_shared(group, names)).await {
            Ok(Ok(decision)) => decision,
            _ => self.fallback(group, names, self.rates),
        }
    }

    /// Whether these rates allow `count` requests: all of them count, or none. Never if a burst is smaller. What a group has used counts at
    /// each rate.
    pub async fn check_all(
        &self,
        group: &str,
        names: [&str; N],
        rates: [Rate; N],
        count: u32,
    ) -> RateDecision {
        let permits = Permits { returned: 0, most: count, least: count };
        match tokio::time::timeout(self.timeout, self.take(group, names, rates, permits)).await {
            Ok(Ok((0, _, wait))) => RateDecision::Limited { wait },
            Ok(Ok((_, left, reset))) => RateDecision::Allowed { left, reset },
            _ => {
                let mut each = (0..count).map(|_| self.fallback(group, names, rates));
                each.find(|decision| matches!(decision, RateDecision::Limited { .. })).unwrap_or(UNKNOWN)
            }
        }
    }

    async fn check_shared(&self, group: &str, names: [&str; N]) -> Result<RateDecision, StreamError> {
        let mut allotment = self.allotments.lock(&(group, names)).await;
        let now = Instant::now();
        let mut permits = Permits { returned: 0, most: 1, least: 1 };
        if let Some(allotment) = &mut allotment {
            if let Some(decision) = self.allotments.take(allotment, now) {
                return Ok(decision);
            }
            permits.most = self.allotments.wanted(allotment, now);
            permits.returned = allotment.give_back();
        }
        let (taken, left, time) = self.take(group, names, self.rates, permits).await?;
        Ok(match &mut allotment {
            _ if taken == 0 => RateDecision::Limited { wait: time },
            Some(allotment) => self.allotments.fill(allotment, taken, left, time, Instant::now()),
            None => RateDecision::Allowed { left, reset: time },
        })
    }

    /// How many permits were taken, how many are left, and after which time without requests the whole burst is available; or 0, 0, and how
    /// long to wait.
    async fn take(
        &self,
        group: &str,
        names: [&str; N],
        rates: [Rate; N],
        permits: Permits,
    ) -> Result<(u32, u32, Duration), StreamError> {
        // Locks only to get the connection, which many tasks share, and not while waiting for the reply.
        let mut connection = self.link.lock().await.connected().await?;
        let mut take = self.script.prepare_invoke();
        for name in names {
            // The braces keep all keys on one node of a Redis Cluster.
            take.key(format!("{}:{{{group}}}:limit:{name}", self.namespace));
        }
        take.arg(permits.returned).arg(permits.most).arg(permits.least);
        for rate in rates {
            take.arg(u64::try_from(rate.interval.as_micros()).unwrap_or(u64::MAX)).arg(rate.burst.get());
        }
        let reply: redis::RedisResult<(u32, u32, u64)> = take.invoke_async(&mut connection).await;
        let (taken, left, ms) = self.link.lock().await.check_reply(reply)?;
        Ok((taken, left, Duration::from_millis(ms)))
    }

    fn fallback(&self, group: &str, names: [&str; N], rates: [Rate; N]) -> RateDecision {
        let limiters = self.fallback.iter().zip(names).zip(rates);
        let decisions = limiters.map(|((limiter, name), rate)| limiter.check_at(&(group, name), rate));
        let limited = decisions.into_iter().find(|decision| matches!(decision, RateDecision::Limited { .. }));
        limited.unwrap_or(UNKNOWN)
    }
}
