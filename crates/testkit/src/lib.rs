//! What tests share: real servers on loopback, scripted.

pub mod db;
pub mod jobs;
pub mod keys;
pub mod mail;
pub mod process;
pub mod redis;
pub mod target;

pub use db::TestDb;
