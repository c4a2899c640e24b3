//! The routes, a file per resource.

pub mod executions;
pub mod health;
pub mod jobs;
pub mod list;
pub mod schedules;
pub mod secrets;
pub mod workspace;
