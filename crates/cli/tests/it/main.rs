//! The command line against a whole system: `trigrun-dev`, with a real Postgres and Redis.
//!
//! TRIGRUN_DEV_BINARY may name that program. Otherwise it is the one that was built together with these tests.

mod agents;
mod files;
mod imports;
mod jobs;
mod login;
mod output;
mod proxy;
mod retries;
mod runs;
mod system;
mod target;
mod terminal;
