//! The passes, called directly, against a real Postgres and a real Redis.

mod bench;
mod installations;
mod passes;
mod pauses;
mod retention;
mod statistics;
mod suspensions;
