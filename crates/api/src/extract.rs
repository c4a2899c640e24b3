//! From bytes to plain structs, with everything that is wrong collected instead of the first thing only.

pub mod body;
pub mod key;
pub mod path;
pub mod query;
