//! The whole system in one process, as a user runs it, and the documentation that covers all of it.

mod configuration;
mod guides;
mod run;
