//! Redacts secret values that a target echoes back: each occurrence, in any common encoding and in any case, is replaced by [`MASK`] before
//! it is stored. Targets change the case of header names, for example.
//!
//! Of an encoding, only its length and a hash are kept. The hash is a polynomial in a random base, so the hash of any part of a text
//! follows from two prefix hashes of the text (Karp and Rabin, "Efficient randomized pattern-matching algorithms", IBM Journal of Research
//! and Development 31 (2), 1987). So memory depends on the number of encodings and not on their lengths, and the time on the number of
//! different lengths and the text, whatever the values and the text are. A false positive masks more than it must, and nothing else.

mod encodings;
#[cfg(test)]
mod tests;
pub mod urls;

use encodings::{Encoding, Hash, START_BYTES, Start, start_of};

/// Replaces a value.
pub const MASK: &str = "••••";
/// Shorter encodings are not searched for: they would match unrelated text.
const MIN_ENCODING_BYTES: usize = 4;
/// In how many positions of a text at once encodings may begin: bounds the memory of a search.
const BLOCK_BYTES: usize = 2 * 1024;

/// Finds the values of one execution's secrets.
pub struct Redactor {
    /// Ascending.
    lengths: Vec<Length>,
    /// Of the encodings, by length, then ascending.
    hashes: Vec<u64>,
    starts: Starts,
}

/// The encodings of one length.
struct Length {
    bytes: usize,
    /// The base to the power of `bytes`.
    power: u64,
    /// Bit `hash >> 58` is set for each of their hashes.
    some: u64,
    /// In `Redactor::hashes`.
    first: usize,
    end: usize,
}

/// A position in which an encoding may begin, and the length of the longest encoding that does begin there.
struct Candidate {
    start: usize,
    longest: usize,
}

impl Redactor {
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Vec::new();
        for value in values {
            let mut encodings = encodings::of(value);
            // Many encodings of most values are equal.
            encodings.sort_unstable();
            encodings.dedup();
            all.append(&mut encodings);
        }
        all.sort_unstable();
        all.dedup();
        Self {
            lengths: lengths(&all),
            hashes: all.iter().map(|encoding| encoding.hash).collect(),
            starts: Starts::new(&all),
        }
    }

    /// How many bytes after the cut the caller must provide, so that no value is cut in two.
    pub fn longest(&self) -> usize {
        self.lengths.last().map_or(0, |length| length.bytes)
    }

    /// An upper bound of the steps that redacting this many bytes takes. A step takes about half a nanosecond.
    pub const fn steps(&self, bytes: usize) -> usize {
        bytes.saturating_mul(2 + self.lengths.len())
    }

    /// The first `keep` bytes of `data`, redacted: the leftmost match, and if several begin there, the longest. A value that begins before
    /// the cut is matched completely if `data` continues for [`Redactor::longest`] bytes after the cut. If `data` is shorter, the response
    /// ended there and no value was cut.
    pub fn bytes(&self, data: &[u8], keep: usize) -> Vec<u8> {
        self.bytes_up_to(data, keep, usize::MAX)
    }

    /// The same, of which more than `max_bytes` are not needed: masks can be longer than values.
    pub fn bytes_up_to(&self, data: &[u8], keep: usize, max_bytes: usize) -> Vec<u8> {
        let keep = keep.min(data.len());
        let (mut redacted, mut from) = (Vec::with_capacity(keep), 0);
        let (mut candidates, mut searched) = (Vec::new(), if self.lengths.is_empty() { keep } else { 0 });
        while searched < keep {
            let block_end = keep.min(searched + BLOCK_BYTES);
            self.starts.find(data, searched, block_end, &mut candidates);
            self.measure(data, &mut candidates);
            for Candidate { start, longest } in candidates.drain(..) {
                if longest > 0 && start >= from {
                    redacted.extend_from_slice(&data[from..start]);
                    redacted.extend_from_slice(MASK.as_bytes());
                    from = start + longest;
                }
            }
            if redacted.len() >= max_bytes {
                redacted.truncate(max_bytes);
                return redacted;
            }
            searched = block_end.max(from);
        }
        redacted.extend_from_slice(&data[from..keep.max(from)]);
        redacted
    }

    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes(), text.len())).into_owned()
    }

    /// Finds the longest encoding that begins at each candidate.
    fn measure(&self, data: &[u8], candidates: &mut [Candidate]) {
        let [Candidate { start: first, .. }, ..] = *candidates else { return };
        let last = candidates.last().map_or(first, |last| last.start);
        let prefixes = Hash::prefixes(&data[first..data.len().min(last + self.longest())]);
        for length in &self.lengths {
            // Where the text ends before the encoding would.
            let Some(tails) = prefixes.get(length.bytes..) else { return };
            let hashes = &self.hashes[length.first..length.end];
            for candidate in candidates.iter_mut() {
                let at = candidate.start - first;
                let Some(tail) = tails.get(at) else { break };
                let hash = tail.wrapping_sub(prefixes[at].wrapping_mul(length.power));
                if length.some >> (hash >> 58) & 1 == 1 && hashes.binary_search(&hash).is_ok() {
                    candidate.longest = length.bytes;
                }
            }
        }
    }
}

