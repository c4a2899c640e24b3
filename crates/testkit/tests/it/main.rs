//! Journeys: real processes and sockets, and what happens to the work when a process or a server fails.

mod cluster;
mod commands;
mod journeys;
mod logged;
mod operator;
mod operator_commands;
mod outage;
mod redis_move;
mod restore;
mod traces;
mod unauthenticated;

use std::time::Duration;
use trigrun_testkit::due;

/// Only ends a test that hangs.
const TIMEOUT: Duration = Duration::from_secs(180);

async fn until(what: &str, condition: impl AsyncFnMut() -> bool) {
    due::until(what, TIMEOUT, condition).await.unwrap();
}
