//! What a conversion reports about its source, so that nothing is dropped silently.

use std::fmt;

use crate::domain::{invalid::Invalid, string_enum::string_enum};

// The first is the default.
string_enum! {
    /// How much of the source a finding costs. `changed`: kept by other means. `lost`: the job is made without it. `secret`: about a
    /// credential. `refused`: there is no job.
    Level { Changed = "changed", Lost = "lost", Secret = "secret", Refused = "refused", }
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of a text, counted from 1.
    Line(usize),
    /// Of a JSON document: a pointer (RFC 6901).
    Pointer(String),
}

impl Place {
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Line(line) => Some(*line),
            Self::Pointer(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            // Names in a document can be very long.
            Self::Pointer(pointer) => f.write_str(&cut(pointer, MAX_POINTER_CHARS)),
        }
    }
}

const MAX_POINTER_CHARS: usize = 300;
const MAX_TEXT_CHARS: usize = 200;

/// A sentence about a place of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// The key of the job that it is about; `None` if there is no job.
    pub key: Option<String>,
    pub place: Place,
    pub invalid: Invalid,
}

/// A part of the source that no job has, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub place: Place,
    /// The part, as far as it is short.
    pub text: String,
    pub why: String,
}

/// The part of the source that a finding is about.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// `None` for the place of the job.
    pub(super) place: Option<Place>,
    pub(super) text: String,
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self { place: None, text: cut(text, MAX_TEXT_CHARS) }
    }
}

/// The text, or its beginning, in one line.
pub(super) fn cut(text: &str, max_chars: usize) -> String {
    let mut chars = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut short: String = chars.by_ref().take(max_chars).collect();
    short.extend(chars.next().map(|_| '…'));
    short
}
