//! Defects on purpose, so that the fault lab can show that it would find them. Only builds with debug assertions have them: in a release
//! build every question is answered no while compiling, and the defect is not in the binary.

use std::sync::LazyLock;

/// Names of defects. Each is one line of the product done wrong.
pub const NO_REPUBLISH: &str = "no-republish";
pub const NO_EXECUTOR_EXPIRY: &str = "no-executor-expiry";
pub const NO_UNIQUE_ID: &str = "no-unique-id";
pub const NO_FENCING: &str = "no-fencing";
pub const PUBLISH_BEFORE_COMMIT: &str = "publish-before-commit";
pub const NEXT_FROM_NOW: &str = "next-from-now";
pub const ACKNOWLEDGE_BEFORE_LEASE: &str = "acknowledge-before-lease";
pub const DEADLINE_ON_HEADERS_ONLY: &str = "deadline-on-headers-only";

/// Whether this process was started with that defect: `TRIGRUN_FAILPOINT` names one.
pub fn is(name: &str) -> bool {
    cfg!(debug_assertions) && named().is_some_and(|named| named == name)
}

fn named() -> Option<&'static str> {
    #[allow(clippy::disallowed_methods, reason = "no setting of the product")]
    static NAMED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("TRIGRUN_FAILPOINT").ok());
    NAMED.as_deref()
}
