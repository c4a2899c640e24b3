//! Holds: an operator stops everything that leaves an installation, for as long as it takes to look.

use chrono::{DateTime, Utc};

use super::string_enum::string_enum;

/// An active hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub since: DateTime<Utc>,
    pub reason: String,
}

string_enum! {
    /// What a release does about the fires that were missed.
    Missed { Run = "run", Skip = "skip", }
}
