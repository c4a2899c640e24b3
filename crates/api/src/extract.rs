//! From bytes to plain structs. All errors of a request are collected, not only the first.

pub mod body;
pub mod depth;
mod field_hints;
pub mod json;
pub mod key;
pub mod path;
pub mod query;
pub mod read_only;
pub mod values;
