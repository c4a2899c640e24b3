//! Family P: the API's own door: bytes that two readers could read differently, too much of everything, clients that dawdle, and what a
//! browser or a guesser could do with it.

mod answers;
mod chunks;
mod framing;
mod guessing;
mod heads;
mod oversized;
mod slow;

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    [
        framing::cases(),
        chunks::cases(),
        heads::cases(),
        oversized::cases(),
        slow::cases(),
        answers::cases(),
        guessing::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
