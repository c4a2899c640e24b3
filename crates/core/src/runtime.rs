//! The lifecycle of a process: its tasks, its clock, its shutdown, its health probes, and how its capacities are divided.

pub mod clock;
pub mod open_files;
pub mod probes;
pub mod process;
pub mod shares;
pub mod shutdown;
pub mod tasks;
