//! Requests to the API under faults: a missing response is a result, not an error.

use serde_json::Value;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use trigrun_testkit::{
    client::{Client, Request},
    raw_http,
};

/// The API promises 2 s, and 10 s is a violation. A little longer, to tell a slow response from none.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(12);

#[derive(Clone, Debug)]
pub struct Reply {
    /// `None`: the connection was refused or broke, as it does when a process is killed.
    pub status: Option<u16>,
    pub body: Value,
    pub took: Duration,
}

pub async fn call(api: SocketAddr, token: &str, request: Request) -> Reply {
    let began = Instant::now();
    let client = Client::new(api).with_token(token).with_timeout(RESPONSE_TIMEOUT);
    let reply = async {
        let response = client.send(request).await?;
        anyhow::Ok((response.status.as_u16(), response.json()?))
    };
    let (status, body) = reply.await.map_or((None, Value::Null), |(status, body)| (Some(status), body));
    Reply { status, body, took: began.elapsed() }
}

/// Sends the first bytes of a valid POST, up to `length` modulo its length, and closes the connection.
pub async fn disconnect(
    api: SocketAddr,
    token: &str,
    path: &str,
    body: &Value,
    length: usize,
) -> anyhow::Result<()> {
    let headers = [format!("authorization: Bearer {token}"), "content-type: application/json".to_owned()];
    let request = raw_http::request_bytes(api, "POST", path, &headers, body.to_string().as_bytes());
    raw_http::send_and_close(api, &request[..length % (request.len() + 1)]).await
}
