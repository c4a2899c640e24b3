//! All SQL of the product. Postgres is the truth, and is read and changed only here.
//!
//! Free functions `fn(conn, workspace, …) -> Result<T, StoreError>`: the caller owns the connection. Writes that must happen
//! together are one function with a transaction inside. Functions over a tenant's data take the workspace right after the
//! connection and filter by it: another workspace's id is *not found*. A change of state is one conditional statement that
//! names the state it expects.

pub mod audit;
pub mod backlog;
pub mod channels;
pub mod clock;
pub mod columns;
mod completion;
mod conn;
pub mod destination;
pub mod dispatch;
pub mod error;
pub mod executions;
pub mod executors;
pub mod holds;
pub mod installation;
pub mod invitations;
pub mod jobs;
pub mod leases;
pub mod lower_bound;
pub mod members;
pub mod migrate;
pub mod notifications;
pub mod operator_audit;
pub mod operators;
pub mod partitions;
pub mod pool;
mod postgres_url;
pub mod quotas;
pub mod request_tests;
mod rights;
pub mod rules;
pub mod schema;
pub mod secrets;
pub mod sent;
pub mod server;
pub mod sessions;
pub mod signing;
pub mod slots;
pub mod snapshots;
pub mod sql;
pub mod statistics;
pub mod tenants;
pub mod timers;
pub mod tokens;
pub mod users;
pub mod verifications;
pub mod wake;
pub mod work;
pub mod workspace_keys;
pub mod workspace_rules;
pub mod workspaces;

pub use conn::Conn;
pub use error::StoreError;
pub use pool::{Db, PostgresSettings};
