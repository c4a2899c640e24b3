//! Deliberate defects, so that `make mutants` can prove that the chaos tests find them.
//!
//! Only debug builds with the cargo feature `failpoints` have them. In any other build [`is`] is the constant `false`, so the compiler
//! removes the defect.

pub const NO_REPUBLISH: &str = "no-republish";
pub const NO_EXECUTOR_EXPIRY: &str = "no-executor-expiry";
pub const NO_UNIQUE_ID: &str = "no-unique-id";
pub const NO_FENCING: &str = "no-fencing";
pub const NO_SEARCH_OF_ENDED: &str = "no-search-of-ended";
pub const PUBLISH_BEFORE_COMMIT: &str = "publish-before-commit";
pub const NEXT_FROM_NOW: &str = "next-from-now";
pub const ACKNOWLEDGE_BEFORE_LEASE: &str = "acknowledge-before-lease";
pub const DEADLINE_ON_HEADERS_ONLY: &str = "deadline-on-headers-only";

/// Whether this build has failpoints.
pub const ENABLED: bool = cfg!(all(feature = "failpoints", debug_assertions));

/// Whether this process was started with that failpoint: `TRIGRUN_FAILPOINT` names one.
#[cfg(all(feature = "failpoints", debug_assertions))]
pub fn is(name: &str) -> bool {
    use std::sync::LazyLock;

    #[allow(clippy::disallowed_methods, reason = "not a setting of the product")]
    static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("TRIGRUN_FAILPOINT").ok());
    CHOSEN.as_deref().is_some_and(|chosen| chosen == name)
}

#[cfg(not(all(feature = "failpoints", debug_assertions)))]
pub const fn is(_name: &str) -> bool {
    false
}
