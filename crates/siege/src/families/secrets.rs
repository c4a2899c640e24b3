//! Family I: secrets: missing, of others, echoed; and a canary that must not show anywhere.

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    Vec::new()
}
