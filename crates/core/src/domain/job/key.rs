//! Keys: the names that clients give to jobs and stacks.

use std::str::FromStr;

use super::super::{id::JobId, invalid::Invalid};

const MAX_CHARS: usize = 100;
/// A key is a segment of a path: `GET /v1/jobs/counts` would not find a job with this key.
const RESERVED: [&str; 8] = ["activity", "apply", "batch", "bulk", "convert", "counts", "export", "import"];
/// What the id of every job begins with.
const ID_PREFIX: &str = "job_";

/// How a client refers to a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JobRef {
    Id(JobId),
    Key(String),
}

impl JobRef {
    /// `None` if the text is neither an id nor a key: no job has it.
    pub fn read(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(id) => Some(Self::Id(id)),
            Err(_) => key(text).ok().map(Self::Key),
        }
    }

    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Key(key) => Some(key),
        }
    }
}

/// For parameters and fields that refer to a job.
impl FromStr for JobRef {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.starts_with(ID_PREFIX) {
            return text.parse().map(Self::Id);
        }
        let invalid = || Invalid::new("id_invalid", "must be the id or the key of a job");
        Self::read(text).ok_or_else(invalid)
    }
}

/// The key of a job.
pub fn key(text: &str) -> Result<String, Invalid> {
    if text.starts_with(ID_PREFIX) {
        return Err(Invalid::new("key_invalid", format!("must not begin with {ID_PREFIX}, like an id")));
    }
    if RESERVED.contains(&text) {
        return Err(Invalid::new("key_reserved", "is a word of the API's paths").hint("Use another key."));
    }
    name(text)
}

/// The name of a stack.
pub fn stack(text: &str) -> Result<String, Invalid> {
    name(text)
}

fn name(text: &str) -> Result<String, Invalid> {
    let is_known = |char: char| matches!(char, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    let begins_well = text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    if begins_well && text.len() <= MAX_CHARS && text.chars().all(is_known) {
        return Ok(text.to_owned());
    }
    let detail = format!(
        "must have 1 to {MAX_CHARS} characters of a-z, 0-9, `.`, `_` and `-`, and begin with a letter or a digit"
    );
    let invalid = Invalid::new("key_invalid", detail);
    let lower = text.to_lowercase();
    match lower != text && name(&lower).is_ok() {
        true => Err(invalid.hint(format!("Write it in lower case: {lower}."))),
        false => Err(invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn keys_are_checked() {
        for valid in ["a", "0", "nightly-report", "team.billing_2", &"a".repeat(100)] {
            assert_eq!(key(valid).as_deref(), Ok(valid));
        }
        for (invalid, code) in [
            ("", "key_invalid"),
            ("-a", "key_invalid"),
            (".", "key_invalid"),
            ("a b", "key_invalid"),
            ("a/b", "key_invalid"),
            ("ä", "key_invalid"),
            (&"a".repeat(101), "key_invalid"),
            ("job_1", "key_invalid"),
            ("counts", "key_reserved"),
        ] {
            assert_eq!(key(invalid).map_err(|invalid| invalid.code), Err(code), "{invalid}");
        }
        let hint = key("Nightly").unwrap_err().hint;
        assert_eq!(hint.as_deref(), Some("Write it in lower case: nightly."));
        assert_eq!(stack("counts").as_deref(), Ok("counts"));
    }

    #[test]
    fn an_id_is_not_a_key() {
        let id = JobId::from_uuid(Uuid::from_u128(7));
        assert_eq!(JobRef::read(&id.to_string()), Some(JobRef::Id(id)));
        assert_eq!(JobRef::read("nightly"), Some(JobRef::Key("nightly".into())));
        assert_eq!(JobRef::read("job_x"), None);
        assert_eq!("nightly".parse(), Ok(JobRef::Key("nightly".into())));
        for neither in ["job_x", "", "Nightly", "counts"] {
            assert_eq!(neither.parse::<JobRef>().map_err(|invalid| invalid.code), Err("id_invalid"));
        }
    }
}
