//! Rules for secrets: their names, their values, and references in header values (`Bearer secret://stripe-key`).

use std::borrow::Cow;

use super::invalid::Invalid;

const SCHEME: &str = "secret://";
const MAX_NAME_BYTES: usize = 64;
const MAX_VALUE_BYTES: usize = 8 * 1024;
/// A shorter value is found in other text, and some of its encodings are not looked for.
const MIN_REDACTED_CHARS: usize = 8;

/// Checks a name: `[a-z0-9][a-z0-9_-]{0,63}`.
pub fn name(text: &str) -> Result<String, Invalid> {
    let is_name = text.len() <= MAX_NAME_BYTES
        && text.bytes().all(is_name_byte)
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if !is_name {
        let detail = format!(
            "must have 1 to {MAX_NAME_BYTES} lower-case letters, digits, - and _, and begin with a letter or digit"
        );
        return Err(Invalid::new("secret_name_invalid", detail));
    }
    Ok(text.to_owned())
}

/// Checks a value: it must be valid in a header (RFC 9110 §5.5).
pub fn value(text: &str) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > MAX_VALUE_BYTES {
        return Err(Invalid::new(
            "length",
            format!("has {} bytes; 1 to {MAX_VALUE_BYTES} are allowed", text.len()),
        ));
    }
    if text.chars().any(|character| character.is_control() && character != '\t') {
        let detail = "must not contain line breaks, NUL or other control characters: it is sent in a header";
        return Err(Invalid::new("control_character", detail));
    }
    Ok(())
}

/// What is allowed in a value but may be unintended.
pub fn warning(value: &str) -> Option<String> {
    (value.chars().count() < MIN_REDACTED_CHARS).then(|| {
        format!(
            "The value has fewer than {MIN_REDACTED_CHARS} characters: where a target echoes it, it cannot be redacted reliably."
        )
    })
}

/// The names of the secrets that a header value refers to, in order.
///
/// # Errors
/// `secret_reference_invalid`: no valid name follows `secret://`.
pub fn references(value: &str) -> Result<Vec<&str>, Invalid> {
    pieces(value).filter_map(|(_, reference)| reference).map(valid).collect()
}

/// The reference to a secret.
pub fn reference(name: &str) -> String {
    format!("{SCHEME}{name}")
}

/// Refuses a reference where it would be sent as text. Case is ignored: it was meant as a reference in any case.
///
/// # Errors
/// `secret_not_here`
pub fn check_absent(text: &str) -> Result<(), Invalid> {
    let scheme = SCHEME.as_bytes();
    if !text.as_bytes().windows(scheme.len()).any(|part| part.eq_ignore_ascii_case(scheme)) {
        return Ok(());
    }
    let detail = "must not contain secret://, which has a meaning in the values of headers only";
    Err(Invalid::new("secret_not_here", detail)
        .hint("Send the secret in a header, such as Authorization: Bearer secret://stripe-key."))
}

/// Replaces every reference with its secret and renders the text between them with `render`. The error is the name of the first secret
/// that `secret_of` does not know. Values of secrets are not rendered, and rendered text never becomes part of a name.
pub fn fill<'a, V: AsRef<str>>(
    value: &'a str,
    render: impl Fn(&'a str) -> Cow<'a, str>,
    secret_of: impl Fn(&str) -> Option<V>,
) -> Result<String, &'a str> {
    let mut filled = String::with_capacity(value.len());
    for (text, reference) in pieces(value) {
        filled.push_str(&render(text));
        if let Some(name) = reference {
            filled.push_str(secret_of(name).ok_or(name)?.as_ref());
        }
    }
    Ok(filled)
}

fn valid(reference: &str) -> Result<&str, Invalid> {
    name(reference).map(|_| reference).map_err(|_| {
        let detail = "must have the name of a secret after secret://, of lower-case letters, digits, - and _";
        Invalid::new("secret_reference_invalid", detail).hint("Example: Bearer secret://stripe-key")
    })
}

/// The text, split at its references: the text before each, and the longest run of characters that are valid in a name.
fn pieces(value: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some((before, after)) = text.split_once(SCHEME) else {
            rest = None;
            return Some((text, None));
        };
        let end = after.bytes().position(|byte| !is_name_byte(byte)).unwrap_or(after.len());
        rest = Some(&after[end..]);
        Some((before, Some(&after[..end])))
    })
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        for good in ["a", "0", "stripe-key_2", &"a".repeat(64)] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "-a", "_a", "A", "a b", "ä", "a.b", &"a".repeat(65)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert!(value("p\u{e4}ss w\u{f6}rd\t!").is_ok() && value(&"x".repeat(8192)).is_ok());
        for bad in ["", "a\r\nb", "a\nb", "a\0", "\u{7f}", &"x".repeat(8193)] {
            assert!(value(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn short_values_have_a_warning() {
        assert!(warning("1234567").is_some() && warning("1234567\u{e4}").is_none());
    }

    #[test]
    fn references_are_found_alone_and_inside_text() {
        assert_eq!(references("secret://a"), Ok(vec!["a"]));
        assert_eq!(references("Bearer secret://a-b, secret://c_2;x"), Ok(vec!["a-b", "c_2"]));
        assert_eq!(references("no secret: //a"), Ok(vec![]));
        for bad in [
            "secret://",
            "secret://A",
            "x secret:// y",
            "secret://-a",
            &format!("secret://{}", "a".repeat(65)),
        ] {
            assert_eq!(references(bad).unwrap_err().code, "secret_reference_invalid", "{bad}");
        }
    }

    #[test]
    fn values_are_not_filled_again() {
        let secret_of = |name: &str| match name {
            "a" => Some("secret://b"),
            "b" => Some("B"),
            _ => None,
        };
        let fill = |value: &'static str| fill(value, |text| text.replace("{{x}}", "c").into(), secret_of);
        assert_eq!(fill("x secret://a secret://b.").as_deref(), Ok("x secret://b B."));
        assert_eq!(fill("secret://b secret://c"), Err("c"));
        assert_eq!(fill("{{x}}secret://b{{x}}").as_deref(), Ok("cBc"), "a variable is no part of a name");
    }
}
