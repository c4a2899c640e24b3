//! The environment variables that the command line reads, in one place.

/// The value of a variable that is set and not empty.
#[allow(
    clippy::disallowed_methods,
    reason = "the settings of a server are read elsewhere; this program has none of them"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of a variable that is set, also if it is empty.
#[allow(clippy::disallowed_methods, reason = "a file of jobs names variables of its user")]
pub fn defined(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
