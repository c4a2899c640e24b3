//! Commands for operators, beside `serve`: what they print and what they ask.

pub mod client;
pub mod doctor;
pub mod smoke;
