//! Pauses: who paused a job, why, and until when.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::label;
use crate::domain::{audit::Actor, chain::Depth, invalid::Invalid};

const MAX_NOTE_CHARS: usize = 500;

/// Of a job that is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub at: DateTime<Utc>,
    pub by: Actor,
    pub terms: PauseTerms,
    /// Of the request that set the terms: the runs after the pause are at least as deep.
    pub depth: Depth,
}

/// What a client says about a pause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PauseTerms {
    pub note: Option<String>,
    /// When the job becomes active by itself.
    pub until: Option<DateTime<Utc>>,
}

pub fn note(text: &str) -> Result<String, Invalid> {
    label(text, MAX_NOTE_CHARS)
}

/// An instant after `now`, with the precision of Postgres.
pub fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Invalid> {
    let at = at.trunc_subsecs(6);
    if at > now { Ok(at) } else { Err(Invalid::new("in_the_past", "must be in the future")) }
}

/// Since when a job is active that was paused until this instant: just before it, so that a fire at this very instant runs.
pub fn active_since(until: DateTime<Utc>) -> DateTime<Utc> {
    until - TimeDelta::microseconds(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_checked() {
        assert!(note(&"ä".repeat(500)).is_ok());
        for invalid in ["", " ", "a\nb", &"a".repeat(501)] {
            assert!(note(invalid).is_err(), "{invalid:?}");
        }
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(until(now, now).unwrap_err().code, "in_the_past");
        assert_eq!(until(now + TimeDelta::nanoseconds(999), now).unwrap_err().code, "in_the_past");
        let next = now + TimeDelta::microseconds(1);
        assert_eq!(until(next, now), Ok(next));
    }
}
