//! Somebody who looks at lists: an API process, and a client of one workspace.

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        audit::Author,
        id::{TokenId, WorkspaceId},
    },
    runtime::tasks,
    store::{migrate, tokens},
};
use uuid::Uuid;

use super::sizes::now;
use crate::{
    product::{self, Running},
    servers::Servers,
};

const LISTENS_WITHIN: Duration = Duration::from_secs(20);
const LIMITS: [&str; 4] = [
    "TRIGRUN__LIMITS__TOKEN_PER_SECOND",
    "TRIGRUN__LIMITS__TOKEN_BURST",
    "TRIGRUN__LIMITS__WORKSPACE_PER_SECOND",
    "TRIGRUN__LIMITS__WORKSPACE_BURST",
];

pub struct Api {
    process: Running,
    address: SocketAddr,
    token: String,
}

impl Api {
    /// Starts it, with a token for this workspace.
    pub async fn start(servers: &Servers, database: &str, workspace: Uuid) -> anyhow::Result<Self> {
        let token = token(servers, database, WorkspaceId::from_uuid(workspace)).await?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let listen = address.to_string();
        let mut environment = vec![("TRIGRUN__SERVER__ADDRESS", listen.as_str())];
        environment.extend(LIMITS.map(|limit| (limit, "100000")));
        let process = product::start("api", servers, database, &environment)?;
        let give_up = Instant::now() + LISTENS_WITHIN;
        while TcpStream::connect(address).await.is_err() {
            ensure!(Instant::now() < give_up, "the API does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, address, token })
    }

    pub async fn reader(&self) -> anyhow::Result<Reader> {
        let stream = TcpStream::connect(self.address).await.context("the API is gone")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tasks::spawn("reader's connection", connection);
        Ok(Reader { sender, token: format!("Bearer {}", self.token) })
    }

    pub async fn end(self) -> anyhow::Result<()> {
        self.process.end().await
    }
}

async fn token(servers: &Servers, database: &str, workspace: WorkspaceId) -> anyhow::Result<String> {
    let mut conn = migrate::connect(&servers.postgres_settings(database)).await?;
    let (token, now) = (crypto::new_token(TokenKind::Api)?, now()?);
    let new = tokens::NewToken {
        id: TokenId::at(now),
        name: "bench",
        hash: &crypto::token_hash(&token),
        scopes: Scope::ALL,
        expires_at: None,
        created_by: None,
    };
    tokens::insert(&mut conn, workspace, new, &Author::operator(now), None).await?;
    Ok(token.reveal().to_owned())
}

/// One connection to the API.
pub struct Reader {
    sender: SendRequest<Empty<Bytes>>,
    token: String,
}

pub struct Answer {
    pub took: Duration,
    pub status: StatusCode,
    body: Bytes,
}

/// A page, and what it took.
pub struct Read {
    pub took: Duration,
    pub rows: usize,
    pub next: Option<String>,
}

impl Reader {
    pub async fn page(&mut self, path: &str) -> anyhow::Result<Read> {
        let Answer { took, status, body } = self.ask(path).await?;
        ensure!(status == StatusCode::OK, "{path}: {status} {}", String::from_utf8_lossy(&body));
        let page: Value = serde_json::from_slice(&body)?;
        let rows = page["data"].as_array().context("it is no list")?.len();
        Ok(Read { took, rows, next: page["next_cursor"].as_str().map(str::to_owned) })
    }

    /// Whatever the answer is.
    pub async fn ask(&mut self, path: &str) -> anyhow::Result<Answer> {
        let request =
            Request::builder().uri(path).header("host", "bench").header("authorization", &self.token);
        let began = Instant::now();
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Empty::new())?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(Answer { took: began.elapsed(), status, body })
    }
}
