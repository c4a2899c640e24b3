//! Holds: an operator stops everything that leaves an installation, for as long as it takes to look.

use chrono::{DateTime, Utc};

use super::{invalid::Invalid, string_enum::string_enum};

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

const MAX_REASON_CHARS: usize = 500;

/// Checks why there is a hold: a line of text.
pub fn reason(text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    let is_line = !text.is_empty() && !text.chars().any(char::is_control);
    if is_line && text.chars().count() <= MAX_REASON_CHARS {
        return Ok(text.to_owned());
    }
    Err(Invalid::new("reason_invalid", format!("must be a line of 1 to {MAX_REASON_CHARS} characters")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line() {
        assert_eq!(reason(" restored backup ").as_deref(), Ok("restored backup"));
        for bad in ["", "  ", "two\nlines", &"a".repeat(501)] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
    }
}
