//! The executor against real servers: one binary, one module per subject.

mod bench;
mod egress;
mod limits;
mod notify;
mod runs;
