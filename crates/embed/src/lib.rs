//! A private Postgres and Redis for one program: development, tests, benchmarks.
//!
//! Both listen on unix sockets only, keep their files in one directory, and end with the process that started
//! them, also when it is killed. Linux only: it reads /proc. It must not know anything about TrigRun (no schema,
//! no keys, no configuration); callers create their databases. `setup.sh` installs the server programs.

mod account;
mod directories;
mod error;
mod frozen;
mod launch;
mod options;
mod orphans;
mod postgres;
mod programs;
mod redis;
mod scratch;
mod server;
mod services;
mod spawn;

pub use error::EmbedError;
pub use frozen::Frozen;
pub use options::{Durability, Options};
pub use programs::Programs;
pub use scratch::Scratch;
pub use server::Server;
pub use services::{Services, Shutdown};
pub use spawn::{ends_with_us, setpriv};
