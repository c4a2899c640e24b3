//! Family K: other workspaces, roles and scopes, for every operation of the document.

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    Vec::new()
}
