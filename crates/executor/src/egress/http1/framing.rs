//! Where the body of an HTTP/1.1 response ends, and whether the connection survives it (RFC 9112 §6.3, §9.3). Pure: it does no I/O.

use std::time::Duration;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    NotHttp,
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(u64),
    Chunked,
    UntilClose,
}

/// What the header lines of a response say of its framing.
#[derive(Default)]
pub(super) struct Framing {
    persists_by_default: bool,
    close: bool,
    keep_alive: bool,
    /// The last transfer coding, if it is not `identity`.
    is_chunked: Option<bool>,
    bytes: Option<u64>,
    /// A length that is understood, and might be understood otherwise.
    is_doubtful: bool,
}

impl Framing {
    pub(super) fn new(persists_by_default: bool) -> Self {
        Self { persists_by_default, ..Self::default() }
    }

    pub(super) fn read(&mut self, name: &str, value: &[u8]) -> Result<(), HeadError> {
        match name {
            "connection" => {
                self.close |= items(value).any(|item| item.eq_ignore_ascii_case(b"close"));
                self.keep_alive |= items(value).any(|item| item.eq_ignore_ascii_case(b"keep-alive"));
            }
            "transfer-encoding" => {
                for coding in items(value).filter(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
                    self.is_chunked = Some(coding.eq_ignore_ascii_case(b"chunked"));
                }
            }
            // Empty values too: such a length is unknown.
            "content-length" => {
                for item in value.split(|byte| *byte == b',') {
                    self.read_length(item.trim_ascii())?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Equal lengths may be repeated; different ones cannot be repaired (RFC 9112 §6.3).
    fn read_length(&mut self, text: &[u8]) -> Result<(), HeadError> {
        let digits = text.strip_prefix(b"+").unwrap_or(text);
        let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        if end == 0 {
            return Err(HeadError::NotHttp);
        }
        self.is_doubtful |= end < text.len();
        // As other clients do, text after the number is ignored, and a number that is too large means as much as there is.
        let number = std::str::from_utf8(&digits[..end]).ok().and_then(|digits| digits.parse().ok());
        let length = number.unwrap_or(u64::MAX);
        if self.bytes.is_some_and(|known| known != length) {
            return Err(HeadError::NotHttp);
        }
        self.bytes = Some(length);
        Ok(())
    }

    /// No request of ours is a HEAD or a CONNECT.
    pub(super) fn length(&self, status: u16) -> Length {
        match (status, self.is_chunked, self.bytes) {
            (100..=199 | 204 | 304, _, _) => Length::Bytes(0),
            (_, Some(true), _) => Length::Chunked,
            (_, Some(false), _) | (_, None, None | Some(u64::MAX)) => Length::UntilClose,
            (_, None, Some(bytes)) => Length::Bytes(bytes),
        }
    }

    /// Whether another exchange may follow a body of this length.
    pub(super) fn is_persistent(&self, length: Length) -> bool {
        let persists = self.persists_by_default || self.keep_alive;
        // RFC 9112 §6.1: a length beside chunks, or a coding in HTTP/1.0, is a sign of different readings of the message.
        let is_clear = !self.is_doubtful
            && (self.is_chunked.is_none() || self.bytes.is_none() && self.persists_by_default);
        persists && !self.close && is_clear && length != Length::UntilClose
    }
}

fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// `Keep-Alive: timeout=5`, in seconds: how long Node, Apache and others keep an idle connection.
pub(super) fn keep_alive(value: &[u8]) -> Option<Duration> {
    let seconds = items(value).find_map(|parameter| parameter.strip_prefix(b"timeout="))?;
    std::str::from_utf8(seconds.trim_ascii()).ok()?.parse().ok().map(Duration::from_secs)
}
