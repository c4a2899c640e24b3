//! The executor: leases executions, makes their requests at their instants, records what became of them.
//!
//! ```text
//! stream ─► intake ─► lease, acknowledge ─► prepare ─► hold ─► send ─► record
//!              ▲                                            │
//!              └──────────────── retries ◄──────────────────┘
//! ```
//!
//! Everything it holds belongs to a *session* that says every two seconds that it lives. When it cannot, it stops sending
//! before others may take over; when it was declared dead, it drops everything and begins anew.

mod attempt;
pub mod egress;
mod in_flight;
mod intake;
mod notify;
mod reconcile;
mod record;
mod request;
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
