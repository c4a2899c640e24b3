//! The demo's target: responds with 200 and the request that it received.

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trigrun_core::runtime::tasks;

/// Serves on a free port of this machine until `stop`.
pub async fn serve(stop: CancellationToken) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tasks::spawn("echo", async move {
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            let Ok((socket, _)) = accepted else { continue };
            tasks::spawn("echo connection", async move {
                // A client that disconnects is not an error here.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(echo)).await;
            });
        }
    });
    Ok(address)
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let execution = head.headers.get("trigrun-execution-id").and_then(|id| id.to_str().ok());
    let received = json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "execution_id": execution,
        "body": String::from_utf8_lossy(&body),
    });
    let mut response = Response::new(Full::new(Bytes::from(received.to_string())));
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}
