//! The lifecycle of a process: its tasks, its clock, its hold, its shutdown, its health probes, and how its capacities are divided.

pub mod clock;
pub mod hold;
pub mod open_files;
pub mod probes;
pub mod process;
pub mod shares;
pub mod shutdown;
pub mod tasks;
