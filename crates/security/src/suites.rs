//! The cases, a file or more for each suite.

mod addresses;
mod connections;
mod execution;
mod names;
mod quotas;
mod redirects;
mod responses;
mod secrets;
mod workspace_deletion;

use crate::case::Case;

pub fn cases() -> Vec<Case> {
    [
        addresses::cases(),
        names::cases(),
        redirects::cases(),
        responses::cases(),
        secrets::cases(),
        quotas::cases(),
        connections::cases(),
        workspace_deletion::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
