//! The encodings of a value, as lengths and hashes. None of them is ever in memory as text, except base64 in pieces.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use super::MIN_ENCODING_BYTES;

/// How many bytes of an encoding are kept.
pub(super) const START_BYTES: usize = 7;
/// The first bytes; zeros if there are fewer.
pub(super) type Start = [u8; START_BYTES];

/// Ordered by length, then by hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Encoding {
    pub(super) bytes: usize,
    pub(super) hash: u64,
    pub(super) start: Start,
}

/// The polynomial hash of a text in lower case, modulo 2^64. Bytes of the text are the coefficients, the first one that of the highest power.
/// Only ASCII letters have a case here.
#[derive(Clone, Copy)]
pub(super) struct Hash {
    value: u64,
    /// The base to the power of `bytes`.
    power: u64,
    bytes: usize,
}

/// Odd, so that no power of it is zero, and random. Modulo 2^64 there are pairs of long texts that collide in every base (the sequence of
/// Thue and Morse). They do no harm here, and the arithmetic is twice as fast as modulo a prime.
static BASE: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0) | 1);

impl Hash {
    const EMPTY: Self = Self { value: 0, power: 1, bytes: 0 };

    fn of(text: &[u8]) -> Self {
        let base = *BASE;
        let byte = |byte: &u8| Self { value: u64::from(byte.to_ascii_lowercase()), power: base, bytes: 1 };
        Self::joined(text, byte)
    }

    /// Of this text, followed by another one.
    const fn then(self, next: Self) -> Self {
        Self {
            value: self.value.wrapping_mul(next.power).wrapping_add(next.value),
            power: self.power.wrapping_mul(next.power),
            bytes: self.bytes + next.bytes,
        }
    }

    /// Of texts that follow each other. Four at once, because each multiplication that needs the result of the one before waits for it.
    fn joined<T>(items: &[T], hash: impl Fn(&T) -> Self) -> Self {
        let (fours, rest) = items.as_chunks::<4>();
        let whole = fours.iter().fold(Self::EMPTY, |all, [a, b, c, d]| {
            all.then(hash(a).then(hash(b)).then(hash(c).then(hash(d))))
        });
        rest.iter().fold(whole, |all, item| all.then(hash(item)))
    }

    /// The base to the power of `bytes`.
    pub(super) fn power(bytes: usize) -> u64 {
        u32::try_from(bytes).map_or(0, |bytes| BASE.wrapping_pow(bytes))
    }

    /// Of each prefix of a text, from the empty one to the whole text.
    pub(super) fn prefixes(text: &[u8]) -> Vec<u64> {
        let (base, mut hash) = (*BASE, 0_u64);
        let mut prefixes = Vec::with_capacity(text.len() + 1);
        prefixes.push(hash);
        prefixes.extend(text.iter().map(|byte| {
            hash = hash.wrapping_mul(base).wrapping_add(u64::from(byte.to_ascii_lowercase()));
            hash
        }));
        prefixes
    }
}

/// All encodings of a value in all cases: as UTF-8, and as a target sees it that reads headers as Latin-1 (RFC 9110 §5.5 allows this).
pub(super) fn of(value: &str) -> Vec<Encoding> {
    let mut all = Vec::new();
    encode(value, &mut all);
    if !value.is_ascii() {
        for form in [value.to_owned(), value.to_lowercase(), value.to_uppercase()] {
            encode(&form, &mut all);
            encode(&form.bytes().map(char::from).collect::<String>(), &mut all);
        }
    }
    all
}

/// A value unchanged, in base64, percent-encoded, form-encoded and as a JSON string.
fn encode(value: &str, all: &mut Vec<Encoding>) {
    let unchanged = Hash::of(value.as_bytes());
    let mut add = |hash: Hash, start: Start| {
        let is_unchanged = hash.bytes == unchanged.bytes && hash.value == unchanged.value;
        if hash.bytes >= MIN_ENCODING_BYTES || (is_unchanged && hash.bytes > 0) {
            all.push(Encoding { bytes: hash.bytes, hash: hash.value, start });
        }
    };
    add(unchanged, start_of(value.as_bytes()));
    for before in 0..3 {
        base64(value.as_bytes(), before, &mut add);
    }
    let is_ascii = value.is_ascii();
    for writing in WRITINGS.iter().filter(|writing| !(is_ascii && writing.has_numbers)) {
        add(writing.hash(value), writing.start(value));
    }
}

pub(super) fn start_of(text: &[u8]) -> Start {
    let mut start = [0; START_BYTES];
    let bytes = text.len().min(start.len());
    start[..bytes].copy_from_slice(&text[..bytes]);
    start.make_ascii_lowercase();
    start
}

