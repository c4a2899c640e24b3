//! The rules of the product. They are pure: no I/O, no clock, no async code.
//!
//! `now` is always an argument, so that every rule can be tested at any instant. No module here imports `store`, `stream` or a runtime; the
//! import test in `tests/it/house.rs` checks this.

pub mod access;
pub mod address;
pub mod attempt;
pub mod audit;
pub mod baseline;
pub mod chain;
pub mod channel;
pub mod convert;
pub mod crontab;
pub mod dispatch;
pub mod execution;
pub mod fire;
pub mod forecast;
pub mod hold;
pub mod id;
pub mod invalid;
pub mod job;
pub mod lease;
pub mod ledger;
pub mod notification;
pub mod operator;
pub mod page;
pub mod redact;
pub mod request;
pub mod request_test;
pub mod retry;
pub mod rights;
pub mod schedule;
pub mod secret;
pub mod sent_request;
pub mod session;
pub mod statistics;
pub mod statuses;
mod string_enum;
pub mod target;
pub mod timer;
pub mod upcoming;
pub mod user;
pub mod variables;
pub mod verification;
pub mod wording;
pub mod workspace;
