//! Rate limits that all replicas share: the generic cell rate algorithm (ITU-T I.371, Annex A) in Redis, by Redis's clock.
//!
//! A limiter must never make the service unavailable: while Redis is unavailable, each process applies the limits locally.

use redis::Script;
use std::{num::NonZeroU32, time::Duration};
use tokio::sync::Mutex;

mod local;

pub use local::LocalLimiter;

use super::{RedisSettings, StreamError, link::Link};

/// A decision may take this fraction of Redis's timeout: a request should not wait long for its rate limit.
const TIMEOUT_DIVISOR: u32 = 10;

/// `KEYS[i]` allows one request per `ARGV[2i-1]` µs, with a burst of `ARGV[2i]`. The request counts against all keys, or against none.
const TAKE_SCRIPT: &str = r"
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local wait, left, reset, tats = 0, -1, 0, {}
    for i, key in ipairs(KEYS) do
        local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
        local tat = math.max(tonumber(redis.call('GET', key) or now), now) + interval
        tats[i] = tat
        wait = math.max(wait, tat - burst * interval - now)
        local here = math.floor((burst * interval - (tat - now)) / interval)
        if left < 0 or here < left then left = here end
        reset = math.max(reset, tat - now)
    end
    if wait > 0 then return {0, 0, math.ceil(wait / 1000)} end
    for i, key in ipairs(KEYS) do
        redis.call('SET', key, string.format('%.0f', tats[i]), 'PX', math.ceil((tats[i] - now) / 1000) + 1)
    end
    return {1, left, math.ceil(reset / 1000)}";

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

/// `N` limits, applied together: a request counts against all of them or none.
pub struct Limiter<const N: usize> {
    link: Mutex<Link>,
    namespace: String,
    script: Script,
    timeout: Duration,
    rates: [Rate; N],
    fallback: [LocalLimiter; N],
}

impl<const N: usize> Limiter<N> {
    pub fn new(settings: &RedisSettings, rates: [Rate; N]) -> Result<Self, StreamError> {
        Ok(Self {
            link: Mutex::new(Link::new(settings)?),
            namespace: settings.namespace.clone(),
            script: Script::new(TAKE_SCRIPT),
            timeout: Duration::from_millis(settings.timeout_ms) / TIMEOUT_DIVISOR,
            rates,
            fallback: rates.map(LocalLimiter::new),
        })
    }

    /// Whether the limits of these names allow one request of `group`.
    pub async fn check(&self, group: &str, names: [&str; N]) -> RateDecision {
        match tokio::time::timeout(self.timeout, self.decide(group, names)).await {
            Ok(Ok(decision)) => decision,
            _ => self.fallback(group, names),
        }
    }

    async fn decide(&self, group: &str, names: [&str; N]) -> Result<RateDecision, StreamError> {
        // Locks only to get the connection, which many tasks share, and not while waiting for the reply.
        let mut connection = self.link.lock().await.connected().await?;
        let mut take = self.script.prepare_invoke();
        for name in names {
            // The braces keep all keys on one node of a Redis Cluster.
            take.key(format!("{}:{{{group}}}:limit:{name}", self.namespace));
        }
        for rate in self.rates {
            take.arg(u64::try_from(rate.interval.as_micros()).unwrap_or(u64::MAX)).arg(rate.burst.get());
        }
        let reply: redis::RedisResult<(u8, u32, u64)> = take.invoke_async(&mut connection).await;
        let (allowed, left, ms) = self.link.lock().await.check_reply(reply)?;
        let time = Duration::from_millis(ms);
        Ok(if allowed == 1 {
            RateDecision::Allowed { left, reset: time }
        } else {
            RateDecision::Limited { wait: time }
        })
    }

    fn fallback(&self, group: &str, names: [&str; N]) -> RateDecision {
        let decisions = self.fallback.iter().zip(names).map(|(limiter, name)| limiter.check(&(group, name)));
        let limited = decisions.into_iter().find(|decision| matches!(decision, RateDecision::Limited { .. }));
        limited.unwrap_or(RateDecision::Allowed { left: 0, reset: Duration::from_secs(1) })
    }
}
