//! The whole system in one process, as a user runs it; and the documents that are made from all of its parts.

mod configuration;
mod guides;
mod run;
