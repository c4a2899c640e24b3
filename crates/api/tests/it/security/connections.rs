//! Suite P: the API's own connections: ambiguous framing, invalid heads, what browsers may do, and guessing.
//!
//! Requests that are too large or too slow are in `crates/security`: they measure the memory and the time of a process.

mod chunks;
mod framing;
mod guessing;
mod heads;
mod responses;

use super::case::Suite;

pub fn suite() -> Suite {
    let cases = [framing::cases(), chunks::cases(), heads::cases(), responses::cases(), guessing::cases()];
    Suite { letter: 'P', cases: cases.into_iter().flatten().collect() }
}
