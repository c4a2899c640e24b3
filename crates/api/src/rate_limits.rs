//! How much of the API anybody may use: limits that all replicas share, and one on guessing.

use actix_web::{HttpMessage, HttpRequest, http::StatusCode, http::header};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use ipnet::IpNet;
use serde::Deserialize;
use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};
use trigrun_core::stream::{
    RedisSettings, StreamError,
    limiter::{Limiter, Rate, RateDecision},
};

use crate::{problem::Problem, state::ApiResult};

const FORWARDED_FOR: &str = "x-forwarded-for";
const TESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// The section `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    pub token_per_second: NonZeroU32,
    pub token_burst: NonZeroU32,
    pub workspace_per_second: NonZeroU32,
    pub workspace_burst: NonZeroU32,
    pub failures_per_minute: NonZeroU32,
    pub sign_ups_per_hour: NonZeroU32,
    pub proxies: Vec<IpNet>,
}

pub struct Limits {
    shared: Limiter<2>,
    token: Rate,
    /// By network, of this process: wrong tokens and wrong passwords.
    failures: DefaultKeyedRateLimiter<IpAddr>,
    /// By e-mail address, of this process: tries to log in.
    logins: DefaultKeyedRateLimiter<String>,
    /// By network, of this process.
    sign_ups: DefaultKeyedRateLimiter<IpAddr>,
    /// Tests of channels, by workspace: each sends something to somebody.
    tests: Limiter<1>,
    proxies: Vec<IpNet>,
}

/// For the headers of the answer.
#[derive(Clone)]
struct Standing {
    limit: String,
    policy: String,
}

impl Limits {
    pub fn new(settings: &LimitSettings, redis: &RedisSettings) -> Result<Self, StreamError> {
        let token = Rate::per_second(settings.token_per_second, settings.token_burst);
        let workspace = Rate::per_second(settings.workspace_per_second, settings.workspace_burst);
        let failures = Quota::per_minute(settings.failures_per_minute);
        Ok(Self {
            shared: Limiter::new(redis, [token, workspace])?,
            token,
            failures: RateLimiter::keyed(failures),
            logins: RateLimiter::keyed(failures),
            tests: Limiter::new(redis, [Rate::per_minute(TESTS_PER_MINUTE)])?,
            sign_ups: RateLimiter::keyed(Quota::per_hour(settings.sign_ups_per_hour)),
            proxies: settings.proxies.clone(),
        })
    }

    /// One request of a token or session. Notes what the answer is to say of it.
    pub async fn pass(&self, request: &HttpRequest, token: &str, workspace: &str) -> ApiResult<()> {
        let passage = self.shared.pass(workspace, [token, "workspace"]).await;
        let (left, reset) = match passage {
            RateDecision::Passed { left, reset } => (left, seconds(reset)),
            RateDecision::Refused { wait } => (0, seconds(wait)),
        };
        let window = seconds(self.token.window());
        request.extensions_mut().insert(Standing {
            limit: format!("\"token\";r={left};t={reset}"),
            policy: format!("\"token\";q={};w={window}", self.token.burst),
        });
        match passage {
            RateDecision::Passed { .. } => Ok(()),
            RateDecision::Refused { wait } => Err(too_many(wait)),
        }
    }

    /// Whoever sent this guessed wrong; `Err` when that happens too often. Whoever guesses right is not held up.
    pub fn wrong(&self, request: &HttpRequest) -> ApiResult<()> {
        self.client(request).map_or(Ok(()), |address| by_itself(&self.failures, &network(address)))
    }

    /// The nearest address that is none of our proxies. What a proxy of ours noted last is believed; what stands before it anybody could
    /// have written.
    pub fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let noted = request.headers().get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
        let noted: Vec<&str> = noted.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut nearer = request.peer_addr()?.ip().to_canonical();
        for address in noted.iter().rev() {
            match address.parse::<IpAddr>() {
                Ok(farther) if self.proxies.iter().any(|proxy| proxy.contains(&nearer)) => {
                    nearer = farther.to_canonical();
                }
                _ => break,
            }
        }
        Some(nearer)
    }

    /// A try to log in as `email`, before its cost is paid.
    pub fn log_in(&self, email: &str) -> ApiResult<()> {
        by_itself(&self.logins, &email.to_lowercase())
    }

    /// A try to sign up, before its cost is paid.
    pub fn sign_up(&self, request: &HttpRequest) -> ApiResult<()> {
        self.client(request).map_or(Ok(()), |address| by_itself(&self.sign_ups, &network(address)))
    }

    /// A test of a channel of this workspace.
    pub async fn test(&self, workspace: &str) -> ApiResult<()> {
        match self.tests.pass(workspace, ["tests"]).await {
            RateDecision::Passed { .. } => Ok(()),
            RateDecision::Refused { wait } => Err(too_many(wait)),
        }
    }

    /// Forgets those that have been quiet.
    pub fn forget(&self) {
        self.shared.forget();
        self.failures.retain_recent();
        self.logins.retain_recent();
        self.sign_ups.retain_recent();
        self.tests.forget();
    }
}

/// One who has a network of IPv6 has all of its addresses (RFC 6177): they count as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

fn by_itself<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> ApiResult<()> {
    limiter.check_key(key).map_err(|refused| too_many(refused.wait_time_from(limiter.clock().now())))
}

pub fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

fn too_many(wait: Duration) -> Problem {
    let wait = seconds(wait).max(1);
    let detail = format!("Too many requests. Try again in {wait} s.");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
        .with_header(header::RETRY_AFTER, wait.to_string())
}

/// draft-ietf-httpapi-ratelimit-headers
pub const HEADERS: [&str; 2] = ["ratelimit", "ratelimit-policy"];

/// The values of `HEADERS` in an answer, if it has them.
pub fn headers(request: &HttpRequest) -> Option<[(&'static str, String); 2]> {
    let standing = request.extensions().get::<Standing>().cloned()?;
    Some([(HEADERS[0], standing.limit), (HEADERS[1], standing.policy)])
}
