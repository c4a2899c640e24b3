//! The dispatch messages in Redis: streams that say what is due, nothing more.
//!
//! The scheduler is the only writer, the executors are the only readers. An empty, restarted or wiped server is ordinary:
//! groups are made again, and what was lost is published again by the scheduler's `recover`.

pub mod consumer;
pub mod error;
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
