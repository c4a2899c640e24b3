//! Why a value is rejected: one shape for every rule, so that the API can report all violations at once.

use std::fmt;

use super::wording::{did_you_mean, nearest, one_of};

/// A violated rule: a stable `code` for programs, a sentence for users, and a hint where there is one.
///
/// `detail` may be a predicate, such as `must be a string`: [`FieldError`] adds the name of the field, which the rule does not know.
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

    /// The text is none of `names`. The hint is the one that was probably meant.
    pub fn not_one_of(text: &str, names: &[&str]) -> Self {
        let invalid = Self::new("not_one_of", format!("must be {}", one_of(names)));
        match nearest(text, names.iter().copied()) {
            Some(name) => invalid.hint(did_you_mean(name)),
            None => invalid,
        }
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

impl FieldError {
    pub fn new(pointer: impl Into<String>, invalid: Invalid) -> Self {
        let pointer = pointer.into();
        let detail = sentence(&pointer, &invalid.detail);
        Self { pointer, invalid: Invalid { detail, ..invalid } }
    }

    /// The place as users write it: `schedule.cron`.
    pub fn field(&self) -> String {
        let path = self.pointer.strip_prefix(['/', '?']).unwrap_or(&self.pointer);
        let segments: Vec<String> = path.split('/').map(plain).collect();
        if path.is_empty() { "body".to_owned() } else { segments.join(".") }
    }
}

/// A sentence with the field as its subject, if `detail` is a predicate.
fn sentence(pointer: &str, detail: &str) -> String {
    if detail.ends_with('.') || !detail.starts_with(|first: char| first.is_ascii_lowercase()) {
        return detail.to_owned();
    }
    let mut segments = pointer.trim_start_matches('?').rsplit('/').map(plain);
    let (last, parent) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let is_index = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    match last.as_str() {
        "" => format!("The body {detail}."),
        index if is_index && !parent.is_empty() => format!("`{parent}[{index}]` {detail}."),
        name => format!("`{name}` {detail}."),
    }
}

/// A segment of a pointer (RFC 6901). It may be a name that the client has made up: it is cut, and shows no control characters.
fn plain(segment: &str) -> String {
    let name = segment.replace("~1", "/").replace("~0", "~");
    let mut chars = name.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut shown: String = chars.by_ref().take(MAX_NAME_CHARS).collect();
    shown.extend(chars.next().map(|_| '…'));
    shown
}

const MAX_NAME_CHARS: usize = 64;

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
        let error = FieldError::new(pointer, invalid);
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
        Self(vec![FieldError::new(pointer, invalid)])
    }

    /// The same at other places.
    pub fn moved(mut self, pointer: impl Fn(&str) -> String) -> Self {
        self.0.iter_mut().for_each(|error| error.pointer = pointer(&error.pointer));
        self
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
    fn the_field_is_the_subject_of_a_predicate() {
        for (pointer, detail, expected, field) in [
            ("/name", "is required", "`name` is required.", "name"),
            ("/schedule/cron", "must be a string", "`cron` must be a string.", "schedule.cron"),
            ("/url", "a.localhost is local.", "a.localhost is local.", "url"),
            ("/schedule/cron", "The hour is missing.", "The hour is missing.", "schedule.cron"),
            ("/tags/0", "must be a string", "`tags[0]` must be a string.", "tags.0"),
            ("/a~1b~0", "is wrong", "`a/b~` is wrong.", "a/b~"),
            ("?limit", "is given twice", "`limit` is given twice.", "limit"),
            ("If-Match", "is wrong", "`If-Match` is wrong.", "If-Match"),
            ("", "must be a JSON object", "The body must be a JSON object.", "body"),
            ("/a\nb", "is wrong", "`a b` is wrong.", "a b"),
        ] {
            let error = FieldError::new(pointer, Invalid::new("wrong", detail));
            assert_eq!((error.invalid.detail.as_str(), error.field().as_str()), (expected, field));
        }
        let long = FieldError::new(format!("/{}", "x".repeat(1000)), Invalid::new("wrong", "is wrong"));
        assert_eq!(long.field().chars().count(), MAX_NAME_CHARS + 1);
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
