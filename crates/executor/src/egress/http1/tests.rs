//! Responses in pieces, and bytes that are no response.

use proptest::prelude::*;

use super::{
    body::{BodyError, Decoder},
    framing::{HeadError, Length},
    head::HeadReader,
};

/// Status, stored headers, body, and whether the connection persists.
type Message = (u16, Vec<(String, String)>, Vec<u8>, bool);

#[derive(Debug, PartialEq)]
enum Unreadable {
    Head(HeadError),
    Body(BodyError),
    /// The head has not ended.
    Unfinished,
}

/// Reads a message that arrives in these pieces, followed by the end of the connection.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Message, Unreadable> {
    let (mut reader, mut found, mut body) = (HeadReader::default(), None, Vec::new());
    for mut piece in pieces {
        if found.is_none() {
            let (taken, head) = reader.feed(piece).map_err(Unreadable::Head)?;
            found = head.map(|head| (Decoder::new(head.length), head));
            piece = &piece[taken..];
        }
        let Some((decoder, _)) = &mut found else { continue };
        while !piece.is_empty() && !decoder.has_ended() {
            let (taken, data) = decoder.decode(piece).map_err(Unreadable::Body)?;
            body.extend_from_slice(&piece[data]);
            piece = &piece[taken..];
        }
    }
    let (mut decoder, head) = found.ok_or(Unreadable::Unfinished)?;
    decoder.close().map_err(Unreadable::Body)?;
    let (status, is_persistent) = (head.head.status, head.is_persistent);
    Ok((status, head.head.into_stored_headers(), body, is_persistent))
}

#[test]
fn pieces_do_not_matter() {
    let messages: [&[u8]; 4] = [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: one;\r\n\ttwo\r\nno header\r\nContent-Length: 2\r\n\r\nok",
        b"\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\no\r\n0001\r\nk\r\n0\r\nX-B: b\r\n\r\n",
        b"HTTP/1.0 200\nX-A : \xff\n\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    ];
    for message in messages {
        let whole = read([message]);
        assert_eq!(read(message.chunks(1)), whole);
        for at in 0..message.len() {
            let (first, second) = message.split_at(at);
            assert_eq!(read([first, second]), whole, "{at}");
        }
    }
    assert_eq!(read([messages[3]]), Err(Unreadable::Head(HeadError::NotHttp)));
}

#[test]
fn which_connections_persist() {
    let persists = |text: &str| read([text.as_bytes()]).unwrap().3;
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert!(persists(text), "{text}");
    }
    for text in [
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert!(!persists(text), "{text}");
    }
}

#[test]
fn what_is_held_of_a_head_is_bounded() {
    let mut reader = HeadReader::default();
    reader.feed(b"HTTP/1.1 200 OK\r\nx: ").unwrap();
    let mut read = 0;
    let error = loop {
        match reader.feed(&[b'a'; 1024]) {
            Ok(_) => read += 1024,
            Err(error) => break error,
        }
    };
    assert_eq!((error, read), (HeadError::TooLarge, 255 * 1024));
    assert!(reader.held_bytes() <= 3 * super::super::response::MAX_KEPT_BYTES, "{}", reader.held_bytes());
}

#[test]
fn chunks_that_are_not_valid() {
    let chunked = |text: &str| {
        read([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", text.as_bytes()]).unwrap_err()
    };
    for text in ["x\r\n", "\r\n", "-1\r\n", "0x1\r\na\r\n", "1\r\nab\r\n", "11112222333344445\r\n"] {
        assert_eq!(chunked(text), Unreadable::Body(BodyError::NotHttp), "{text:?}");
    }
    for text in ["", "2", "2\r\n", "2\r\no", "2\r\nok\r\n", "2\r\nok\r\n0", "0\r\n", "0\r\nX-A: a\r\n"] {
        assert_eq!(chunked(text), Unreadable::Body(BodyError::ClosedEarly), "{text:?}");
    }
    assert_eq!(chunked(&"0".repeat(20_000)), Unreadable::Body(BodyError::NotHttp));
}

proptest! {
    #[test]
    fn any_bytes_give_the_same_in_any_pieces(bytes: Vec<u8>, size in 1usize..64, is_http: bool) {
        let start: &[u8] = if is_http { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        let message = [start, &bytes].concat();
        prop_assert_eq!(read(message.chunks(size)).ok(), read([message.as_slice()]).ok());
    }

    #[test]
    fn any_chunks_give_the_same_in_any_pieces(text in "([0-9a-f]{0,2}[;\r\n ]{0,3}[a-z]{0,20}){0,8}", size in 1usize..9) {
        let decode = |size: usize| {
            let (mut decoder, mut body) = (Decoder::new(Length::Chunked), Vec::new());
            for mut piece in text.as_bytes().chunks(size) {
                while !piece.is_empty() && !decoder.has_ended() {
                    let (taken, data) = decoder.decode(piece).ok()?;
                    body.extend_from_slice(&piece[data]);
                    piece = &piece[taken..];
                }
            }
            Some((body, decoder.has_ended()))
        };
        prop_assert_eq!(decode(size), decode(text.len().max(1)));
    }
}
