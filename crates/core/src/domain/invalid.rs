//! Why a value is refused: one shape for every rule, so that the API can report all of them at once.

use std::fmt;

/// A rule that a value breaks. Stable `code` for programs, one sentence for people, and what to do where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub code: &'static str,
    pub detail: String,
    pub hint: Option<String>,
}

impl Invalid {
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Invalid {}

/// The same rule's violation at its place in the document: a JSON pointer (RFC 6901) like `/request/url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub pointer: String,
    pub invalid: Invalid,
}

/// Collects violations while a document is taken apart, so that the client receives of all of them in one answer.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    pub fn push(&mut self, pointer: impl Into<String>, invalid: Invalid) {
        let pointer = pointer.into();
        // One sentence per place: what could not be read is not reported a second time as missing, nor is anything inside it.
        let inside = |known: &FieldError| {
            pointer.strip_prefix(&known.pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !self.0.iter().any(inside) {
            self.0.push(FieldError { pointer, invalid });
        }
    }

    /// The value, or nothing and the violation noted.
    pub fn take<T>(&mut self, pointer: &str, result: Result<T, Invalid>) -> Option<T> {
        result.map_err(|invalid| self.push(pointer, invalid)).ok()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}
