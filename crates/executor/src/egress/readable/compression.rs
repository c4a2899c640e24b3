//! Content codings (RFC 9110 §8.4.1) that are undone. Bounded in output, memory and time, whatever is sent.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, reader::StandardAlloc};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use std::{
    io::Read,
    sync::{Mutex, PoisonError},
};

/// A window of brotli has up to 16 MiB (RFC 7932 §9.1), which the account of the job does not pay for. So a process has one at a time, for the
/// milliseconds that 64 KiB of output take.
static WINDOW: Mutex<()> = Mutex::new(());
/// RFC 9659 §3: the largest window of a zstd body.
const MAX_ZSTD_WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// RFC 8878 §3.1.1: an empty last block, and a checksum, which is not compared.
const END_OF_ZSTD_FRAME: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Compression {
    pub(super) fn of(content_encoding: &str) -> Option<Self> {
        match content_encoding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The beginning, at least one byte more than the maximum if there is more. `is_cut` says whether more was sent than `body` has. `None` if it
    /// is not compressed in this way.
    pub(super) fn undo(self, body: &[u8], is_cut: bool, max_bytes: usize) -> Option<Vec<u8>> {
        let read = |decoder: &mut dyn Read| {
            let mut plain = Vec::new();
            // An error after the beginning is the cut end of the body.
            let _ended = decoder.take(max_bytes as u64 + 1).read_to_end(&mut plain);
            Some(plain).filter(|plain| !plain.is_empty())
        };
        let window = || WINDOW.lock().unwrap_or_else(PoisonError::into_inner);
        match self {
            Self::Gzip => read(&mut MultiGzDecoder::new(body)),
            // RFC 9110 §8.4.1.2: some servers send it without the zlib format.
            Self::Deflate => {
                read(&mut ZlibDecoder::new(body)).or_else(|| read(&mut DeflateDecoder::new(body)))
            }
            Self::Brotli => {
                let _one = window();
                brotli(body, is_cut, max_bytes)
            }
            Self::Zstd => {
                let _one = window();
                Some(zstd(body, max_bytes)).filter(|plain| !plain.is_empty())
            }
        }
    }
}

/// RFC 7932 has nothing by which it is recognised: other bytes are decoded too, until one does not fit. So a body that is complete must be
/// decoded to its end.
fn brotli(body: &[u8], is_cut: bool, max_bytes: usize) -> Option<Vec<u8>> {
    // Not for the large windows that RFC 7932 does not have. The window grows with the output.
    let mut state =
        BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let mut plain = vec![0; max_bytes + 1];
    let (mut input, mut at) = (body.len(), 0);
    let (mut free, mut written, mut total) = (plain.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut input,
        &mut at,
        body,
        &mut free,
        &mut written,
        &mut plain,
        &mut total,
        &mut state,
    );
    let is_brotli = match result {
        BrotliResult::ResultSuccess | BrotliResult::NeedsMoreOutput => true,
        BrotliResult::NeedsMoreInput => is_cut,
        BrotliResult::ResultFailure => false,
    };
    plain.truncate(written);
    Some(plain).filter(|plain| is_brotli && !plain.is_empty())
}

/// RFC 8878 §3: frames, some of which are to be skipped.
fn zstd(mut body: &[u8], max_bytes: usize) -> Vec<u8> {
    let (mut decoder, mut plain) = (FrameDecoder::new(), Vec::new());
    decoder.set_max_window_size(MAX_ZSTD_WINDOW_BYTES);
    while !body.is_empty() && plain.len() <= max_bytes {
        match decoder.reset(&mut body) {
            Ok(()) => {}
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                body = body.get(length as usize..).unwrap_or_default();
                continue;
            }
            Err(_) => break,
        }
        let wanted = BlockDecodingStrategy::UptoBytes(max_bytes + 1 - plain.len());
        let decoded = decoder.decode_blocks(&mut body, wanted);
        if !decoder.is_finished() {
            // Enough is decoded, or the body is cut. Before its end, a frame keeps its window.
            let _ended = decoder.decode_blocks(&END_OF_ZSTD_FRAME[..], BlockDecodingStrategy::All);
        }
        plain.extend(decoder.collect().unwrap_or_default());
        if !matches!(decoded, Ok(true)) {
            break;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression as Level, write};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    const MAX: usize = 1000;
    /// Of Google's encoder, at its best: "café" in Latin-1 three times, and ten million times the letter a.
    const BROTLI_TEXT: &[u8] = b"\x1b#\x00\xf8\x1d\xa9S\x1f\x13\x87\xcb\xb01\xb4\x06a)3\x9ber\xe9\xb9\xca+\xd1d\x01X\x84T>\xcb\xc59\x13";
    const BROTLI_BOMB: &[u8] = b"\x9f\x7f\x96\x98\xf8%\xc2\xe2\xb1@ \xc7\x11\x13";

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = write::GzEncoder::new(Vec::new(), Level::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        compress_to_vec(plain, CompressionLevel::Fastest)
    }

    /// Without compression: RFC 7932 §9.2 with a window of 64 KiB, the data, and an empty last part.
    fn stored_brotli(plain: &[u8]) -> Vec<u8> {
        let bits = (plain.len() as u32 - 1) << 4 | 1 << 20;
        let head = bits.to_le_bytes();
        [&head[..3], plain, &[3]].concat()
    }

    fn undo(encoding: &str, body: &[u8], is_cut: bool) -> Option<Vec<u8>> {
        Compression::of(encoding).and_then(|compression| compression.undo(body, is_cut, MAX))
    }

    #[test]
    fn each_coding_is_undone() {
        let plain = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(undo("gzip", &gzip(b"text"), false), plain("text"));
        assert_eq!(undo("X-GZip", &[gzip(b"a"), gzip(b"b")].concat(), false), plain("ab"));
        let mut zlib = write::ZlibEncoder::new(Vec::new(), Level::default());
        zlib.write_all(b"text").unwrap();
        assert_eq!(undo("deflate", &zlib.finish().unwrap(), false), plain("text"));
        let mut raw = write::DeflateEncoder::new(Vec::new(), Level::default());
        raw.write_all(b"text").unwrap();
        assert_eq!(undo("deflate", &raw.finish().unwrap(), false), plain("text"));
        let latin1 = b"caf\xe9 caf\xe9 caf\xe9, at least three times";
        assert_eq!(undo("br", BROTLI_TEXT, false).as_deref(), Some(&latin1[..]));
        assert_eq!(undo("br", &stored_brotli(b"text"), false), plain("text"));
        assert_eq!(undo("zstd", &zstd(b"text"), false), plain("text"));
        let skipped = [&0x184d_2a53_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"any"].concat();
        assert_eq!(undo("ZSTD", &[zstd(b"a"), skipped, zstd(b"b")].concat(), false), plain("ab"));
    }

    #[test]
    fn other_bodies_stay() {
        for encoding in ["gzip", "br", "zstd", "compress", "gzip, br"] {
            for body in ["other", "{\"a\": 1}", "<!doctype html>", "no", ""] {
                assert_eq!(undo(encoding, body.as_bytes(), false), None, "{encoding}: {body}");
            }
        }
        // RFC 9659: a window of 16 MiB, as its descriptor says, the second byte after the magic number.
        let mut large = zstd(&[b'a'; 10]);
        assert_eq!(large[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        large.splice(4.., [0, 14 << 3, 1, 0, 0]);
        assert_eq!(undo("zstd", &large, false), None);
    }

    #[test]
    fn what_is_undone_is_bounded() {
        let plain = vec![b'a'; 10_000_000];
        for (encoding, bomb) in [("gzip", gzip(&plain)), ("br", BROTLI_BOMB.to_vec()), ("zstd", zstd(&plain))]
        {
            assert!(bomb.len() < 20_000, "{encoding}");
            let undone = undo(encoding, &bomb, false).unwrap();
            // One block of zstd more.
            assert!((MAX + 1..=MAX + 128 * 1024).contains(&undone.len()), "{encoding}: {}", undone.len());
            assert!(undone.iter().all(|byte| *byte == b'a'), "{encoding}");
        }
    }

    #[test]
    fn of_a_cut_body_the_beginning_is_undone() {
        let plain: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (encoding, body) in
            [("gzip", gzip(&plain)), ("br", stored_brotli(&plain[..60_000])), ("zstd", zstd(&plain))]
        {
            let undone = undo(encoding, &body[..body.len() - 10], true).unwrap();
            assert!(undone.len() > MAX, "{encoding}: {}", undone.len());
            assert_eq!(undone, plain[..undone.len()], "{encoding}");
        }
        // Two blocks of zstd, the second of which is cut. The decoder holds the first, because its window is not full.
        let two = zstd(&plain);
        let undone = Compression::Zstd.undo(&two[..two.len() - 10], true, 1_000_000).unwrap();
        assert_eq!(undone, plain[..128 * 1024]);
        assert_eq!(undo("br", &stored_brotli(b"text")[..5], true).as_deref(), Some(&b"te"[..]));
        assert_eq!(undo("br", &stored_brotli(b"text")[..5], false), None, "it is complete, and not brotli");
    }
}
