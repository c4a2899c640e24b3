//! The cases, a file or more for each family.

mod answers;
mod egress;
mod inputs;

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    [egress::cases(), inputs::cases(), answers::cases()].into_iter().flatten().collect()
}
