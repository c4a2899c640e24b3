//! The kit of all tests and proofs: databases, Redis namespaces, scripted targets, processes, clients. Real servers, no mocks.

pub mod client;
pub mod cluster;
mod counted;
pub mod db;
pub mod due;
pub mod filters;
pub mod forbidden_hosts;
pub mod jobs;
pub mod keys;
pub mod mail;
pub mod memory;
pub mod own_redis;
pub mod process;
pub mod raw_http;
pub mod redis;
pub mod stats;
pub mod target;
pub mod tls_front;
pub mod tls_proxy;

pub use db::TestDb;
