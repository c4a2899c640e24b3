//! Family J: tokens: none, wrong, revoked, guessed.

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    Vec::new()
}
