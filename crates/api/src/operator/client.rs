//! A small HTTP client for operators: calls the API or a probe as a user does, over http or https.
//!
//! A connection serves one request; redirects are not followed.

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::RootCertStore;
use serde_json::Value;
use std::{future::poll_fn, time::Duration};
use tokio::time::timeout;
use tower_service::Service;
use trigrun_core::{runtime::tasks, tls};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Client {
    /// `http://host:port` or `https://host:port`.
    pub api: String,
    pub token: String,
}

impl Client {
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// The JSON of the response. If its status is not 2xx, an error with the body of the response.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))?;
        let (status, response) = exchange(&self.api, request).await?;
        if !status.is_success() {
            bail!("{method} {path} returned {status}: {}", String::from_utf8_lossy(&response));
        }
        serde_json::from_slice(&response).with_context(|| format!("{method} {path} did not return JSON"))
    }
}

/// The response to a POST without a token.
pub async fn call_open(api: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let (status, response) = exchange(api, request).await?;
    let value =
        serde_json::from_slice(&response).with_context(|| format!("POST {path} did not return JSON"))?;
    Ok((status.as_u16(), value))
}

/// The response to `GET path` without a token, as text.
pub async fn get(address: &str, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let request = Request::get(path).body(Full::default())?;
    let (status, response) = exchange(&format!("http://{address}"), request).await?;
    Ok((status, String::from_utf8_lossy(&response).into_owned()))
}

/// `server` is `http://host:port` or `https://host:port`.
async fn exchange(server: &str, mut request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
    let exchanged = async {
        let uri: Uri = server.parse()?;
        let host = uri.authority().context("there is no host")?.as_str();
        request.headers_mut().insert(header::HOST, HeaderValue::try_from(host)?);
        let mut connector = connector(uri.scheme_str() == Some("https"))?;
        let connected = async {
            poll_fn(|context| connector.poll_ready(context)).await?;
            connector.call(uri).await
        };
        // Boxed errors do not implement `Error`, which anyhow wants.
        let stream = connected.await.map_err(|error| anyhow::anyhow!(error))?;
        let (mut sender, connection) = http1::handshake(stream).await?;
        tasks::spawn("client connection", connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let exchanged: anyhow::Result<_> = timeout(REQUEST_TIMEOUT, exchanged)
        .await
        .with_context(|| format!("{server} did not respond within {REQUEST_TIMEOUT:?}"))?;
    exchanged.with_context(|| format!("cannot reach {server}"))
}

/// Trusts the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR.
fn connector(with_tls: bool) -> anyhow::Result<HttpsConnector<HttpConnector>> {
    // Only then: reading them takes longer than a health check over http.
    let roots = if with_tls { tls::roots(None)? } else { RootCertStore::empty() };
    ensure!(
        !with_tls || !roots.is_empty(),
        "no trusted certificate authority found: set SSL_CERT_FILE to a file of certificates"
    );
    let config = tls::client(roots, None)?;
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build())
}
