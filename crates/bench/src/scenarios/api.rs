//! The API's process, and connections to it.

use anyhow::ensure;
use bytes::Bytes;
use trigrun_core::domain::id::WorkspaceId;
use trigrun_testkit::{
    client::{Client, Connection, Request, Response},
    cluster::{Cluster, HIGH_RATE_LIMITS},
    process::Role,
};

use crate::{
    processes::Roots,
    product::{API, DEFAULTS, EXECUTOR, Installation, SCHEDULER},
};

pub struct Api {
    cluster: Cluster,
    client: Client,
}

impl Api {
    /// Starts it on this database, with a token for this workspace or for a new one.
    pub async fn start(
        installation: &Installation<'_>,
        database: &str,
        workspace: Option<WorkspaceId>,
    ) -> anyhow::Result<Self> {
        let workspace = match workspace {
            Some(workspace) => workspace.to_string(),
            None => installation.operate(database, &["workspace", "create", "--name", "bench"]).await?,
        };
        let token = ["token", "create", "--name", "bench", "--workspace", &workspace];
        let token = installation.operate(database, &token).await?;
        let mut cluster = installation.cluster(database)?;
        cluster.start(API, Role::Api, HIGH_RATE_LIMITS)?;
        cluster.ready().await?;
        let client = Client::new(cluster.address(API)?).with_token(token);
        Ok(Self { cluster, client })
    }

    /// Starts the other processes on the same database.
    pub fn start_scheduler_and_executor(&mut self) -> anyhow::Result<()> {
        self.cluster.start(SCHEDULER, Role::Scheduler, DEFAULTS)?;
        self.cluster.start(EXECUTOR, Role::Executor, DEFAULTS)
    }

    /// The processes that run.
    pub fn processes(&self) -> anyhow::Result<Roots> {
        let running = [API, SCHEDULER, EXECUTOR].into_iter().filter(|name| self.cluster.is_running(name));
        running.map(|name| Ok((name, self.cluster.pid(name)?))).collect()
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
