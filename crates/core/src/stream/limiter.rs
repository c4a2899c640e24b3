//! Rate limits that all replicas share: the generic cell rate algorithm (ITU-T I.371, Annex A) in Redis, by Redis's clock.
//!
//! A limiter must never be why nothing works: while Redis is away, each process keeps the limits by itself.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use redis::Script;
use std::{num::NonZeroU32, time::Duration};
use tokio::sync::Mutex;

use super::{RedisSettings, StreamError, link::Link};

/// Longer is not waited for: a request costs more than the answer is worth.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

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

/// So many a second in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

impl Rate {
    fn interval_us(self) -> u64 {
        1_000_000 / u64::from(self.per_second.get())
    }
}

/// What became of a request to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// So many more may pass at once; after `reset` without any, the whole burst.
    Passed { left: u32, reset: Duration },
    /// Nothing passes for this long.
    Refused { wait: Duration },
}

pub struct Limiter {
    link: Mutex<Link>,
    namespace: String,
    script: Script,
    by_itself: [DefaultKeyedRateLimiter<String>; 2],
    rates: [Rate; 2],
}

impl Limiter {
    /// Two limits that every request passes, the narrower one first; the second is of the group that the keys belong to.
    pub fn new(settings: &RedisSettings, rates: [Rate; 2]) -> Result<Self, StreamError> {
        let by_itself =
            rates.map(|rate| RateLimiter::keyed(Quota::per_second(rate.per_second).allow_burst(rate.burst)));
        Ok(Self {
            link: Mutex::new(Link::new(settings)?),
            namespace: settings.namespace.clone(),
            script: Script::new(TAKE),
            by_itself,
            rates,
        })
    }

    /// Whether one request of `key`, which belongs to `group`, may pass.
    pub async fn pass(&self, key: &str, group: &str) -> Passage {
        match tokio::time::timeout(ANSWER_WITHIN, self.ask(key, group)).await {
            Ok(Ok(passage)) => passage,
            _ => self.by_itself(key, group),
        }
    }

    async fn ask(&self, key: &str, group: &str) -> Result<Passage, StreamError> {
        // Only for the connection, which many share: not while it answers.
        let mut connection = self.link.lock().await.connected().await?;
        let mut take = self.script.prepare_invoke();
        // The braces keep both keys on one node of a Redis Cluster.
        take.key(format!("{}:{{{group}}}:limit:{key}", self.namespace))
            .key(format!("{}:{{{group}}}:limit", self.namespace));
        for rate in self.rates {
            take.arg(rate.interval_us()).arg(rate.burst.get());
        }
        let answer: redis::RedisResult<(u8, u32, u64)> = take.invoke_async(&mut connection).await;
        let (passed, left, ms) = self.link.lock().await.judged(answer)?;
        let time = Duration::from_millis(ms);
        Ok(if passed == 1 { Passage::Passed { left, reset: time } } else { Passage::Refused { wait: time } })
    }

    fn by_itself(&self, key: &str, group: &str) -> Passage {
        let [narrow, wide] = &self.by_itself;
        if narrow.check_key(&key.to_owned()).is_ok() && wide.check_key(&group.to_owned()).is_ok() {
            return Passage::Passed { left: 0, reset: Duration::from_secs(1) };
        }
        Passage::Refused { wait: Duration::from_secs(1) }
    }

    /// Forgets keys that have been quiet: for a pass that is repeated now and then.
    pub fn forget(&self) {
        self.by_itself.iter().for_each(RateLimiter::retain_recent);
    }
}
