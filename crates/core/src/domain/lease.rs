//! Limits that schedulers and executors must agree on, so that no request is sent under a lease that another executor has reclaimed.

use std::time::Duration;

/// How often an executor records a heartbeat.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);

/// An executor without a heartbeat for this long has expired, and its leases are reclaimed.
pub const EXECUTOR_TTL: Duration = Duration::from_secs(15);

/// An executor that could not record a heartbeat for this long, by its own monotonic clock, stops sending requests. The margin to
/// [`EXECUTOR_TTL`] covers a heartbeat that was recorded although its response was lost, and a request that is being sent.
pub const SELF_FENCE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long before its due time an execution may be leased, by Postgres's clock (`interval '5 seconds'` in `store::leases` and
/// `store::slots`).
pub const MAX_LEASE_AHEAD: Duration = Duration::from_secs(5);

const _: () = assert!(
    HEARTBEAT_INTERVAL.as_secs() * 2 < SELF_FENCE_TIMEOUT.as_secs()
        && SELF_FENCE_TIMEOUT.as_secs() < EXECUTOR_TTL.as_secs()
);
