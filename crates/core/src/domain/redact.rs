//! Redacts secret values that a target echoes back: each occurrence, in any common encoding, is replaced by [`MASK`] before it is stored.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use std::cmp::Reverse;

/// Replaces a value.
pub const MASK: &str = "••••";
/// Shorter encodings are not searched for: they would match unrelated text.
const MIN_ENCODING_BYTES: usize = 4;

/// Finds the values of one execution's secrets. Each encoding has a separate search, which is linear in the length of the text for any
/// value. (One automaton over all encodings is quadratic in the length of a value that repeats itself.)
pub struct Redactor {
    needles: Vec<Finder<'static>>,
    longest: usize,
}

impl Redactor {
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles: Vec<Vec<u8>> = values.into_iter().flat_map(encodings).collect();
        needles.sort_unstable();
        needles.dedup();
        let longest = needles.iter().map(Vec::len).max().unwrap_or(0);
        Self { needles: needles.iter().map(|needle| Finder::new(needle).into_owned()).collect(), longest }
    }

    /// How many bytes after the cut the caller must provide, so that no value is cut in two.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The first `keep` bytes of `data`, redacted. A value that begins before the cut is matched completely if `data` continues for
    /// [`Redactor::longest`] bytes after the cut. If `data` is shorter, the response ended there and no value was cut.
    pub fn bytes(&self, data: &[u8], keep: usize) -> Vec<u8> {
        let (mut redacted, mut from) = (Vec::with_capacity(data.len().min(keep)), 0);
        let mut next: Vec<Option<usize>> = self.needles.iter().map(|needle| needle.find(data)).collect();
        // The leftmost match; if several begin there, the longest.
        while let Some((start, end)) = self.leftmost(&next).filter(|(start, _)| *start < keep) {
            redacted.extend_from_slice(&data[from..start]);
            redacted.extend_from_slice(MASK.as_bytes());
            from = end;
            for (needle, at) in
                self.needles.iter().zip(&mut next).filter(|(_, at)| at.is_some_and(|at| at < end))
            {
                *at = needle.find(&data[end..]).map(|offset| end + offset);
            }
        }
        let end = data.len().min(keep).max(from);
        redacted.extend_from_slice(&data[from..end]);
        redacted
    }

    fn leftmost(&self, next: &[Option<usize>]) -> Option<(usize, usize)> {
        let matches = self.needles.iter().zip(next).filter_map(|(needle, at)| {
            let start = (*at)?;
            Some((start, start + needle.needle().len()))
        });
        matches.min_by_key(|(start, end)| (*start, Reverse(*end)))
    }

    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes(), text.len())).into_owned()
    }
}

/// All encodings of a value: as UTF-8, and as a target sees it that reads headers as Latin-1 (RFC 9110 §5.5 allows this).
fn encodings(value: &str) -> Vec<Vec<u8>> {
    let mut all = encodings_of(value);
    if !value.is_ascii() {
        all.extend(encodings_of(&value.bytes().map(char::from).collect::<String>()));
    }
    all
}

/// A value unchanged, in base64, percent-encoded, form-encoded and as a JSON string.
fn encodings_of(value: &str) -> Vec<Vec<u8>> {
    let mut all = vec![value.as_bytes().to_vec()];
    all.extend(base64_encodings(value.as_bytes()));
    for hex in [upper as fn(u8) -> String, lower] {
        for plain in UNESCAPED {
            let percent = percent(value, plain, hex);
            all.push(percent.replace("%20", "+").into_bytes());
            all.push(percent.into_bytes());
        }
        for (numbered, is_ascii) in
            ["", "<>&", "<>&'"].into_iter().flat_map(|set| [(set, false), (set, true)])
        {
            let json = json(value, numbered, is_ascii, hex);
            all.push(json.replace('/', "\\/").into_bytes());
            all.push(json.into_bytes());
        }
    }
    all.retain(|encoding| encoding.len() >= MIN_ENCODING_BYTES || encoding == value.as_bytes());
    all
}

/// The value inside a longer base64 text: one encoding for each of the three alignments to groups of three bytes. The characters at the
/// ends depend on the neighbouring bytes and are left out.
fn base64_encodings(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for before in 0..3 {
        let shifted = [&[0; 2][..before.min(2)], value].concat();
        let from = (before * 8).div_ceil(6);
        let until = shifted.len() * 8 / 6;
        for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            all.extend(text.as_bytes().get(from..until).map(<[u8]>::to_vec));
        }
    }
    all
}

fn upper(byte: u8) -> String {
    format!("{byte:02X}")
}

fn lower(byte: u8) -> String {
    format!("{byte:02x}")
}

/// Characters, besides letters and digits, that percent-encoding leaves unchanged: the unreserved ones only (RFC 3986 §2.3), and the sets of
/// encodeURI, encodeURIComponent, Python's `quote` and forms (the URL standard, 5.2).
const UNESCAPED: [&str; 5] = ["-._~", "-._~;/?:@&=+$,#!*'()", "-._~!*'()", "-._~/", "-._*"];

