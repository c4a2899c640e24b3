//! The routes, a file per resource.

pub mod audit;
pub mod auth;
pub mod channels;
pub mod docs;
pub mod executions;
pub mod health;
pub mod jobs;
pub mod list;
pub mod members;
pub mod notifications;
pub mod rules;
pub mod schedules;
pub mod secrets;
pub mod tokens;
pub mod workspace;
