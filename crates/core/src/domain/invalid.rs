//! Why a value is rejected: one shape for every rule, so that the API can report all violations at once.

use std::fmt;

/// A violated rule: a stable `code` for programs, a sentence for users, and a hint where there is one.
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

/// A violation and its place in the document: a JSON pointer (RFC 6901) like `/request/url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub pointer: String,
    pub invalid: Invalid,
}

/// A value that passed its rules; otherwise the violation is in [`FieldErrors`].
pub type Checked<T> = Result<T, Rejected>;

/// The errors of a value that can have several: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several<E> {
    first: E,
    others: Vec<E>,
}

impl<E> Several<E> {
    pub const fn of(first: E, others: Vec<E>) -> Self {
        Self { first, others }
    }

    /// `None` if `errors` is empty.
    pub fn from_vec(errors: Vec<E>) -> Option<Self> {
        let mut errors = errors.into_iter();
        Some(Self { first: errors.next()?, others: errors.collect() })
    }

    pub fn into_first(self) -> E {
        self.first
    }

    pub fn into_vec(self) -> Vec<E> {
        std::iter::once(self.first).chain(self.others).collect()
    }
}

/// Both values, or the first rejection.
pub fn both<A, B>(a: Checked<A>, b: Checked<B>) -> Checked<(A, B)> {
    Ok((a?, b?))
}

/// Stands for a value that was not accepted. Only [`FieldErrors`] creates it, so there is no rejection without a reason.
#[derive(Debug)]
pub struct Rejected(FieldError);

/// Collects violations while a document is read, so that the client receives all of them in one response.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

/// At least one violation.
#[derive(Debug)]
pub struct Violations(Vec<FieldError>);

impl FieldErrors {
    pub fn push(&mut self, pointer: impl Into<String>, invalid: Invalid) -> Rejected {
        let error = FieldError { pointer: pointer.into(), invalid };
        self.add(error.clone());
        Rejected(error)
    }

    /// One violation per place: an unreadable value is not reported again as missing, nor is anything inside it.
    fn add(&mut self, error: FieldError) {
        let covers = |known: &FieldError| {
            let rest = error.pointer.strip_prefix(&known.pointer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !self.0.iter().any(covers) {
            self.0.push(error);
        }
    }

    /// The value, or its violation recorded.
    pub fn take<T>(&mut self, pointer: &str, result: Result<T, Invalid>) -> Checked<T> {
        result.map_err(|invalid| self.push(pointer, invalid))
    }

    /// The value, or all its violations recorded, each at its `place`.
    pub fn take_all<T, E>(
        &mut self,
        result: Result<T, Several<E>>,
        place: impl Fn(E) -> (String, Invalid),
    ) -> Checked<T> {
        result.map_err(|Several { first, others }| {
            let (pointer, invalid) = place(first);
            let rejected = self.push(pointer, invalid);
            for (pointer, invalid) in others.into_iter().map(place) {
                self.push(pointer, invalid);
            }
            rejected
        })
    }

    /// Records a violation of a rule that gives no value.
    pub fn check<T>(&mut self, pointer: &str, result: Result<T, Invalid>) {
        if let Err(invalid) = result {
            self.push(pointer, invalid);
        }
    }

    /// The value that was built from all the fields, if nothing was rejected.
    pub fn finish<T>(mut self, value: Checked<T>) -> Result<T, Violations> {
        match value {
            Ok(value) if self.0.is_empty() => Ok(value),
            Ok(_) => Err(Violations(self.0)),
            Err(Rejected(error)) => {
                self.add(error);
                Err(Violations(self.0))
            }
        }
    }

    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}

impl Violations {
    pub fn of(pointer: &str, invalid: Invalid) -> Self {
        Self(vec![FieldError { pointer: pointer.to_owned(), invalid }])
    }

    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(violations: Violations) -> Vec<(String, &'static str)> {
        violations.into_vec().into_iter().map(|error| (error.pointer, error.invalid.code)).collect()
    }

    #[test]
    fn finish_returns_the_value_only_without_violations() {
        assert_eq!(FieldErrors::default().finish(Ok(1)).unwrap(), 1);
        let mut errors = FieldErrors::default();
        errors.check::<()>("/a", Err(Invalid::new("wrong", "is wrong")));
        assert_eq!(codes(errors.finish(Ok(1)).unwrap_err()), [("/a".to_owned(), "wrong")]);
        let mut errors = FieldErrors::default();
        let name = errors.take::<()>("/name", Err(Invalid::new("length", "is too long")));
        assert_eq!(codes(errors.finish(name).unwrap_err()), [("/name".to_owned(), "length")]);
    }

    #[test]
    fn each_place_is_reported_once() {
        let mut errors = FieldErrors::default();
        errors.push("/request", Invalid::new("wrong_type", "must be an object"));
        errors.push("/request/url", Invalid::new("required", "is required"));
        errors.push("/request", Invalid::new("required", "is required"));
        errors.push("/requests", Invalid::new("unknown_field", "there is no such field"));
        let found = codes(errors.finish(Ok(())).unwrap_err());
        assert_eq!(found, [("/request".to_owned(), "wrong_type"), ("/requests".to_owned(), "unknown_field")]);
    }
}
