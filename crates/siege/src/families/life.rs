//! Family Q: the end of a workspace.

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    Vec::new()
}
