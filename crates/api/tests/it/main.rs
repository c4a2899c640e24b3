//! The API over real sockets on a database of its own: one binary, one module per subject.

mod access;
mod app;
mod audit;
mod docs;
mod executions;
mod import;
mod jobs;
mod limits;
mod notifications;
mod openapi;
mod outage;
mod people;
mod preview;
mod protocol;
mod quotas;
mod refused;
mod secrets;
