//! The executor: leases executions, makes their requests at their instants, records the results.
//!
//! ```text
//! stream ─► intake ─► lease, acknowledge ─► prepare ─► wait ─► send ─► record
//!              ▲                                                         │
//!              └─────────────────────── retries ◄────────────────────────┘
//! ```
//!
//! All its leases belong to a *session*, which sends a heartbeat every two seconds. While heartbeats fail, the executor stops
//! sending before others may reclaim its executions. When its session was expired, it drops everything and begins another one.

mod accounts;
mod attempt;
pub mod egress;
mod in_flight;
mod intake;
mod notify;
pub mod owner;
mod reconcile;
mod record;
mod request;
mod request_tests;
mod retries;
mod secrets;
mod serve;
mod session;
mod settings;
mod spans;
mod timer;

pub use notify::email::SmtpSettings;
pub use serve::{ExecutorError, serve};
pub use settings::{DEFAULTS, EgressSettings, ExecutorSettings, Settings};
