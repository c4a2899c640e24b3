#![doc = include_str!("../../../docs/invariants.md")]

pub mod config;
pub mod crypto;
pub mod domain;
pub mod failpoint;
pub mod mail;
pub mod runtime;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod tls;
