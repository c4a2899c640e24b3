//! Reads the head of an HTTP/1.1 response, in whatever pieces it arrives, as tolerantly as other HTTP clients do: what RFC 9112 lets a
//! recipient repair is repaired, and a line that is no header is left out. Only a head whose meaning is in doubt is an error.
//!
//! The memory of a reader is bounded by what is kept of a head, however long the head is: each line is kept or left out before the next.

use super::framing::{Framing, HeadError, Length};
use crate::egress::response::{Head, MAX_KEPT_BYTES};

/// Of a response head, as received.
const MAX_HEAD_BYTES: usize = 256 * 1024;
const VERSION_START: &[u8] = b"HTTP/";

/// A head that is not interim, and what it says of the body and the connection.
#[derive(Debug)]
pub(super) struct FinalHead {
    pub(super) head: Head,
    pub(super) length: Length,
    pub(super) is_persistent: bool,
}

#[derive(Default)]
pub(super) struct HeadReader {
    /// The beginning of a line whose end has not arrived.
    line: Line,
    bytes: usize,
    /// After the status line.
    head: Option<Head>,
    framing: Framing,
    /// The last header line, which the next line may continue.
    field: Option<Field>,
}

/// At most [`MAX_KEPT_BYTES`] of a line. A longer one is not kept.
#[derive(Default)]
struct Line {
    start: Vec<u8>,
    is_cut: bool,
}

impl Line {
    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_KEPT_BYTES - self.start.len();
        self.is_cut |= bytes.len() > room;
        self.start.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

struct Field {
    name: String,
    value: Line,
}

impl HeadReader {
    /// Takes the next bytes. Returns how many of them belong to the head, and the head at its end. Interim responses are skipped
    /// (RFC 9110 §15.2).
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<FinalHead>), HeadError> {
        let mut read = 0;
        while read < bytes.len() {
            let rest = &bytes[read..];
            let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
            let line = &rest[..end.unwrap_or(rest.len())];
            read += line.len();
            self.bytes += line.len();
            if self.bytes > MAX_HEAD_BYTES {
                return Err(HeadError::TooLarge);
            }
            let ended = if end.is_none() {
                self.line.extend(line);
                self.check_start()?;
                None
            } else if self.line.start.is_empty() {
                self.end_line(line, false)?
            } else {
                self.line.extend(line);
                let Line { start, is_cut } = std::mem::take(&mut self.line);
                self.end_line(&start, is_cut)?
            };
            if ended.is_some() {
                return Ok((read, ended));
            }
        }
        Ok((read, None))
    }

    /// What is not HTTP may have no line end, so it is not awaited.
    fn check_start(&self) -> Result<(), HeadError> {
        let start = trim_line_end(&self.line.start);
        let known = start.len().min(VERSION_START.len());
        let may_be_http = start[..known].eq_ignore_ascii_case(&VERSION_START[..known]);
        if self.head.is_some() || may_be_http { Ok(()) } else { Err(HeadError::NotHttp) }
    }

    fn end_line(&mut self, line: &[u8], is_cut: bool) -> Result<Option<FinalHead>, HeadError> {
        let line = trim_line_end(line);
        // RFC 9110 §5.5: it may be an attempt to hide what follows.
        if memchr::memchr(0, line).is_some() {
            return Err(HeadError::NotHttp);
        }
        let Some(head) = &mut self.head else {
            if !line.is_empty() {
                let (head, is_persistent) = status_line(line).ok_or(HeadError::NotHttp)?;
                self.head = Some(head);
                self.framing = Framing::new(is_persistent);
            }
            return Ok(None);
        };
        if matches!(line.first(), Some(b' ' | b'\t')) {
            match &mut self.field {
                Some(field) => field.fold(line, is_cut),
                None => head.invalid += 1,
            }
            return Ok(None);
        }
        if let Some(Field { name, value }) = self.field.take() {
            self.framing.read(&name, &value.start)?;
            if value.is_cut { head.left_out += 1 } else { head.keep(name, value.start) }
        }
        if line.is_empty() {
            return Ok(self.end());
        }
        self.field = field(line, is_cut);
        head.invalid += usize::from(self.field.is_none());
        Ok(None)
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.line.start.capacity() + self.field.as_ref().map_or(0, |field| field.value.start.capacity())
    }

    fn end(&mut self) -> Option<FinalHead> {
        self.bytes = 0;
        let framing = std::mem::take(&mut self.framing);
        // 101 ends HTTP on this connection, so no other head follows.
        let head = self.head.take().filter(|head| !matches!(head.status, 100 | 102..=199))?;
        let length = framing.length(head.status);
        Some(FinalHead { is_persistent: framing.is_persistent(length), length, head })
    }
}

impl Field {
    /// RFC 9112 §5.2: a folded line continues the value, with a space for the fold.
    fn fold(&mut self, line: &[u8], is_cut: bool) {
        let more = line.trim_ascii();
        if !more.is_empty() && !self.value.start.is_empty() {
            self.value.extend(b" ");
        }
        self.value.extend(more);
        self.value.is_cut |= is_cut;
    }
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
    &line[..end.map_or(0, |at| at + 1)]
}

/// `HTTP/1.1 200 OK`, and whether connections of this version persist. The reason is ignored (RFC 9112 §4). Any version is read as what its
/// form is.
fn status_line(line: &[u8]) -> Option<(Head, bool)> {
    let (start, rest) = line.split_at_checked(VERSION_START.len())?;
    let (version, rest) = rest.split_at(rest.iter().position(|byte| matches!(byte, b' ' | b'\t'))?);
    let is_version = version.first().is_some_and(u8::is_ascii_digit)
        && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let (status, reason) = rest.trim_ascii_start().split_at_checked(3)?;
    if !start.eq_ignore_ascii_case(VERSION_START)
        || !is_version
        || !status.iter().all(u8::is_ascii_digit)
        || reason.first().is_some_and(u8::is_ascii_digit)
    {
        return None;
    }
    let status = std::str::from_utf8(status).ok()?.parse().ok().filter(|status| *status >= 100)?;
    let is_old = matches!(version, b"1.0" | b"0.9");
    Some((Head::new(status, if is_old { "HTTP/1.0" } else { "HTTP/1.1" }), version == b"1.1"))
}

/// `None` for a line that is no header: without a colon, without a name, or with control characters in the name.
fn field(line: &[u8], is_cut: bool) -> Option<Field> {
    let (name, value) = line.split_at(memchr::memchr(b':', line)?);
    // RFC 9112 §5.1: a recipient removes the space before the colon.
    let name = String::from_utf8_lossy(name.trim_ascii_end()).to_ascii_lowercase();
    if name.is_empty() || name.contains(char::is_control) {
        return None;
    }
    let mut value = value[1..].trim_ascii().to_vec();
    // RFC 9112 §2.2: a CR that ends no line is a space.
    value.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b' ');
    Some(Field { name, value: Line { start: value, is_cut } })
}
