//! The API over real sockets, each test on its own database. One module per subject.

mod accounts;
mod app;
mod audit;
mod authorization;
mod bounds;
mod bytes;
mod connections;
mod contract;
mod docs;
mod executions;
mod import;
mod jobs;
mod limits;
mod mistakes;
mod notifications;
mod openapi;
mod outage;
mod preview;
mod protocol;
mod quotas;
mod rights;
mod round_trips;
mod secrets;
mod security;
mod users;
mod validation;
