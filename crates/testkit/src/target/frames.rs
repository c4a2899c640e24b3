//! HTTP/2 by hand: arbitrary frames (RFC 9113 §4) and invalid header blocks (RFC 7541).

use std::{collections::VecDeque, io};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;

const HEAD_END: &[u8] = b"\r\n\r\n";
const MAX_HEAD_BYTES: usize = 65_536;

/// Sent after a request: `first`, then `again` repeatedly, unless it is empty.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    pub first: Vec<u8>,
    pub again: Vec<u8>,
}

impl Frames {
    /// The bytes of one frame.
    pub fn one(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }
}

pub(super) fn serve(listener: TcpListener, acceptor: TlsAcceptor, mut frames: VecDeque<Frames>) -> DropGuard {
    let stop = CancellationToken::new();
    let accepting = async move {
        while let Ok((socket, _)) = listener.accept().await {
            let next = if frames.len() > 1 { frames.pop_front() } else { frames.front().cloned() };
            tasks::spawn("frames", respond(socket, acceptor.clone(), next.unwrap_or_default()));
        }
    };
    tasks::spawn("frame server", stop.clone().run_until_cancelled_owned(accepting));
    stop.drop_guard()
}

async fn respond(socket: TcpStream, acceptor: TlsAcceptor, frames: Frames) -> io::Result<()> {
    let connection = acceptor.accept(socket).await?;
    if connection.get_ref().1.alpn_protocol() != Some(b"h2") {
        return succeed_over_http1(connection).await;
    }
    let (mut reading, mut writing) = split(connection);
    // SETTINGS must come first; these are empty.
    writing.write_all(&Frames::one(SETTINGS, 0, 0, &[])).await?;
    writing.flush().await?;
    reading.read_exact(&mut [0; PREFACE_BYTES]).await?;
    loop {
        let mut header = [0; FRAME_HEADER_BYTES];
        reading.read_exact(&mut header).await?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        reading.read_exact(&mut vec![0; length as usize]).await?;
        if header[3] == HEADERS {
            break;
        }
    }
    let drain = async { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await.map(drop) };
    let send = async {
        writing.write_all(&frames.first).await?;
        writing.flush().await?;
        while !frames.again.is_empty() {
            writing.write_all(&frames.again).await?;
            writing.flush().await?;
        }
        std::future::pending::<io::Result<()>>().await
    };
    tokio::select! {
        ended = drain => ended,
        failed = send => failed,
    }
}

/// For a client that was told to use HTTP/1.1: one successful response to a request of less than 64 KiB.
async fn succeed_over_http1(mut connection: TlsStream<TcpStream>) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(HEAD_END.len()).any(|window| window == HEAD_END) {
        if connection.read_buf(&mut request).await? == 0 || request.len() > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    connection.flush().await?;
    tokio::io::copy(&mut connection, &mut tokio::io::sink()).await.map(drop)
}
