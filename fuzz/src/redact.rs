//! Redaction: however a target encodes a secret value, within the encodings of docs/secrets.md, the stored response does not
//! contain it, whole or cut by the end of the preview, and nothing else changes.
//!
//! Fields: a value, the text before and after it in the response, a second value, the length of the preview.

use crate::first_fields;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use trigrun_core::domain::{
    redact::{MASK, Redactor},
    secret,
};

/// An encoded value of fewer bytes is not recognised.
const MIN_FORM_BYTES: usize = 4;

/// How targets encode a value, named after software that does so.
const FORMS: [(&str, fn(&str) -> String); 12] = [
    ("as it is", str::to_owned),
    ("percent-encoded, RFC 3986", |value| percent(value, "-._~", "%20")),
    ("percent-encoded, in lower case", |value| lower_percent(&percent(value, "-._~", "%20"))),
    ("percent-encoded, encodeURI", |value| percent(value, "-._~;/?:@&=+$,#!*'()", "%20")),
    ("percent-encoded, encodeURIComponent", |value| percent(value, "-._~!*'()", "%20")),
    ("percent-encoded, Python's quote", |value| percent(value, "-._~/", "%20")),
    ("a form field, URLSearchParams", |value| percent(value, "-._*", "+")),
    ("a form field, Python's urlencode", |value| percent(value, "-._~", "+")),
    ("JSON, as most write it", |value| json(value, false, "", "")),
    ("JSON, Python's", |value| json(value, true, "", "")),
    ("JSON, PHP's", |value| json(value, true, "", "/")),
    ("JSON, Go's", |value| json(value, false, "<>&", "")),
];

pub fn run(input: &[u8]) {
    let [value, before, after, other, keep] = first_fields(input);
    let keep = keep.parse().unwrap_or(usize::MAX);
    let values: Vec<&str> = [value.as_str(), &other].into_iter().filter(|value| is_usable(value)).collect();
    let redactor = Redactor::new(values.iter().copied());
    check(&redactor, &format!("{before}{after}"), keep);
    for value in values {
        // Unchanged, and as read by a target that decodes headers as Latin-1.
        let latin_1: String = value.bytes().map(char::from).collect();
        for value in [value, &latin_1].into_iter().take(if value.is_ascii() { 1 } else { 2 }) {
            for (name, form) in FORMS {
                let written = form(value);
                let shown = check(&redactor, &format!("{before}{written}{after}"), keep);
                assert!(!is_seen(&written, value, &shown), "{value:?} {name} is kept in {shown:?}");
            }
            let alone = base64("", value, "");
            for (whole, written) in base64(&before, value, &after).into_iter().chain(alone) {
                let shown = check(&redactor, &whole, keep);
                assert!(!is_seen(&written, value, &shown), "{value:?} in base64 is kept in {shown:?}");
            }
        }
    }
}

/// A valid secret value without the characters of the mask.
fn is_usable(value: &str) -> bool {
    secret::value(value).is_ok() && !value.contains('•')
}

fn is_seen(written: &str, value: &str, shown: &str) -> bool {
    (written == value || written.len() >= MIN_FORM_BYTES) && shown.contains(written)
}

/// The stored part of a response: its text with masks, the same wherever it is cut. A second redaction changes nothing.
fn check(redactor: &Redactor, response: &str, keep: usize) -> String {
    let bytes = response.as_bytes();
    let whole = redactor.bytes(bytes, bytes.len());
    // An executor reads no more than it needs.
    let read = bytes.len().min(keep.saturating_add(redactor.longest()));
    let cut = redactor.bytes(&bytes[..read], keep);
    assert!(whole.starts_with(&cut), "the cut changes what is kept: {cut:?} and {whole:?}");
    let shown = String::from_utf8(whole).unwrap_or_else(|error| panic!("a character was cut: {error}"));
    assert_eq!(redactor.text(response), shown);
    assert_eq!(redactor.text(&shown), shown, "redacted twice");
    // Mask characters of the response look like those of the redaction.
    if !response.contains('•') {
        let mut rest = response;
        for piece in shown.split(MASK) {
            let at = rest.find(piece).unwrap_or_else(|| panic!("{piece:?} was inserted"));
            rest = &rest[at + piece.len()..];
        }
        if !shown.contains(MASK) {
            assert_eq!((shown.as_str(), cut.as_slice()), (response, &bytes[..bytes.len().min(keep)]));
        }
    }
    shown
}

/// Base64 of the value and its neighbours, and the characters that depend on the value only.
fn base64(before: &str, value: &str, after: &str) -> [(String, String); 2] {
    let whole = format!("{before}{value}{after}");
    let (start, end) = (before.len() * 8, (before.len() + value.len()) * 8);
    [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)].map(|whole| {
        let own = whole.get(start.div_ceil(6)..end / 6).unwrap_or_default().to_owned();
        (whole, own)
    })
}

fn percent(value: &str, plain: &str, space: &str) -> String {
    let code = |byte: u8| match byte {
        b' ' => space.to_owned(),
        _ if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(code).collect()
}

/// Only the digits after a percent sign; the rest is part of the value.
fn lower_percent(text: &str) -> String {
    let mut since_percent = 3;
    let lower = |character: char| {
        since_percent = if character == '%' { 0 } else { since_percent + 1 };
        if since_percent < 3 { character.to_ascii_lowercase() } else { character }
    };
    text.chars().map(lower).collect()
}

/// With or without escapes outside ASCII; some characters as numbers, some with a backslash.
fn json(value: &str, is_ascii: bool, by_number: &str, by_backslash: &str) -> String {
    let numbered = |character: char| {
        let mut units = [0; 2];
        character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>()
    };
    let code = |character: char| match character {
        '\t' => "\\t".to_owned(),
        '"' | '\\' => format!("\\{character}"),
        _ if by_number.contains(character) || (is_ascii && !character.is_ascii()) => numbered(character),
        _ if by_backslash.contains(character) => format!("\\{character}"),
        _ => character.to_string(),
    };
    value.chars().map(code).collect()
}
