//! Family O: one key, many requests.

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    Vec::new()
}
