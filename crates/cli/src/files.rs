//! Files of jobs: what they say, and the stacks that they make.

mod credentials;
mod load;
mod variables;

pub use credentials::{is_sensitive, secrets_of};
pub use load::{Options, Stack, load};
pub use variables::{escape, substitute};
