//! The console: a web page for people, which is embedded in the binary and uses the API of the server that serves it.

mod base_path;
mod files;
mod index;
mod serve;

pub use base_path::{BasePath, InvalidBasePath};
pub use serve::Console;