fn percent(value: &str, plain: &str, hex: fn(u8) -> String) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte);
    let code = |byte| if stays(byte) { char::from(byte).to_string() } else { format!("%{}", hex(byte)) };
    value.bytes().map(code).collect()
}

/// As a JSON string (RFC 8259 §7). Some encoders escape the characters of `numbered` by number, and some every non-ASCII character.
fn json(value: &str, numbered: &str, is_ascii: bool, hex: fn(u8) -> String) -> String {
    let number = |character: char| {
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units).iter().map(|unit| unit.to_be_bytes());
        units.map(|[high, low]| format!("\\u{}{}", hex(high), hex(low))).collect::<String>()
    };
    let code = |character: char| match character {
        '\t' => "\\t".to_owned(),
        '"' | '\\' => format!("\\{character}"),
        _ if numbered.contains(character) || (is_ascii && !character.is_ascii()) => number(character),
        _ => character.to_string(),
    };
    value.chars().map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    const VALUE: &str = "p\u{e4}ss/w\u{f6}rd+1\"<&>\\ x";

    fn redacted(text: &str) -> String {
        Redactor::new([VALUE]).text(text)
    }

    #[test]
    fn every_common_encoding_is_redacted() {
        let json = serde_json::to_string(VALUE).unwrap();
        let encoded = [
            VALUE.to_owned(),
            STANDARD.encode(VALUE),
            STANDARD.encode(format!("user:{VALUE}")),
            URL_SAFE_NO_PAD.encode(format!("{{\"k\":\"{VALUE}\"}}")),
            "p%C3%A4ss%2Fw%C3%B6rd%2B1%22%3C%26%3E%5C%20x".to_owned(),
            "p%c3%a4ss%2fw%c3%b6rd%2b1%22%3c%26%3e%5c%20x".to_owned(),
            "p%C3%A4ss%2Fw%C3%B6rd%2B1%22%3C%26%3E%5C+x".to_owned(),
            "p%C3%A4ss/w%C3%B6rd+1%22%3C&%3E%5C%20x".to_owned(),
            "p%C3%A4ss/w%C3%B6rd%2B1%22%3C%26%3E%5C%20x".to_owned(),
            json[1..json.len() - 1].to_owned(),
            r#"p\u00e4ss/w\u00f6rd+1\"<&>\\ x"#.to_owned(),
            r#"p\u00e4ss\/w\u00f6rd+1\"<&>\\ x"#.to_owned(),
            "p\u{e4}ss/w\u{f6}rd+1\\\"\\u003c\\u0026\\u003e\\\\ x".to_owned(),
            r#"p\u00e4ss/w\u00f6rd+1\"\u003c\u0026\u003e\\ x"#.to_owned(),
            VALUE.bytes().map(char::from).collect(),
            STANDARD.encode(VALUE.bytes().map(char::from).collect::<String>()),
        ];
        for text in encoded {
            let shown = redacted(&format!("before {text} after"));
            assert!(
                shown.starts_with("before ") && shown.contains(MASK) && shown.ends_with(" after"),
                "{shown}"
            );
            assert!(shown.len() < text.len().min(20) + 30 || !shown.contains("rd"), "{text} became {shown}");
        }
    }

    /// Takes linear time; quadratic time would be minutes.
    #[test]
    fn repetitive_values_take_linear_time() {
        let values: Vec<String> = (0..32).map(|n| "x".repeat(8192 - n)).collect();
        let redactor = Redactor::new(values.iter().map(String::as_str));
        let body = "x".repeat(70_000);
        assert_eq!(redactor.text(&body[..8192]), MASK);
        assert!(redactor.text(&body).starts_with(&MASK.repeat(8)));
    }

    #[test]
    fn other_text_is_unchanged() {
        let text = "p\u{e4}ss/w\u{f6}rd is not quite it";
        assert_eq!(redacted(text), text);
        assert_eq!(Redactor::new([]).text("all"), "all");
    }

    #[test]
    fn a_value_across_the_cut_is_redacted_completely() {
        let redactor = Redactor::new(["0123456789"]);
        let body = b"aaaaa0123456789bbbb";
        assert_eq!(redactor.bytes(body, 8), format!("aaaaa{MASK}").as_bytes());
        assert_eq!(redactor.bytes(body, 5), b"aaaaa");
        assert_eq!(redactor.bytes(body, 16), format!("aaaaa{MASK}b").as_bytes());
        assert!(redactor.longest() >= 10);
    }

    proptest! {
        #[test]
        fn stored_text_never_contains_the_value(value in "[a-zA-Z0-9/+=]{8,40}", before in "[ -~]{0,20}", after in "[ -~]{0,20}", keep in 0usize..80) {
            let redactor = Redactor::new([value.as_str()]);
            let body = format!("{before}{value}{after}");
            let stored = String::from_utf8_lossy(&redactor.bytes(body.as_bytes(), keep)).into_owned();
            prop_assert!(!stored.contains(&value));
            let cut = keep.saturating_sub(before.len());
            if cut > 0 && !before.contains(&value[..4]) && !after.contains(&value[..4]) {
                prop_assert!(!stored.contains(&value[..4]), "{stored}");
            }
        }
    }
}
