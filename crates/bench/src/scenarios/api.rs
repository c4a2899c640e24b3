//! The API's process, and connections to it.

use anyhow::ensure;
use bytes::Bytes;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        audit::Author,
        id::{TokenId, WorkspaceId},
        rights::Giver,
        workspace::Workspace,
    },
    store::{Db, clock, tokens, workspaces},
};
use trigrun_testkit::{
    client::{Client, Connection, Request, Response},
    cluster::{Cluster, HIGH_RATE_LIMITS},
    process::Role,
};

use crate::{
    product::{self, API},
    servers::Servers,
};

pub struct Api {
    cluster: Cluster,
    client: Client,
}

impl Api {
    /// Starts it on this database, with a token for this workspace or for a new one.
    pub async fn start(
        servers: &Servers,
        database: &str,
        workspace: Option<WorkspaceId>,
    ) -> anyhow::Result<Self> {
        let token = token(servers, database, workspace).await?;
        let mut cluster = product::cluster(servers, database)?;
        cluster.start(API, Role::Api, HIGH_RATE_LIMITS)?;
        cluster.ready().await?;
        let client = Client::new(cluster.address(API)?).with_token(token);
        Ok(Self { cluster, client })
    }

    pub fn pid(&self) -> anyhow::Result<u32> {
        self.cluster.pid(API)
    }

    /// A connection that is kept alive.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        self.client.connect().await
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.cluster.stop().await
    }
}

/// The body of a successful response; any other status is an error.
pub async fn body_of(connection: &mut Connection, request: Request) -> anyhow::Result<Bytes> {
    let response: Response = connection.send(request).await?;
    ensure!(response.status.is_success(), "{}: {}", response.status, response.text());
    Ok(response.body)
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
        giver: &Giver::Operator,
    };
    tokens::insert(&mut conn, workspace, new, &by, None).await?;
    Ok(token.reveal().to_owned())
}
