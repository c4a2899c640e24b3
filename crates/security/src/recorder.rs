//! Records every span that is exported, as an OTLP collector, and every command that Redis receives. The tests search these for secrets.

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

/// Bytes that grow while they are searched.
#[derive(Clone, Default)]
pub struct Recording(Arc<Mutex<Vec<u8>>>);

impl Recording {
    fn append(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Collects spans at `collector`: OTLP over gRPC, here HTTP/2 without TLS.
pub async fn record_spans(collector: SocketAddr) -> anyhow::Result<Recording> {
    let listener = TcpListener::bind(collector).await?;
    let recording = Recording::default();
    let collected = recording.clone();
    tasks::spawn("collector", async move {
        while let Ok((socket, _)) = listener.accept().await {
            let recording = collected.clone();
            let service = service_fn(move |request| export(request, recording.clone()));
            let serve = http2::Builder::new(TokioExecutor::new());
            tasks::spawn("span exporter", serve.serve_connection(TokioIo::new(socket), service));
        }
    });
    Ok(recording)
}

type Exported =
    Response<WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, std::convert::Infallible>>>>>;

/// An empty message, and the status OK.
async fn export(request: Request<Incoming>, recording: Recording) -> hyper::Result<Exported> {
    recording.append(&request.into_body().collect().await?.to_bytes());
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let trailers = ready(Some(Ok(HeaderMap::from_iter([status]))));
    let mut response = Response::new(Full::new(Bytes::from_static(&[0; 5])).with_trailers(trailers));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// Records every command from now on.
pub async fn record_commands(redis: &Path) -> anyhow::Result<Recording> {
    let mut socket = UnixStream::connect(redis).await?;
    socket.write_all(b"MONITOR\r\n").await?;
    let mut ready = [0; 5];
    socket.read_exact(&mut ready).await?;
    anyhow::ensure!(&ready == b"+OK\r\n", "Redis does not allow MONITOR");
    let recording = Recording::default();
    let watched = recording.clone();
    tasks::spawn("redis monitor", async move {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = socket.read(&mut piece).await {
            watched.append(&piece[..read]);
        }
    });
    Ok(recording)
}

/// Everything in Postgres, as text.
pub fn dump(pg_dump: &Path, url: &str) -> anyhow::Result<Vec<u8>> {
    let dump = std::process::Command::new(pg_dump).arg(url).output().context("pg_dump cannot be run")?;
    anyhow::ensure!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    Ok(dump.stdout)
}
