//! The API over real sockets, each test on its own database. One module per subject.

mod accounts;
mod app;
mod audit;
mod authorization;
mod bytes;
mod connections;
mod docs;
mod executions;
mod import;
mod jobs;
mod limits;
mod notifications;
mod openapi;
mod outage;
mod preview;
mod protocol;
mod quotas;
mod rights;
mod secrets;
mod security;
mod users;
mod validation;
