//! The executor against real servers: one binary, one module per subject.

mod egress;
mod runs;
