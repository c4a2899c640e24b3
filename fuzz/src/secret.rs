//! Secrets in texts: which ones are mentioned, and the text with their values. A value is never interpreted.
//!
//! Fields: the text that mentions secrets, a value, a name.

use http::HeaderValue;
use std::borrow::Cow;

use crate::{assert_refusal, first_fields};
use trigrun_core::domain::secret;

const SCHEME: &str = "secret://";

pub fn run(input: &[u8]) {
    let [text, value, name] = first_fields(input);
    check_name(&name);
    check_value(&value);
    check_references(&text, &value);
}

fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

fn check_name(name: &str) {
    let begins_well = !name.starts_with(['-', '_']);
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(is_name_byte) && begins_well;
    match secret::name(name) {
        Ok(kept) => assert!(is_name && kept == name, "{name:?} was accepted"),
        Err(invalid) => {
            assert!(!is_name, "{name:?} was refused");
            assert_refusal(&invalid, &["secret_name_invalid"]);
        }
    }
    let mention = format!("{SCHEME}{name}");
    assert_eq!(secret::references(&mention).is_ok_and(|names| names == [name]), is_name, "{mention:?}");
}

fn check_value(value: &str) {
    match secret::value(value) {
        Ok(()) => {
            assert!((1..=8192).contains(&value.len()));
            assert!(
                HeaderValue::from_bytes(value.as_bytes()).is_ok(),
                "{value:?} does not fit into a header"
            );
        }
        Err(invalid) => {
            assert_refusal(&invalid, &["length", "control_character"]);
            let is_plain = (1..=8192).contains(&value.len()) && !value.chars().any(char::is_control);
            assert!(!is_plain, "{value:?} was refused");
        }
    }
}

fn check_references(text: &str, value: &str) {
    // Every mention is the scheme and a run of name characters, from the left; the run may look like a scheme.
    let (mut expected, mut mentioned) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME) {
        let after = &rest[at + SCHEME.len()..];
        let (name, next) = after.split_at(after.bytes().take_while(|byte| is_name_byte(*byte)).count());
        mentioned.push(name);
        expected += &rest[..at];
        expected += value;
        rest = next;
    }
    expected += rest;
    match secret::references(text) {
        Ok(names) => {
            assert_eq!(names, mentioned);
            assert!(names.iter().all(|name| secret::name(name).is_ok()));
        }
        Err(invalid) => {
            assert_refusal(&invalid, &["secret_reference_invalid"]);
            assert!(mentioned.iter().any(|name| secret::name(name).is_err()), "{text:?}: {invalid:?}");
        }
    }
    assert_eq!(secret::fill(text, Cow::Borrowed, |_| Some(value)), Ok(expected));
    assert_eq!(
        secret::fill(text, Cow::Borrowed, |name| Some(format!("{SCHEME}{name}"))).as_deref(),
        Ok(text)
    );
    let unknown = secret::fill(text, Cow::Borrowed, |_| None::<&str>);
    assert_eq!(unknown.err(), mentioned.first().copied(), "the error names the first missing secret");
}
