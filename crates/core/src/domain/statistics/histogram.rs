//! Counts of durations in ranges whose width grows with the duration: eight to each doubling, so that a quantile is off by 6 % at most.

use std::collections::BTreeMap;

/// The first range: everything shorter than 64 µs.
const FIRST_BITS: u32 = 6;
/// Each doubling has 2³ ranges.
const PARTS_BITS: u32 = 3;
const PARTS: u32 = 1 << PARTS_BITS;

/// Durations in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: BTreeMap<u8, u64>,
    max: u64,
}

/// The bytes are not those of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not those of a histogram")]
pub struct InvalidHistogram;

impl Histogram {
    /// A negative duration counts as none.
    pub fn add(&mut self, us: i64) {
        let us = u64::try_from(us).unwrap_or(0);
        *self.counts.entry(range(us)).or_default() += 1;
        self.max = self.max.max(us);
    }

    pub fn merge(&mut self, other: &Self) {
        for (range, count) in &other.counts {
            *self.counts.entry(*range).or_default() += count;
        }
        self.max = self.max.max(other.max);
    }

    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The longest duration, exactly.
    pub fn max_us(&self) -> Option<u64> {
        (!self.counts.is_empty()).then_some(self.max)
    }

    /// The duration that this part of all durations does not exceed, from 0 to 1: the middle of its range.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are small"
    )]
    pub fn quantile_us(&self, part: f64) -> Option<u64> {
        let rank = (part * self.count() as f64).ceil().max(1.0) as u64;
        let mut before = 0;
        let found = self.counts.iter().find(|(_, count)| {
            before += **count;
            before >= rank
        });
        found.map(|(range, _)| u64::midpoint(start(*range), start_after(*range)).min(self.max))
    }

    /// The counts of whole doublings, ascending: the duration in microseconds that each is shorter than, and how many.
    pub fn doublings(&self) -> Vec<(u64, u64)> {
        let mut doublings: BTreeMap<u64, u64> = BTreeMap::new();
        for (range, count) in &self.counts {
            let last_part = range.saturating_sub(1) / 8 * 8 + 8;
            let end = if *range == 0 { start_after(0) } else { start_after(last_part) };
            *doublings.entry(end).or_default() += count;
        }
        doublings.into_iter().collect()
    }

    /// The longest duration, then each range with its count; numbers are in LEB128. An empty histogram has no bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + 3 * self.counts.len());
        if self.counts.is_empty() {
            return bytes;
        }
        write_number(&mut bytes, self.max);
        for (range, count) in &self.counts {
            bytes.push(*range);
            write_number(&mut bytes, *count);
        }
        bytes
    }

    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, InvalidHistogram> {
        let mut histogram = Self::default();
        if bytes.is_empty() {
            return Ok(histogram);
        }
        histogram.max = read_number(&mut bytes)?;
        while let Some((range, rest)) = bytes.split_first() {
            bytes = rest;
            let count = read_number(&mut bytes)?;
            *histogram.counts.entry(*range).or_default() += count;
        }
        Ok(histogram)
    }
}

/// The number of the range of a duration.
#[allow(clippy::cast_possible_truncation, reason = "it is at most u8::MAX")]
const fn range(us: u64) -> u8 {
    if us < 1 << FIRST_BITS {
        return 0;
    }
    let bits = u64::BITS - 1 - us.leading_zeros();
    let part = ((us >> (bits - PARTS_BITS)) as u32) & (PARTS - 1);
    let range = 1 + (bits - FIRST_BITS) * PARTS + part;
    if range > u8::MAX as u32 { u8::MAX } else { range as u8 }
}

const fn start(range: u8) -> u64 {
    if range == 0 {
        return 0;
    }
    let index = range as u32 - 1;
    let (bits, part) = (FIRST_BITS + index / PARTS, index % PARTS);
    ((PARTS + part) as u64) << (bits - PARTS_BITS)
}

/// Where the next range starts.
const fn start_after(range: u8) -> u64 {
    if range == u8::MAX { start(range) * 2 } else { start(range + 1) }
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Result<u64, InvalidHistogram> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(InvalidHistogram)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(InvalidHistogram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_follow_each_other() {
        for number in 0..u8::MAX {
            assert_eq!(range(start(number)), number);
            assert_eq!(range(start_after(number) - 1), number);
        }
        assert_eq!((range(u64::MAX), range(63), range(64), range(71), range(72)), (u8::MAX, 0, 1, 1, 2));
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        let empty = Histogram::default();
        assert_eq!((empty.quantile_us(0.5), empty.max_us(), empty.to_bytes()), (None, None, Vec::new()));
        assert_eq!(Histogram::from_bytes(&[]), Ok(empty));
        assert_eq!(Histogram::from_bytes(&[0x80]), Err(InvalidHistogram));
        assert_eq!(Histogram::from_bytes(&[1, 7]), Err(InvalidHistogram));
    }

    #[test]
    fn doublings_end_at_powers_of_two() {
        let mut histogram = Histogram::default();
        for us in [10, 64, 127, 128, 255, 1_000_000] {
            histogram.add(us);
        }
        assert_eq!(histogram.doublings(), [(64, 1), (128, 2), (256, 2), (1 << 20, 1)]);
    }

    proptest! {
        #[test]
        fn quantiles_are_close_and_bytes_keep_everything(mut durations in prop::collection::vec(0..100_000_000_i64, 1..300)) {
            let mut histogram = Histogram::default();
            durations.iter().for_each(|us| histogram.add(*us));
            prop_assert_eq!(&Histogram::from_bytes(&histogram.to_bytes()).unwrap(), &histogram);
            durations.sort_unstable();
            for part in [0.01, 0.5, 0.95, 0.99, 1.0] {
                let index = ((part * durations.len() as f64).ceil() as usize).max(1) - 1;
                let (exact, near) = (durations[index] as f64, histogram.quantile_us(part).unwrap() as f64);
                prop_assert!((near - exact).abs() <= exact.mul_add(0.0626, 64.0), "{part}: {near} for {exact}");
            }
            prop_assert_eq!(histogram.max_us(), durations.last().map(|us| *us as u64));
        }

        #[test]
        fn a_sum_of_parts_is_the_whole(durations in prop::collection::vec(0..i64::MAX, 0..100), at in 0..100_usize) {
            let of = |part: &[i64]| {
                let mut histogram = Histogram::default();
                part.iter().for_each(|us| histogram.add(*us));
                histogram
            };
            let (left, right) = durations.split_at(at.min(durations.len()));
            let mut sum = of(left);
            sum.merge(&of(right));
            prop_assert_eq!(sum, of(&durations));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let _read = Histogram::from_bytes(&bytes);
        }
    }
}
