//! The cases, a file or more for each suite.

mod addresses;
mod connections;
mod descriptors;
mod execution;
mod memory;
mod names;
mod quotas;
mod redirects;
mod responses;
mod secrets;
mod shares;
mod sizes;
mod tls;
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
        tls::cases(),
        sizes::cases(),
        shares::cases(),
        descriptors::cases(),
        memory::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
