//! The target of the sample's jobs. A path says what it responds: `/200/120` is the status 200 after 120 ms.

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trigrun_core::runtime::tasks;

/// Of so many requests to `/flaky/…`, one fails.
const FLAKY: usize = 6;
const MAX_DELAY: Duration = Duration::from_secs(60);

static REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// Serves until `stop` on the port after the API's, so that the jobs find it after a restart, and returns the port. With a free port of the
/// API, on any free port.
pub async fn serve(api: SocketAddr, stop: CancellationToken) -> anyhow::Result<u16> {
    let listener = match TcpListener::bind((api.ip(), api.port() + 1)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((api.ip(), 0)).await?,
    };
    let port = listener.local_addr()?.port();
    tasks::spawn("sample target", async move {
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            let Ok((socket, _)) = accepted else { continue };
            tasks::spawn("sample connection", async move {
                let mut http = http1::Builder::new();
                // A client that disconnects is not an error here.
                let _gone = http
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(socket), service_fn(respond))
                    .await;
            });
        }
    });
    Ok(port)
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let received = body.collect().await?.to_bytes().len();
    let mut parts = head.uri.path().split('/').skip(1);
    let (status, delay) = (parts.next().unwrap_or_default(), parts.next().and_then(|ms| ms.parse().ok()));
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let status = match status {
        "flaky" if number.is_multiple_of(FLAKY) => StatusCode::SERVICE_UNAVAILABLE,
        "flaky" => StatusCode::OK,
        status => status.parse().unwrap_or(StatusCode::NOT_FOUND),
    };
    // A third more or less, so that durations differ.
    let delay = Duration::from_millis(delay.unwrap_or_default()).min(MAX_DELAY);
    tokio::time::sleep(delay.mul_f64(0.66 + 0.67 * ((number % 7) as f64 / 6.0))).await;
    let text =
        json!({ "status": status.as_u16(), "path": head.uri.path(), "received_bytes": received }).to_string();
    let body = if status == StatusCode::NO_CONTENT { Bytes::new() } else { Bytes::from(text) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}
