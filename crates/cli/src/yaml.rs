//! YAML 1.2 in and out. JSON is read by the same parser.

mod read;
mod write;

pub use read::documents;
pub use write::to_yaml;
