//! The cases, a file or more for each family.

mod abuse;
mod answers;
mod door;
mod ended;
mod idempotency;
mod inputs;
mod life;
mod literals;
mod malformed;
mod names;
mod redirects;
mod schedules;
mod secrets;
mod tenants;
mod tokens;

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    [
        literals::cases(),
        names::cases(),
        redirects::cases(),
        inputs::cases(),
        answers::cases(),
        secrets::cases(),
        tokens::cases(),
        tenants::cases(),
        malformed::cases(),
        schedules::cases(),
        abuse::cases(),
        idempotency::cases(),
        door::cases(),
        life::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
