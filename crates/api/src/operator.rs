//! The commands of `trigrun-api` besides `serve`.

pub mod client;
pub mod commands;
pub mod doctor;
pub mod smoke;
