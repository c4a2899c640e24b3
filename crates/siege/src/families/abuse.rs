//! Family N: quotas and limits, asked for by many at once.

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    Vec::new()
}
