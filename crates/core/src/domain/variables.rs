//! Variables in URLs, header values and bodies, such as `{{execution_id}}`.
//!
//! Their values are derived from the execution, so that every attempt sends the same values and none has to be stored. Any other text
//! in double braces is left unchanged: other systems use templates, too. Spaces around a name are ignored.

use chrono::{DateTime, SecondsFormat, Utc};
use std::borrow::Cow;

use super::id::{ExecutionId, JobId};

/// Names of variables, each with the length of its longest value.
pub const NAMES: [(&str, usize); 5] =
    [("execution_id", 30), ("job_id", 30), ("scheduled_for", 24), ("timestamp", 12), ("uuid", 36)];

/// With the spaces around it.
const MAX_NAME_BYTES: usize = 32;

/// The values of one execution's variables.
#[derive(Clone, Copy, Debug)]
pub struct Variables {
    pub execution: ExecutionId,
    pub job: JobId,
    pub scheduled_for: DateTime<Utc>,
}

impl Variables {
    /// The text with every variable replaced.
    pub fn render<'a>(&self, text: &'a str) -> Cow<'a, str> {
        replace(text, |name| self.value(name))
    }

    /// An upper bound of the length in bytes of the rendered text, without rendering it.
    pub fn max_rendered_bytes(text: &str) -> usize {
        let (shortest, longest) = NAMES.iter().fold((usize::MAX, 0), |(shortest, longest), (name, value)| {
            (shortest.min(name.len() + "{{}}".len()), longest.max(*value))
        });
        text.len() + text.matches("{{").count().min(text.len() / shortest) * longest
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "execution_id" => self.execution.to_string(),
            "job_id" => self.job.to_string(),
            "scheduled_for" => self.scheduled_for.to_rfc3339_opts(SecondsFormat::Millis, true),
            // Unix seconds of the scheduled instant.
            "timestamp" => self.scheduled_for.timestamp().to_string(),
            "uuid" => derived_uuid(self.execution).to_string(),
            _ => return None,
        })
    }
}

/// A UUID derived from the execution's id: always the same for one execution, and unpredictable without the id (RFC 9562 §5.8).
fn derived_uuid(execution: ExecutionId) -> uuid::Uuid {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    digest.update(b"uuid");
    digest.update(execution.uuid().as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finish().as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Replaces `{{name}}` with the value that `value_of` returns; unknown names stay.
pub(super) fn replace(text: &str, value_of: impl Fn(&str) -> Option<String>) -> Cow<'_, str> {
    if !text.contains("{{") {
        return Cow::Borrowed(text);
    }
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let inside = &rest[start + 2..];
        // Looks no further than the longest name, so that a text of only braces takes linear time.
        let head = &inside.as_bytes()[..inside.len().min(MAX_NAME_BYTES + 2)];
        let end = head.windows(2).position(|two| two == b"}}");
        let known = end.and_then(|end| Some((value_of(inside[..end].trim_matches(' '))?, end)));
        replaced.push_str(&rest[..start]);
        match known {
            Some((value, end)) => {
                replaced.push_str(&value);
                rest = &inside[end + 2..];
            }
            None => {
                // Skips one brace only: the next may begin a variable.
                replaced.push('{');
                rest = &rest[start + 1..];
            }
        }
    }
    replaced.push_str(rest);
    Cow::Owned(replaced)
}

/// The names in double braces that are no variables, each once: they are sent as they are written.
pub fn unknown(text: &str) -> Vec<&str> {
    let is_name = |name: &&str| {
        name.len() <= MAX_UNKNOWN_BYTES
            && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte))
            && !NAMES.iter().any(|(known, _)| known == name)
    };
    let inside = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    let mut names: Vec<&str> = Vec::new();
    for name in inside.map(|(name, _)| name.trim()).filter(is_name) {
        if !names.contains(&name) && names.len() < MAX_UNKNOWN {
            names.push(name);
        }
    }
    names
}

const MAX_UNKNOWN_BYTES: usize = 64;
const MAX_UNKNOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn no_name_exceeds_the_maximum() {
        assert!(NAMES.iter().all(|(name, _)| name.len() <= MAX_NAME_BYTES));
        let braces = "{".repeat(256 * 1024);
        assert_eq!(variables().render(&braces), braces, "in linear time");
        assert_eq!(variables().render("{{{{job_id}}"), format!("{{{{{}", variables().job));
    }

    fn variables() -> Variables {
        Variables {
            execution: ExecutionId::from_uuid(Uuid::from_u128(1)),
            job: JobId::from_uuid(Uuid::from_u128(2)),
            scheduled_for: DateTime::from_timestamp_millis(1_800_000_000_123).unwrap(),
        }
    }

    #[test]
    fn every_variable_is_replaced() {
        let render = |text: &str| variables().render(text).into_owned();
        assert_eq!(
            render("{{execution_id}}/{{job_id}}"),
            "exe_00000000000000000000000001/job_00000000000000000000000002"
        );
        assert_eq!(render("{{scheduled_for}} {{timestamp}}"), "2027-01-15T08:00:00.123Z 1800000000");
        assert_eq!(render("{{uuid}}"), render("{{uuid}}"));
        for (name, longest) in NAMES {
            assert!(render(&format!("{{{{{name}}}}}")).len() <= longest, "{name}");
        }
    }

    #[test]
    fn spaces_around_a_name_are_ignored() {
        let render = |text: &str| variables().render(text).into_owned();
        assert_eq!(
            render("{{ uuid }} {{job_id }} {{  timestamp}}"),
            render("{{uuid}} {{job_id}} {{timestamp}}")
        );
        assert_eq!(
            render(&format!("{{{{{}uuid}}}}", " ".repeat(100))),
            format!("{{{{{}uuid}}}}", " ".repeat(100))
        );
    }

    #[test]
    fn unknown_names() {
        let text = "{{now}} {{ job_name }} {{uuid}} {{ uuid }} {{now}} {{a b}} {{}} {{#each x}} {{$json.id}} {{item.id}} {{x";
        assert_eq!(unknown(text), ["now", "job_name", "item.id"]);
        assert_eq!(unknown("no braces"), Vec::<&str>::new());
    }

    #[test]
    fn no_text_grows_beyond_its_bound() {
        for text in
            ["", "{{uuid}}", "{{ uuid }}", "{{{{uuid}}}}", "a{{job_id}}b{{x}}", &"{{uuid}}".repeat(1000)]
        {
            assert!(variables().render(text).len() <= Variables::max_rendered_bytes(text), "{text}");
        }
        assert_eq!(Variables::max_rendered_bytes("plain"), 5);
        assert!(Variables::max_rendered_bytes(&"{{".repeat(1000)) <= 2000 + 250 * 36);
    }

    #[test]
    fn other_text_is_unchanged() {
        for text in [
            "",
            "{{",
            "}}",
            "{{name}}",
            "{{ name }}",
            "{{\tuuid}}",
            "{{u uid}}",
            "{uuid}",
            "{{UUID}}",
            "{{{{",
            "{{a{{b}}",
        ] {
            assert_eq!(variables().render(text), text);
        }
        assert_eq!(variables().render("{{{timestamp}}}"), "{1800000000}");
        assert_eq!(variables().render("{{x{{timestamp}}"), "{{x1800000000");
    }

    proptest! {
        #[test]
        fn any_text_is_rendered_once(text in "[{}a-z_ ]{0,40}") {
            let rendered = variables().render(&text).into_owned();
            prop_assert_eq!(variables().render(&rendered).into_owned(), rendered);
        }
    }
}
