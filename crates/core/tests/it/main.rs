//! Tests of core against a real Postgres and a real Redis.

mod convert;
mod corpus;
mod creation;
mod errors;
mod holds;
mod house;
mod jobs;
mod leases;
mod migrations;
mod notifications;
mod one_record;
mod partitions;
mod plans;
mod pool;
mod probes;
mod request_tests;
mod rights;
mod schema;
mod sent_request;
mod slots;
mod snapshots;
mod streams;
mod supply;
mod tenants;
mod tls;
mod waiting;
