//! Makes a body readable before it is redacted and stored: undoes its compression, and converts text to UTF-8.
//!
//! Secrets are looked for in the readable form, so this must not be done later.

mod compression;

use compression::Compression;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::response::Head;

/// How a body was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    compression: Option<Compression>,
    /// Of text.
    encoding: Option<&'static Encoding>,
}

/// A readable body, and whether something of it is missing.
pub(super) struct Readable {
    pub(super) body: Vec<u8>,
    pub(super) is_cut: bool,
}

impl Form {
    pub(super) fn of(head: &Head) -> Self {
        let compression = head.text("content-encoding").and_then(Compression::of);
        Self { compression, encoding: head.text("content-type").and_then(encoding_of) }
    }

    /// Whether [`Form::read`] makes another body of this one.
    pub(super) fn changes(&self, body: &[u8], is_cut: bool) -> bool {
        !body.is_empty() && (self.compression.is_some() || self.encoding_to_undo(body, is_cut).is_some())
    }

    /// What is UTF-8 is hardly anything else, whatever the header says, unless it is an encoding in which ASCII means something else.
    fn encoding_to_undo(&self, body: &[u8], is_cut: bool) -> Option<&'static Encoding> {
        let declared = self.encoding?;
        let encoding = Encoding::for_bom(body).map_or(declared, |(marked, _)| marked);
        (!encoding.is_ascii_compatible() || !is_utf8(body, is_cut)).then_some(encoding)
    }

    /// The first `max_bytes` of a body in readable form. `is_cut` says whether more of it was sent than `body` has. What cannot be converted
    /// stays as it was sent.
    pub(super) fn read(&self, body: Vec<u8>, is_cut: bool, max_bytes: usize) -> Readable {
        let undo = |compression: Compression| compression.undo(&body, is_cut, max_bytes);
        let read = match self.compression.and_then(undo) {
            Some(mut plain) => {
                let is_longer = plain.len() > max_bytes;
                plain.truncate(max_bytes);
                Readable { body: plain, is_cut: is_cut || is_longer }
            }
            None => Readable { body, is_cut },
        };
        self.to_utf8(read, max_bytes)
    }

    fn to_utf8(&self, Readable { body, is_cut }: Readable, max_bytes: usize) -> Readable {
        let Some(encoding) = self.encoding_to_undo(&body, is_cut) else { return Readable { body, is_cut } };
        let mut decoder = encoding.new_decoder();
        let mut text = String::with_capacity(
            decoder.max_utf8_buffer_length(body.len()).unwrap_or(max_bytes).min(max_bytes),
        );
        let (result, _, _) = decoder.decode_to_string(&body, &mut text, !is_cut);
        let is_longer = matches!(result, encoding_rs::CoderResult::OutputFull);
        Readable { body: text.into_bytes(), is_cut: is_cut || is_longer }
    }
}

/// The declared encoding, or that of text for which none is declared and which is not UTF-8. `None` for other content.
fn encoding_of(content_type: &str) -> Option<&'static Encoding> {
    let mut parts = content_type.split(';');
    let media_type = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let charset = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    });
    let declared = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    let is_text = media_type.starts_with("text/")
        || ["json", "xml", "javascript", "x-www-form-urlencoded"].iter().any(|end| media_type.ends_with(end));
    declared.or_else(|| is_text.then_some(WINDOWS_1252)).map(|encoding| match encoding {
        // It is declared wrongly if it is not UTF-8.
        utf8 if utf8 == UTF_8 => WINDOWS_1252,
        other => other,
    })
}

/// The last character may be cut.
fn is_utf8(body: &[u8], is_cut: bool) -> bool {
    match std::str::from_utf8(body) {
        Ok(_) => true,
        Err(error) => is_cut && error.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1000;

    fn form(content_type: &str, content_encoding: &str) -> Form {
        let mut head = Head::new(200, "HTTP/1.1");
        head.keep("content-type".to_owned(), content_type.as_bytes().to_vec());
        head.keep("content-encoding".to_owned(), content_encoding.as_bytes().to_vec());
        Form::of(&head)
    }

    fn text(content_type: &str, body: &[u8]) -> String {
        let read = form(content_type, "").read(body.to_vec(), false, MAX);
        assert!(!read.is_cut);
        String::from_utf8(read.body).unwrap_or_else(|_| "binary".to_owned())
    }

    #[test]
    fn text_is_converted() {
        assert_eq!(text("text/plain; charset=ISO-8859-1", b"caf\xe9"), "café");
        assert_eq!(text("text/html;Charset=\"latin1\"", b"caf\xe9"), "café");
        assert_eq!(text("text/plain; charset=windows-1252", b"\x80 5"), "€ 5");
        assert_eq!(text("text/plain; charset=Shift_JIS", b"\x93\xfa\x96\x7b"), "日本");
        assert_eq!(text("application/json; charset=utf-16le", b"{\0}\0"), "{}");
        assert_eq!(text("text/csv", b"\xff\xfea\0"), "a", "with a byte order mark");
        assert_eq!(text("text/plain", b"caf\xe9"), "café", "not declared");
        assert_eq!(text("text/plain; charset=utf-8", b"caf\xe9"), "café", "declared wrongly");
        assert_eq!(text("text/plain; charset=latin1", "café".as_bytes()), "café", "declared wrongly");
        assert_eq!(text("text/plain; charset=nonsense", b"caf\xe9"), "café");
        assert_eq!(text("image/png", b"\x89PNG"), "binary");
        assert_eq!(text("", b"\x89PNG"), "binary");
        let cut = form("text/plain", "").read("é".as_bytes()[..1].to_vec(), true, MAX);
        assert_eq!((cut.body.as_slice(), cut.is_cut), (b"\xc3".as_slice(), true), "a cut character of UTF-8");
        let grown = form("text/plain; charset=latin1", "").read(vec![0xe9; MAX], false, MAX);
        assert!((MAX - 3..=MAX).contains(&grown.body.len()) && grown.is_cut);
    }

    #[test]
    fn compressed_text_is_converted_and_cut() {
        // The four bytes "caf\xe9" as a stored block of zlib.
        let zlib = b"\x78\x01\x01\x04\0\xfb\xffcaf\xe9";
        let read = |max_bytes| form("text/plain", "deflate").read(zlib.to_vec(), false, max_bytes);
        assert_eq!((read(MAX).body.as_slice(), read(MAX).is_cut), ("café".as_bytes(), false));
        assert_eq!((read(2).body.as_slice(), read(2).is_cut), (&b"ca"[..], true));
        let other = form("text/plain", "gzip").read(b"no gzip".to_vec(), false, MAX);
        assert_eq!((other.body.as_slice(), other.is_cut), (&b"no gzip"[..], false));
    }
}
