//! Family P: the API's own door: bytes that two readers could read differently, too much of everything, clients that dawdle, and what a
//! browser or a guesser could do with it.

mod chunks;
mod framing;
mod heads;

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    [framing::cases(), chunks::cases(), heads::cases()].into_iter().flatten().collect()
}