/// The value inside a longer base64 text: one encoding for each of the three alignments to groups of three bytes. The characters at the
/// ends depend on the neighbouring bytes and are left out.
fn base64(value: &[u8], before: usize, add: &mut impl FnMut(Hash, Start)) {
    let shifted = [&[0; 2][..before.min(2)], value].concat();
    let from = (before * 8).div_ceil(6);
    let until = shifted.len() * 8 / 6;
    for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
        if let Some(own) = text.as_bytes().get(from..until) {
            add(Hash::of(own), start_of(own));
        }
    }
}

/// A way to write a value: each byte becomes a text.
struct Writing {
    texts: Vec<Vec<u8>>,
    hashes: [Hash; 256],
    /// Non-ASCII characters become `\u` and hexadecimal digits.
    has_numbers: bool,
}

/// Characters, besides letters and digits, that percent-encoding leaves unchanged: the unreserved ones only (RFC 3986 §2.3), and the sets of
/// encodeURI, encodeURIComponent, Python's `quote` and forms (the URL standard, 5.2).
const UNESCAPED: [&str; 5] = ["-._~", "-._~;/?:@&=+$,#!*'()", "-._~!*'()", "-._~/", "-._*"];
/// Characters that some encoders of JSON write as numbers.
const NUMBERED: [&str; 3] = ["", "<>&", "<>&'"];

static WRITINGS: LazyLock<Vec<Writing>> = LazyLock::new(|| {
    let mut writings = Vec::new();
    for plain in UNESCAPED {
        for space in ["%20", "+"] {
            writings.push(Writing::new(false, |byte| percent(byte, plain, space)));
        }
    }
    for numbered in NUMBERED {
        for slash in ["/", "\\/"] {
            for has_numbers in [false, true] {
                writings.push(Writing::new(has_numbers, |byte| json(byte, numbered, slash)));
            }
        }
    }
    writings
});

/// Of `\u` and the first byte of a number, and of its second byte.
static NUMBERS: LazyLock<[[Hash; 256]; 2]> =
    LazyLock::new(|| ["\\u", ""].map(|before| hashes(|byte| format!("{before}{byte:02x}").into_bytes())));

impl Writing {
    fn new(has_numbers: bool, write: impl Fn(u8) -> Vec<u8>) -> Self {
        Self { texts: (0..=u8::MAX).map(&write).collect(), hashes: hashes(write), has_numbers }
    }

    fn hash(&self, value: &str) -> Hash {
        let of_byte = |byte: &u8| self.hashes[usize::from(*byte)];
        if !self.has_numbers {
            return Hash::joined(value.as_bytes(), of_byte);
        }
        let [first, second] = &*NUMBERS;
        value.chars().fold(Hash::EMPTY, |all, character| match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => all.then(of_byte(&byte)),
            _ => character.encode_utf16(&mut [0; 2]).iter().fold(all, |all, unit| {
                let [high, low] = unit.to_be_bytes();
                all.then(first[usize::from(high)].then(second[usize::from(low)]))
            }),
        })
    }

    fn start(&self, value: &str) -> Start {
        let mut text = Vec::new();
        for character in value.chars().take(START_BYTES) {
            match character {
                other if self.has_numbers && !other.is_ascii() => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        text.extend(number(*unit));
                    }
                }
                _ => text.extend(
                    character
                        .encode_utf8(&mut [0; 4])
                        .bytes()
                        .flat_map(|byte| &self.texts[usize::from(byte)]),
                ),
            }
        }
        start_of(&text)
    }
}

fn hashes(write: impl Fn(u8) -> Vec<u8>) -> [Hash; 256] {
    let mut hashes = [Hash::EMPTY; 256];
    for (byte, hash) in (0..=u8::MAX).zip(&mut hashes) {
        *hash = Hash::of(&write(byte));
    }
    hashes
}

fn percent(byte: u8, plain: &str, space: &str) -> Vec<u8> {
    match byte {
        b' ' => space.as_bytes().to_vec(),
        _ if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) => vec![byte],
        _ => format!("%{byte:02x}").into_bytes(),
    }
}

/// In a JSON string (RFC 8259 §7). Some encoders escape the characters of `numbered` by number.
fn json(byte: u8, numbered: &str, slash: &str) -> Vec<u8> {
    match byte {
        b'\t' => b"\\t".to_vec(),
        b'"' | b'\\' => vec![b'\\', byte],
        b'/' => slash.as_bytes().to_vec(),
        _ if numbered.as_bytes().contains(&byte) => number(byte.into()),
        _ => vec![byte],
    }
}

fn number(unit: u16) -> Vec<u8> {
    format!("\\u{unit:04x}").into_bytes()
}
