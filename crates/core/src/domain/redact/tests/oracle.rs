//! The obvious way: writes every encoding, and compares each with every position of the text. It shares no code with what it checks.

use crate::domain::redact::MASK;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

const MIN_ENCODING_BYTES: usize = 4;

pub struct Naive(Vec<Vec<u8>>);

impl Naive {
    pub fn new(values: &[String]) -> Self {
        Self(values.iter().flat_map(|value| encodings(value)).collect())
    }

    pub fn longest(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0)
    }

    pub fn bytes(&self, data: &[u8], keep: usize) -> Vec<u8> {
        let (mut redacted, mut at) = (Vec::new(), 0);
        while at < data.len().min(keep) {
            let longest = self.0.iter().filter(|encoding| is_at(&data[at..], encoding)).map(Vec::len).max();
            match longest {
                Some(_) => redacted.extend_from_slice(MASK.as_bytes()),
                None => redacted.push(data[at]),
            }
            at += longest.unwrap_or(1);
        }
        redacted
    }
}

fn is_at(data: &[u8], encoding: &[u8]) -> bool {
    data.get(..encoding.len()).is_some_and(|start| start.eq_ignore_ascii_case(encoding))
}

/// All encodings of a value: as UTF-8, and as a target sees it that reads headers as Latin-1 (RFC 9110 §5.5 allows this).
pub fn encodings(value: &str) -> Vec<Vec<u8>> {
    let mut all = encodings_of(value);
    if !value.is_ascii() {
        for form in [value.to_owned(), value.to_lowercase(), value.to_uppercase()] {
            all.extend(encodings_of(&form));
            all.extend(encodings_of(&form.bytes().map(char::from).collect::<String>()));
        }
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
