//! The cases, a file or more for each family.

mod answers;
mod ended;
mod inputs;
mod literals;
mod names;
mod redirects;

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    [literals::cases(), names::cases(), redirects::cases(), inputs::cases(), answers::cases()]
        .into_iter()
        .flatten()
        .collect()
}
