//! Looks on: at every span that is exported, as an OTLP collector, and at every command that Redis is given.
//!
//! What must not show anywhere is searched for in what these have seen.

use anyhow::Context;
use http_body_util::{BodyExt, Full, combinators::WithTrailers};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    future::{Ready, ready},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
};
use trigrun_core::runtime::tasks;

/// Bytes that grow while others look for something in them.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    fn more(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    pub fn so_far(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Collects spans from `collector` on: OTLP over gRPC, which is HTTP/2 without TLS here.
pub async fn spans(collector: SocketAddr) -> anyhow::Result<Seen> {
    let listener = TcpListener::bind(collector).await?;
    let seen = Seen::default();
    let collected = seen.clone();
    tasks::spawn("collector", async move {
        while let Ok((socket, _)) = listener.accept().await {
            let seen = collected.clone();
            let service = service_fn(move |request| export(request, seen.clone()));
            let serve = http2::Builder::new(TokioExecutor::new());
            tasks::spawn("exporter", serve.serve_connection(TokioIo::new(socket), service));
        }
    });
    Ok(seen)
}

type Exported =
    Response<WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, std::convert::Infallible>>>>>;

/// An empty message, and that all is well.
async fn export(request: Request<Incoming>, seen: Seen) -> hyper::Result<Exported> {
    seen.more(&request.into_body().collect().await?.to_bytes());
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let trailers = ready(Some(Ok(HeaderMap::from_iter([status]))));
    let mut response = Response::new(Full::new(Bytes::from_static(&[0; 5])).with_trailers(trailers));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// Watches every command from now on.
pub async fn commands(redis: &Path) -> anyhow::Result<Seen> {
    let mut socket = UnixStream::connect(redis).await?;
    socket.write_all(b"MONITOR\r\n").await?;
    let mut ready = [0; 5];
    socket.read_exact(&mut ready).await?;
    anyhow::ensure!(&ready == b"+OK\r\n", "Redis lets nobody look on");
    let seen = Seen::default();
    let watched = seen.clone();
    tasks::spawn("monitor", async move {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = socket.read(&mut piece).await {
            watched.more(&piece[..read]);
        }
    });
    Ok(seen)
}

/// Everything in Postgres, as text.
pub fn dump(pg_dump: &Path, url: &str) -> anyhow::Result<Vec<u8>> {
    let dump = std::process::Command::new(pg_dump).arg(url).output().context("pg_dump cannot be run")?;
    anyhow::ensure!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    Ok(dump.stdout)
}
