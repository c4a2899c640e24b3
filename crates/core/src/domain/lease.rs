//! The numbers that schedulers and executors must agree on, so that no request is sent under a lease that has passed on.

use std::time::Duration;

/// How often an executor says that it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// An executor that was silent for this long is dead: its work is taken over.
pub const SESSION_TTL: Duration = Duration::from_secs(15);

/// An executor that could not say so for this long sends nothing more, by its own monotonic clock. The margin to
/// [`SESSION_TTL`] covers a heartbeat that was recorded before its answer was lost, and a request on its way out.
pub const STOP_SENDING: Duration = Duration::from_secs(10);

/// An execution is leased at most so long before it is due, by Postgres's clock (`interval '5 seconds'` in `store::leases`
/// and `store::slots`): nobody holds one for longer.
pub const LEASED_AHEAD: Duration = Duration::from_secs(5);

const _: () = assert!(
    HEARTBEAT.as_secs() * 2 < STOP_SENDING.as_secs() && STOP_SENDING.as_secs() < SESSION_TTL.as_secs()
);
