//! Dispatch messages in Redis streams: they announce which executions are due, and carry nothing else.
//!
//! Only the scheduler writes, and only executors read. An empty, restarted or wiped server is a normal condition: groups are created again,
//! and the scheduler's `republish` pass requests publication of lost messages again.

pub mod check;
pub mod consumer;
pub mod error;
pub mod installations;
pub mod key;
mod lane;
pub mod limiter;
pub mod link;
pub mod message;
pub mod producer;
pub mod server;

pub use consumer::{Consumer, Received};
pub use error::StreamError;
pub use link::RedisSettings;
pub use producer::Producer;
