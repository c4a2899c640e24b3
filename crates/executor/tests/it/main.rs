//! The executor against real servers: one binary, one module per subject.

mod bench;
mod capacity;
mod documented;
mod egress;
mod holds;
mod limits;
mod notify;
mod request_tests;
mod runs;