fn lengths(sorted: &[Encoding]) -> Vec<Length> {
    let mut lengths: Vec<Length> = Vec::new();
    for (at, encoding) in sorted.iter().enumerate() {
        if lengths.last().is_none_or(|last| last.bytes != encoding.bytes) {
            let (bytes, power) = (encoding.bytes, Hash::power(encoding.bytes));
            lengths.push(Length { bytes, power, some: 0, first: at, end: at });
        }
        if let Some(last) = lengths.last_mut() {
            last.some |= 1 << (encoding.hash >> 58);
            last.end = at + 1;
        }
    }
    lengths
}

/// Where encodings may begin. Most of a text is compared with nothing but a set of words of four bytes that may contain more than it should
/// (a Bloom filter of one hash), and if no encoding is short, only each fourth word of it.
struct Starts {
    /// The first bytes of all encodings, as many of each as the shortest one has. Ascending.
    all: Vec<Start>,
    bytes: usize,
    /// Every so many positions of a text are looked at. Of each encoding, as many words from its beginning on are in the set.
    stride: usize,
    /// Which bytes of a word count: encodings can be shorter than one.
    mask: u32,
    set: Box<[u64; Self::BITS / 64]>,
}

impl Starts {
    const BITS: usize = 8192;

    fn new(encodings: &[Encoding]) -> Self {
        let bytes = encodings.first().map_or(START_BYTES, |shortest| shortest.bytes.min(START_BYTES));
        let mut all: Vec<Start> =
            encodings.iter().map(|encoding| start_of(&encoding.start[..bytes])).collect();
        all.sort_unstable();
        all.dedup();
        let mut starts = Self {
            all,
            bytes,
            stride: bytes.saturating_sub(3).max(1),
            mask: u32::MAX >> (32 - 8 * bytes.min(4)),
            set: Box::new([0; Self::BITS / 64]),
        };
        let words = starts.all.iter().flat_map(|start| start.windows(4).take(starts.stride));
        for bit in words.map(|word| starts.bit(word)).collect::<Vec<_>>() {
            starts.set[bit / 64] |= 1 << (bit % 64);
        }
        starts
    }

    /// The candidates of `from..end`.
    fn find(&self, data: &[u8], from: usize, end: usize, candidates: &mut Vec<Candidate>) {
        let mut at = from.next_multiple_of(self.stride);
        while at < end + self.stride - 1 {
            if self.may_be_at(data, at) {
                // The word is one of the first of an encoding.
                let first = (at + 1).saturating_sub(self.stride).max(from);
                let begins = |start: &usize| {
                    let bytes = data.get(*start..start + self.bytes);
                    bytes.is_some_and(|bytes| self.all.binary_search(&start_of(bytes)).is_ok())
                };
                let starts = (first..end.min(at + 1)).filter(begins);
                candidates.extend(starts.map(|start| Candidate { start, longest: 0 }));
            }
            at += self.stride;
        }
    }

    fn may_be_at(&self, data: &[u8], at: usize) -> bool {
        let bit = match data.get(at..at + 4) {
            Some(word) => self.bit(word),
            // A shorter encoding may begin where less is left. A longer one is found not to fit.
            None => {
                let rest = data.get(at..).unwrap_or_default();
                let mut word = [0; 4];
                word[..rest.len()].copy_from_slice(rest);
                self.bit(&word)
            }
        };
        self.set[bit / 64] >> (bit % 64) & 1 == 1
    }

    /// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
    fn bit(&self, word: &[u8]) -> usize {
        // Upper and lower case differ in this bit. Other bytes may become equal, too.
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]) | 0x2020_2020;
        ((word & self.mask).wrapping_mul(0x9e37_79b1) >> (32 - Self::BITS.ilog2())) as usize
    }
}
