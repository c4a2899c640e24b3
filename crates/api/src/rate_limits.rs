//! Rate limits of tokens and workspaces, shared by all replicas; and limits on guessing, per process. Both take a fixed amount of memory.

use actix_web::{HttpMessage, HttpRequest, http::header};
use ipnet::IpNet;
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};
use trigrun_core::stream::{
    RedisSettings, StreamError,
    limiter::{Limiter, LocalLimiter, Rate, RateDecision},
};

mod log_ins;

pub use log_ins::REFUSAL_DELAY;
use log_ins::{LogIns, Pace};

use crate::{
    problem::{Problem, ProblemCode},
    result::ApiResult,
};

/// draft-ietf-httpapi-ratelimit-headers
pub const HEADERS: [&str; 2] = ["ratelimit", "ratelimit-policy"];

const FORWARDED_FOR: &str = "x-forwarded-for";
const MAX_CHANNEL_TESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
const MAX_INVITATIONS_PER_HOUR: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// From one network, and from all.
const MAX_VERIFICATIONS_PER_HOUR: [NonZeroU32; 2] =
    [NonZeroU32::new(5).unwrap(), NonZeroU32::new(15).unwrap()];
const MAX_REQUEST_TESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

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
    /// By user with a session, over all workspaces: as much as a token.
    users: Limiter<1>,
    token: Rate,
    /// By network, in this process: invalid tokens and wrong passwords.
    failures: LocalLimiter,
    log_ins: LogIns,
    /// By network, in this process.
    sign_ups: LocalLimiter,
    /// By e-mail address, from one network and from all, in this process: each sends an e-mail that its owner may not have asked for.
    verifications: [LocalLimiter; 2],
    /// By network, in this process: those that are sent by e-mail.
    invitations: LocalLimiter,
    /// By workspace: each test of a channel sends a message to a third party.
    channel_tests: Limiter<1>,
    /// By workspace: each sends a request.
    request_tests: Limiter<1>,
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
        Ok(Self {
            shared: Limiter::new(redis, [token, workspace])?.in_allotments(),
            users: Limiter::new(redis, [token])?.in_allotments(),
            token,
            failures: LocalLimiter::new(Rate::per_minute(settings.failures_per_minute)),
            log_ins: LogIns::new(settings.failures_per_minute),
            channel_tests: Limiter::new(redis, [Rate::per_minute(MAX_CHANNEL_TESTS_PER_MINUTE)])?,
            request_tests: Limiter::new(redis, [Rate::per_minute(MAX_REQUEST_TESTS_PER_MINUTE)])?,
            sign_ups: LocalLimiter::new(Rate::per_hour(settings.sign_ups_per_hour)),
            verifications: MAX_VERIFICATIONS_PER_HOUR.map(|max| LocalLimiter::new(Rate::per_hour(max))),
            invitations: LocalLimiter::new(Rate::per_hour(MAX_INVITATIONS_PER_HOUR)),
            proxies: settings.proxies.clone(),
        })
    }

    /// One request of a token or user in a workspace. Stores the status for the headers of the response.
    pub async fn check(&self, request: &HttpRequest, caller: &str, workspace: &str) -> ApiResult<()> {
        self.decided(request, self.shared.check(workspace, [caller, "workspace"]).await)
    }

    /// One request of a session, in whatever workspace.
    pub async fn check_user(&self, request: &HttpRequest, user: &str) -> ApiResult<()> {
        self.decided(request, self.users.check(user, ["user"]).await)
    }

    fn decided(&self, request: &HttpRequest, decision: RateDecision) -> ApiResult<()> {
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
        allowed(self.failures.check(&self.network(request)))
    }

    /// The address of the client: the nearest one that is not a trusted proxy. What a trusted proxy appended to X-Forwarded-For counts; the
    /// client can have written anything before it.
    pub fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let values: Vec<&str> =
            request.headers().get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect();
        let mut nearer = request.peer_addr()?.ip().to_canonical();
        for address in values.iter().rev().flat_map(|value| value.rsplit(',')).map(str::trim) {
            match address.parse::<IpAddr>() {
                Ok(farther) if self.proxies.iter().any(|proxy| proxy.contains(&nearer)) => {
                    nearer = farther.to_canonical();
                }
                _ => break,
            }
        }
        Some(nearer)
    }

    /// Whether this client may try a password of the user with this address. Does not depend on whether there is such a user, or whether the
    /// password is right.
    pub fn may_log_in(&self, request: &HttpRequest, email: &str) -> ApiResult<Pace> {
        let network = self.network(request);
        self.log_ins.check(&self.failures, email, network)
    }

    /// A wrong password. `Err` if it is one too many.
    pub fn log_in_failed(&self, request: &HttpRequest, email: &str, pace: Pace) -> ApiResult<()> {
        let network = self.network(request);
        self.failures.check(&network);
        self.log_ins.failed(email, network, pace)
    }

    /// A right password.
    pub fn logged_in(&self, request: &HttpRequest, email: &str) {
        self.log_ins.succeeded(email, self.network(request));
    }

    /// An attempt to sign up or to verify an address, checked before anything is done.
    pub fn sign_up(&self, request: &HttpRequest) -> ApiResult<()> {
        allowed(self.sign_ups.check(&self.network(request)))
    }

    /// Whether another e-mail may be sent to this address. One network cannot use up what the address may get.
    pub fn may_mail(&self, request: &HttpRequest, email: &str) -> bool {
        let [of_network, of_all] = &self.verifications;
        let allowed = |decision| matches!(decision, RateDecision::Allowed { .. });
        allowed(of_network.check(&(self.network(request), email))) && allowed(of_all.check(&email))
    }

    /// An invitation that is sent to this address.
    pub fn invite(&self, request: &HttpRequest, email: &str) -> ApiResult<()> {
        let [of_network, of_all] = &self.verifications;
        allowed(self.invitations.check(&self.network(request)))?;
        allowed(of_network.check(&(self.network(request), email)))?;
        allowed(of_all.check(&email))
    }

    fn network(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.client(request).map(network)
    }

    /// A test of a channel of this workspace.
    pub async fn test_channel(&self, workspace: &str) -> ApiResult<()> {
        allowed(self.channel_tests.check(workspace, ["tests"]).await)
    }

    /// A test of a request of this workspace.
    pub async fn test_request(&self, workspace: &str) -> ApiResult<()> {
        allowed(self.request_tests.check(workspace, ["request_tests"]).await)
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

/// Rounded up.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

fn too_many_requests(wait: Duration) -> Problem {
    let wait = seconds(wait).max(1);
    let detail = format!("Too many requests. Try again in {wait} s.");
    Problem::new(ProblemCode::RateLimited, detail).with_header(header::RETRY_AFTER, wait.to_string())
}

/// The headers of the response, if the request was checked.
pub fn headers(request: &HttpRequest) -> Option<[(&'static str, String); 2]> {
    let status = request.extensions().get::<RateLimitStatus>().cloned()?;
    Some([(HEADERS[0], status.limit), (HEADERS[1], status.policy)])
}
