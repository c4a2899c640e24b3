//! Rate limits of tokens and workspaces, shared by all replicas; and limits on guessing, per process.

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

use crate::{problem::Problem, result::ApiResult};

/// draft-ietf-httpapi-ratelimit-headers
pub const HEADERS: [&str; 2] = ["ratelimit", "ratelimit-policy"];

const FORWARDED_FOR: &str = "x-forwarded-for";
const MAX_CHANNEL_TESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

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

pub struct RateLimits {
    shared: Limiter<2>,
    token: Rate,
    /// By network, in this process: invalid tokens and wrong passwords.
    failures: DefaultKeyedRateLimiter<IpAddr>,
    /// By e-mail address, in this process: login attempts.
    logins: DefaultKeyedRateLimiter<String>,
    /// By network, in this process.
    sign_ups: DefaultKeyedRateLimiter<IpAddr>,
    /// By workspace: each test of a channel sends a message to a third party.
    channel_tests: Limiter<1>,
    proxies: Vec<IpNet>,
}

/// The values of `HEADERS` for this request.
#[derive(Clone)]
struct RateLimitStatus {
    limit: String,
    policy: String,
}

impl RateLimits {
    pub fn new(settings: &LimitSettings, redis: &RedisSettings) -> Result<Self, StreamError> {
        let token = Rate::per_second(settings.token_per_second, settings.token_burst);
        let workspace = Rate::per_second(settings.workspace_per_second, settings.workspace_burst);
        let failures = Quota::per_minute(settings.failures_per_minute);
        Ok(Self {
            shared: Limiter::new(redis, [token, workspace])?,
            token,
            failures: RateLimiter::keyed(failures),
            logins: RateLimiter::keyed(failures),
            channel_tests: Limiter::new(redis, [Rate::per_minute(MAX_CHANNEL_TESTS_PER_MINUTE)])?,
            sign_ups: RateLimiter::keyed(Quota::per_hour(settings.sign_ups_per_hour)),
            proxies: settings.proxies.clone(),
        })
    }

    /// One request of a token or user. Stores the status for the headers of the response.
    pub async fn check(&self, request: &HttpRequest, caller: &str, workspace: &str) -> ApiResult<()> {
        let decision = self.shared.check(workspace, [caller, "workspace"]).await;
        let (left, reset) = match decision {
            RateDecision::Allowed { left, reset } => (left, seconds(reset)),
            RateDecision::Limited { wait } => (0, seconds(wait)),
        };
        let window = seconds(self.token.window());
        request.extensions_mut().insert(RateLimitStatus {
            limit: format!("\"token\";r={left};t={reset}"),
            policy: format!("\"token\";q={};w={window}", self.token.burst),
        });
        allowed(decision)
    }

    /// Counts a failed authentication. `Err` when the network has too many; a successful authentication is never counted.
    pub fn record_failure(&self, request: &HttpRequest) -> ApiResult<()> {
        self.client(request).map_or(Ok(()), |address| check_local(&self.failures, &network(address)))
    }

    /// The address of the client: the nearest one that is not a trusted proxy. What a trusted proxy appended to X-Forwarded-For counts; the
    /// client can have written anything before it.
    pub fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let forwarded = request.headers().get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
        let forwarded: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut nearer = request.peer_addr()?.ip().to_canonical();
        for address in forwarded.iter().rev() {
            match address.parse::<IpAddr>() {
                Ok(farther) if self.proxies.iter().any(|proxy| proxy.contains(&nearer)) => {
                    nearer = farther.to_canonical();
                }
                _ => break,
            }
        }
        Some(nearer)
    }

    /// A login attempt for `email`, checked before the password is hashed.
    pub fn log_in(&self, email: &str) -> ApiResult<()> {
        check_local(&self.logins, &email.to_lowercase())
    }

    /// A sign-up attempt, checked before the password is hashed.
    pub fn sign_up(&self, request: &HttpRequest) -> ApiResult<()> {
        self.client(request).map_or(Ok(()), |address| check_local(&self.sign_ups, &network(address)))
    }

    /// A test of a channel of this workspace.
    pub async fn test_channel(&self, workspace: &str) -> ApiResult<()> {
        allowed(self.channel_tests.check(workspace, ["tests"]).await)
    }

    /// Forgets idle keys.
    pub fn forget_idle(&self) {
        self.shared.purge_idle();
        self.failures.retain_recent();
        self.logins.retain_recent();
        self.sign_ups.retain_recent();
        self.channel_tests.purge_idle();
    }
}

/// A subscriber with IPv6 has a whole network of addresses (RFC 6177): a /64 counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

fn allowed(decision: RateDecision) -> ApiResult<()> {
    match decision {
        RateDecision::Allowed { .. } => Ok(()),
        RateDecision::Limited { wait } => Err(too_many_requests(wait)),
    }
}

fn check_local<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> ApiResult<()> {
    limiter.check_key(key).map_err(|limited| too_many_requests(limited.wait_time_from(limiter.clock().now())))
}

/// Rounded up.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

fn too_many_requests(wait: Duration) -> Problem {
    let wait = seconds(wait).max(1);
    let detail = format!("Too many requests. Try again in {wait} s.");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
        .with_header(header::RETRY_AFTER, wait.to_string())
}

/// The headers of the response, if the request was checked.
pub fn headers(request: &HttpRequest) -> Option<[(&'static str, String); 2]> {
    let status = request.extensions().get::<RateLimitStatus>().cloned()?;
    Some([(HEADERS[0], status.limit), (HEADERS[1], status.policy)])
}
