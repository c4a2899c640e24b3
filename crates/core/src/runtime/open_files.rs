//! How many files this process may have open (`ulimit -n`). Every connection is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard limit, which needs no privileges, and returns what then holds. Many systems set a soft limit of
/// 1,024 for the sake of programs that use select(2).
pub fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    let raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    if raised { hard } else { soft }
}

/// The limit that [`raise_limit`] would reach.
pub fn hard_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(_, hard)| hard)
}
