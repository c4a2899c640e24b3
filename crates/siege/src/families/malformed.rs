//! Family L: requests that are none.

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    Vec::new()
}
