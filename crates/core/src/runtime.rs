//! How a process lives: its tasks, its clock, its end, and how it says that it is well.

pub mod clock;
pub mod probes;
pub mod process;
pub mod shutdown;
pub mod tasks;
