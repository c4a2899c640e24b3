//! Connections: HTTP/1.1, TLS with the system's authorities, and the proxy that the environment names.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::{
        legacy::{
            self,
            connect::{HttpConnector, proxy::Tunnel},
        },
        proxy::matcher::Matcher,
    },
    rt::TokioExecutor,
};
use std::time::Duration;
use url::Url;

use crate::problem::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

type Pool<C> = legacy::Client<C, Full<Bytes>>;

/// The connections to one server. A request to an `http` URL goes there directly, because such a server is on this machine or in
/// this network.
pub enum Connections {
    Plain(Box<Pool<HttpConnector>>),
    Tls(Box<Pool<HttpsConnector<HttpConnector>>>),
    ByProxy(Box<Pool<HttpsConnector<Tunnel<HttpConnector>>>>),
}

impl Connections {
    /// Reads the certificates of authorities only if the URL needs them: that takes longer than most commands.
    pub fn new(url: &Url) -> Result<Self, Error> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        if url.scheme() != "https" {
            return Ok(Self::Plain(Box::new(pool().build(http))));
        }
        http.enforce_http(false);
        let uri: Uri = url.as_str().parse().map_err(http::Error::from)?;
        let tls = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(builder) => builder,
            // A container without certificates of its own.
            Err(_) => HttpsConnectorBuilder::new().with_webpki_roots(),
        };
        let tls = tls.https_only().enable_http1();
        Ok(match Matcher::from_env().intercept(&uri) {
            None => Self::Tls(Box::new(pool().build(tls.wrap_connector(http)))),
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), http);
                if let Some(auth) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                Self::ByProxy(Box::new(pool().build(tls.wrap_connector(tunnel))))
            }
        })
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, legacy::Error> {
        match self {
            Self::Plain(pool) => pool.request(request).await,
            Self::Tls(pool) => pool.request(request).await,
            Self::ByProxy(pool) => pool.request(request).await,
        }
    }
}

fn pool() -> legacy::Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_max_idle_per_host(1);
    builder
}
