//! What members see of the suspension of their workspace.

use serde::Serialize;
use trigrun_core::domain::workspace::Suspension;
use utoipa::ToSchema;

use crate::time::instant;

/// The operator has suspended the workspace: its jobs do not run, and it can only be read and deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = Suspension)]
pub struct SuspensionView {
    #[schema(format = DateTime)]
    since: String,
    /// In the operator's words.
    reason: String,
}

impl From<&Suspension> for SuspensionView {
    fn from(suspension: &Suspension) -> Self {
        Self { since: instant(suspension.since), reason: suspension.reason.clone() }
    }
}
