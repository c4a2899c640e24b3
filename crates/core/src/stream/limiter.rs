//! Rate limits that all replicas share: the generic cell rate algorithm (ITU-T I.371, Annex A) in Redis, by Redis's clock.
//!
//! A limiter must never be why nothing works: while Redis is away, each process keeps the limits by itself.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use redis::Script;
use std::{num::NonZeroU32, time::Duration};
use tokio::sync::Mutex;

use super::{RedisSettings, StreamError, link::Link};

/// The part of Redis's timeout that a decision may take: a request should not wait long for its rate limit.
const TIMEOUT_DIVISOR: u32 = 10;

/// `KEYS[i]` may pass once in `ARGV[2i-1]` µs, and `ARGV[2i]` times at once. Passed by all, or by none.
const TAKE: &str = r"
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

/// One in each interval in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub interval: Duration,
    pub burst: NonZeroU32,
}

impl Rate {
    pub fn per_second(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(1) / rate.get(), burst }
    }

    /// A minute's worth at once.
    pub fn per_minute(rate: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(60) / rate.get(), burst: rate }
    }

    /// Without any meanwhile, the whole burst may pass again after this.
    pub fn window(self) -> Duration {
        self.interval * self.burst.get()
    }

    fn by_itself(self) -> DefaultKeyedRateLimiter<String> {
        // More than a billion a second are as good as a billion.
        let interval = self.interval.max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(NonZeroU32::MAX));
        RateLimiter::keyed(quota.allow_burst(self.burst))
    }
}

/// What became of a request to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// So many more may pass at once; after `reset` without any, the whole burst.
    Passed { left: u32, reset: Duration },
    /// Nothing passes for this long.
    Refused { wait: Duration },
}

/// `N` limits that are passed together, or not at all.
pub struct Limiter<const N: usize> {
    link: Mutex<Link>,
    namespace: String,
    script: Script,
    timeout: Duration,
    rates: [Rate; N],
    by_itself: [DefaultKeyedRateLimiter<String>; N],
}

impl<const N: usize> Limiter<N> {
    pub fn new(settings: &RedisSettings, rates: [Rate; N]) -> Result<Self, StreamError> {
        Ok(Self {
            link: Mutex::new(Link::new(settings)?),
            namespace: settings.namespace.clone(),
            script: Script::new(TAKE),
            timeout: Duration::from_millis(settings.timeout_ms) / TIMEOUT_DIVISOR,
            rates,
            by_itself: rates.map(Rate::by_itself),
        })
    }

    /// Whether one request of `group` may pass the limits of these names.
    pub async fn pass(&self, group: &str, names: [&str; N]) -> RateDecision {
        match tokio::time::timeout(self.timeout, self.ask(group, names)).await {
            Ok(Ok(passage)) => passage,
            _ => self.by_itself(group, names),
        }
    }

    async fn ask(&self, group: &str, names: [&str; N]) -> Result<RateDecision, StreamError> {
        // Only for the connection, which many share: not while it answers.
        let mut connection = self.link.lock().await.connected().await?;
        let mut take = self.script.prepare_invoke();
        for name in names {
            // The braces keep all keys on one node of a Redis Cluster.
            take.key(format!("{}:{{{group}}}:limit:{name}", self.namespace));
        }
        for rate in self.rates {
            take.arg(u64::try_from(rate.interval.as_micros()).unwrap_or(u64::MAX)).arg(rate.burst.get());
        }
        let answer: redis::RedisResult<(u8, u32, u64)> = take.invoke_async(&mut connection).await;
        let (passed, left, ms) = self.link.lock().await.judged(answer)?;
        let time = Duration::from_millis(ms);
        Ok(if passed == 1 {
            RateDecision::Passed { left, reset: time }
        } else {
            RateDecision::Refused { wait: time }
        })
    }

    fn by_itself(&self, group: &str, names: [&str; N]) -> RateDecision {
        let passes = |(limiter, name): (&DefaultKeyedRateLimiter<String>, &str)| {
            limiter.check_key(&format!("{group}:{name}")).is_ok()
        };
        if self.by_itself.iter().zip(names).all(passes) {
            return RateDecision::Passed { left: 0, reset: Duration::from_secs(1) };
        }
        RateDecision::Refused { wait: Duration::from_secs(1) }
    }

    /// Forgets keys that have been quiet: for a pass that is repeated now and then.
    pub fn forget(&self) {
        self.by_itself.iter().for_each(RateLimiter::retain_recent);
    }
}
