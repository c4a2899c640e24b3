//! What every process of TrigRun must agree on.
//!
//! Invariants:
//! 1. Postgres is the truth. Losing all of Redis loses time, never work.
//! 2. The scheduler is the only writer of the streams, the executors the only readers. The API never needs Redis: it wakes the
//!    scheduler through Postgres NOTIFY, and polling is the fallback.
//! 3. A stream entry is a dispatch message: kind, id, due time, traceparent, version. Never a payload, never a secret.
//! 4. Acknowledge last: lease → act → commit → XACK.
//! 5. Every change of state is one conditional UPDATE that names the state and the attempt it expects. Zero rows updated means
//!    that somebody else won: an ordinary answer, not an error.
//! 6. The domain does no I/O and has no clock: `now` is an argument. Deadlines are measured by Postgres's clock.
//! 7. A failing target is data (`Outcome`), not an `Err`. `Err` means that we failed.
//! 8. Workspace first: every store function over tenant data takes the workspace right after the connection and filters by it;
//!    another workspace's id is *not found*, never *forbidden*.
//! 9. A background duty is a *pass*: a plain async function, idempotent, safe in two processes at once, called directly by tests.

pub mod config;
pub mod crypto;
pub mod domain;
pub mod failpoint;
pub mod runtime;
pub mod store;
pub mod stream;
pub mod telemetry;
