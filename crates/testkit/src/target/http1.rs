//! HTTP/1.1 by hand, as the script says.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::server::TlsStream;

use super::{
    Hit, Shared,
    script::{Response, Script},
};

/// No test sends a longer head.
const MAX_HEAD_BYTES: usize = 1024 * 1024;

pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Serves requests until the client, or a script, ends the connection.
pub(super) async fn serve(socket: impl Socket, shared: Arc<Shared>) -> io::Result<()> {
    let mut stream = BufReader::new(socket);
    while let Some(hit) = read(&mut stream).await? {
        if !follow(&mut stream, shared.receive(hit)).await? {
            break;
        }
    }
    Ok(())
}

/// The next request; `None` after the last one.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Hit>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.len() < MAX_HEAD_BYTES => head.push(byte),
            Err(end) if head.is_empty() && end.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.trim_end().split("\r\n");
    let mut request = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (request.next().unwrap_or_default(), request.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.and_then(|(_, length)| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(Some(Hit::now(method, path, headers, Bytes::from(body))))
}

/// Follows the script; returns whether another request may come.
async fn follow<S: Socket>(stream: &mut BufReader<S>, script: Script) -> io::Result<bool> {
    match script {
        Script::Response(response) => {
            tokio::select! {
                () = sleep(response.after) => {}
                gone = disconnected(stream) => return gone.map(|()| false),
            }
            write(stream, &response).await
        }
        Script::Raw(bytes) => send(stream, &bytes).await.map(|()| false),
        Script::Never => disconnected(stream).await.map(|()| false),
        Script::DripHead(pause) => drip(stream, b"HTTP/1.1 200 OK\r\nx-drip: ", pause).await,
        Script::DripBody(pause) => {
            drip(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", pause).await
        }
        Script::EndlessInterim => repeat(stream, b"", b"HTTP/1.1 100 Continue\r\n\r\n").await,
        Script::EndlessBody => {
            repeat(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n", &[b'x'; 1024]).await
        }
        Script::EndlessChunks => {
            repeat(stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n").await
        }
        Script::EndlessHeaders => repeat(stream, b"HTTP/1.1 200 OK\r\n", b"x-a: 1\r\n").await,
        Script::Endless { start, piece } => repeat(stream, &start, &piece).await,
        Script::Close => Ok(false),
        Script::RefuseStream(reason) => panic!("{reason:?} cannot be expressed in HTTP/1.1"),
        Script::Reset => stream.get_ref().tcp().set_zero_linger().map(|()| false),
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), response: &Response) -> io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} \r\n", response.status);
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if response.has_body() {
        head.push_str(&format!("content-length: {}\r\n", response.body.len()));
    }
    let mut message = (head + "\r\n").into_bytes();
    if response.has_body() {
        message.extend_from_slice(&response.body);
    }
    send(stream, &message).await?;
    Ok(!response.headers.iter().any(|(name, value)| name == "connection" && value == "close"))
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Sends `start`, then a byte after each pause, until the client disconnects.
async fn drip<S: Socket>(stream: &mut BufReader<S>, start: &[u8], pause: Duration) -> io::Result<bool> {
    send(stream, start).await?;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            gone = disconnected(stream) => return gone.map(|()| false),
        }
        send(stream, b"x").await?;
    }
}

/// Sends `start`, then `piece` endlessly, as fast as the client reads; ends with an error.
async fn repeat(stream: &mut (impl AsyncWrite + Unpin), start: &[u8], piece: &[u8]) -> io::Result<bool> {
    let pieces = piece.repeat((64 * 1024 / piece.len()).max(1));
    send(stream, start).await?;
    loop {
        send(stream, &pieces).await?;
    }
}

/// Waits until the client closes the connection.
async fn disconnected(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}
