//! HTTP/2 by hyper: a script controls the response, not the protocol.

use std::{convert::Infallible, io, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::Request;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};

use super::{
    Hit, Shared,
    script::{Response, Script},
};

type Body = BoxBody<Bytes, Infallible>;

pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    connection.await.map_err(io::Error::other)
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// An error resets the stream.
async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> Result<http::Response<Body>, Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut headers: Vec<(String, String)> = head
        .uri
        .authority()
        .map(|authority| ("host".to_owned(), authority.to_string()))
        .into_iter()
        .collect();
    headers.extend(head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    }));
    let path = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    match shared.receive(Hit::now(head.method.to_string(), path, headers, body)) {
        Script::Response(response) => {
            sleep(response.after).await;
            Ok(build(&response)?)
        }
        Script::Never => std::future::pending().await,
        Script::DripBody(pause) => Ok(endless(b"x", pause)),
        Script::EndlessBody => Ok(endless(&[b'x'; 16 * 1024], Duration::ZERO)),
        Script::Close => Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
        Script::RefuseStream(reason) => Err(h2::Error::from(reason).into()),
        other => panic!("{other:?} cannot be expressed in HTTP/2"),
    }
}

fn build(response: &Response) -> Result<http::Response<Body>, io::Error> {
    let mut built = http::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        built = built.header(name, value);
    }
    built.body(Full::new(response.body.clone()).boxed()).map_err(io::Error::other)
}

fn endless(piece: &'static [u8], pause: Duration) -> http::Response<Body> {
    let pieces: Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync>> =
        Box::pin(stream::repeat(piece).then(move |piece| async move {
            sleep(pause).await;
            Ok(Frame::data(Bytes::from_static(piece)))
        }));
    http::Response::new(BodyExt::boxed(StreamBody::new(pieces)))
}
