//! The lifecycle of a process: its tasks, its clock, its shutdown and its health probes.

pub mod clock;
pub mod open_files;
pub mod probes;
pub mod process;
pub mod shutdown;
pub mod tasks;
