//! The commands, a file for each group.

pub mod api;
pub mod apply;
pub mod channels;
pub mod executions;
pub mod export;
pub mod import;
pub mod jobs;
pub mod login;
pub mod mcp;
pub mod schedule;
pub mod secrets;
pub mod tokens;
