//! Decodes the body of an HTTP/1.1 response. Pure: it does no I/O.

use std::ops::Range;

use super::framing::Length;

/// Of a line with the size of a chunk and its extensions, and of all trailers.
const MAX_LINE_BYTES: usize = 16 * 1024;
const MAX_TRAILER_BYTES: usize = 256 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    NotHttp,
    ClosedEarly,
}

#[derive(Debug)]
pub(super) enum Decoder {
    Ended,
    Bytes(u64),
    UntilClose,
    Chunks(Chunks),
}

/// RFC 9112 §7.1. A line may end with a bare LF. Extensions and trailers are ignored.
#[derive(Debug)]
pub(super) struct Chunks {
    part: Part,
    /// Bytes of the current line, or of all trailers.
    bytes: usize,
}

#[derive(Debug)]
enum Part {
    /// The digits of a size; `None` before the first.
    Size(Option<u64>),
    /// Between the digits and the end of the line.
    Extension(u64),
    Data(u64),
    DataEnd,
    Trailers {
        is_line_empty: bool,
    },
}

impl Decoder {
    pub(super) fn new(length: Length) -> Self {
        match length {
            Length::Bytes(0) => Self::Ended,
            Length::Bytes(bytes) => Self::Bytes(bytes),
            Length::UntilClose => Self::UntilClose,
            Length::Chunked => Self::Chunks(Chunks { part: Part::Size(None), bytes: 0 }),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Takes from `input`, which is not empty, until there is data: how much was taken, and which part of it is data.
    pub(super) fn decode(&mut self, input: &[u8]) -> Result<(usize, Range<usize>), BodyError> {
        match self {
            Self::Ended => Ok((0, 0..0)),
            Self::UntilClose => Ok((input.len(), 0..input.len())),
            Self::Bytes(left) => {
                let taken = at_most(*left, input.len());
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::Ended;
                }
                Ok((taken, 0..taken))
            }
            Self::Chunks(chunks) => {
                let (taken, data, has_ended) = chunks.decode(input)?;
                if has_ended {
                    *self = Self::Ended;
                }
                Ok((taken, data))
            }
        }
    }

    /// The server has closed the connection.
    pub(super) fn close(&mut self) -> Result<(), BodyError> {
        match self {
            Self::Ended | Self::UntilClose => {
                *self = Self::Ended;
                Ok(())
            }
            Self::Bytes(_) | Self::Chunks(_) => Err(BodyError::ClosedEarly),
        }
    }
}

impl Chunks {
    fn decode(&mut self, input: &[u8]) -> Result<(usize, Range<usize>, bool), BodyError> {
        let mut at = 0;
        while at < input.len() {
            if let Part::Data(left) = &mut self.part {
                let data = at..at + at_most(*left, input.len() - at);
                *left -= data.len() as u64;
                if *left == 0 {
                    self.part = Part::DataEnd;
                }
                return Ok((data.end, data, false));
            }
            let has_ended = self.take(input[at])?;
            at += 1;
            if has_ended {
                return Ok((at, 0..0, true));
            }
        }
        Ok((at, 0..0, false))
    }

    /// Takes a byte that is not data; whether it is the last one of the body.
    fn take(&mut self, byte: u8) -> Result<bool, BodyError> {
        self.bytes += 1;
        let is_in_trailers = matches!(self.part, Part::Trailers { .. });
        if self.bytes > if is_in_trailers { MAX_TRAILER_BYTES } else { MAX_LINE_BYTES } {
            return Err(BodyError::NotHttp);
        }
        self.part = match (&self.part, byte) {
            (Part::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                let size = size.unwrap_or(0).checked_mul(16).and_then(|size| size.checked_add(digit));
                Part::Size(Some(size.ok_or(BodyError::NotHttp)?))
            }
            (Part::Size(None), b' ' | b'\t') => Part::Size(None),
            (Part::Size(Some(size)), b'\r' | b' ' | b'\t' | b';') => Part::Extension(*size),
            (Part::Size(Some(size)) | Part::Extension(size), b'\n') => self.after_size(*size),
            (Part::Extension(size), _) => Part::Extension(*size),
            (Part::DataEnd, b'\r') => Part::DataEnd,
            (Part::DataEnd, b'\n') => {
                self.bytes = 0;
                Part::Size(None)
            }
            (Part::Trailers { is_line_empty: true }, b'\n') => return Ok(true),
            (Part::Trailers { .. }, b'\n') => Part::Trailers { is_line_empty: true },
            (Part::Trailers { is_line_empty }, b'\r') => Part::Trailers { is_line_empty: *is_line_empty },
            (Part::Trailers { .. }, _) => Part::Trailers { is_line_empty: false },
            _ => return Err(BodyError::NotHttp),
        };
        Ok(false)
    }

    fn after_size(&mut self, size: u64) -> Part {
        self.bytes = 0;
        if size == 0 { Part::Trailers { is_line_empty: true } } else { Part::Data(size) }
    }
}

fn at_most(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}
