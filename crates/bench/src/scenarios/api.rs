//! The API as a process of its own, and connections to it that are kept alive.

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpStream;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        audit::Author,
        id::{TokenId, WorkspaceId},
        workspace::Workspace,
    },
    runtime::tasks,
    store::{Db, clock, tokens, workspaces},
};

use crate::{
    product::{self, Running},
    servers::Servers,
};

const LISTENS_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// What one user may ask for is not what is measured here.
const LIMITS: [&str; 4] = ["TOKEN_PER_SECOND", "TOKEN_BURST", "WORKSPACE_PER_SECOND", "WORKSPACE_BURST"];

pub struct Api {
    pub process: Running,
    address: SocketAddr,
    token: String,
}

impl Api {
    /// Starts it on this database, for this workspace or one of its own.
    pub async fn start(
        servers: &Servers,
        database: &str,
        workspace: Option<WorkspaceId>,
    ) -> anyhow::Result<Self> {
        let token = token(servers, database, workspace).await?;
        let address = product::free_address()?;
        let limits = LIMITS.map(|limit| (format!("TRIGRUN__LIMITS__{limit}"), "100000".to_owned()));
        let mut environment = vec![("TRIGRUN__SERVER__ADDRESS".to_owned(), address.to_string())];
        environment.extend(limits);
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let process = product::start("api", servers, database, &environment)?;
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(LISTENS_WITHIN, listening).await.context("the API does not listen")?;
        Ok(Self { process, address, token })
    }

    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address).await.context("the API is gone")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tasks::spawn("connection to the API", connection);
        Ok(Connection { sender, host: self.address.to_string(), bearer: format!("Bearer {}", self.token) })
    }
}

/// One request at a time.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    bearer: String,
}

impl Connection {
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// The answer's body; anything but a success is an error.
    pub async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let (status, body) = self.answer(method, path, body).await?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    /// Whatever the answer is.
    pub async fn answer(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

async fn token(servers: &Servers, database: &str, workspace: Option<WorkspaceId>) -> anyhow::Result<String> {
    let db = Db::new(&servers.postgres_settings(database))?;
    let mut conn = db.conn().await?;
    let now = clock::now(&mut conn).await?;
    let by = Author::operator(now);
    let workspace = match workspace {
        Some(workspace) => workspace,
        None => {
            let new = Workspace { id: WorkspaceId::at(now), name: "bench".to_owned() };
            workspaces::insert(&mut conn, &new, &by).await?;
            new.id
        }
    };
    let token = crypto::new_token(TokenKind::Api)?;
    let new = tokens::NewToken {
        id: TokenId::at(now),
        name: "bench",
        hash: &crypto::token_hash(&token),
        scopes: Scope::ALL,
        expires_at: None,
        created_by: None,
    };
    tokens::insert(&mut conn, workspace, new, &by, None).await?;
    Ok(token.reveal().to_owned())
}
