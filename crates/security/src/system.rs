//! The system under test: real processes on private servers, a tenant, and the targets and name server of the network namespace.

mod processes;
mod targets;

use anyhow::Context;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;
use trigrun_core::{
    runtime::tasks,
    store::{PostgresSettings, migrate},
    stream::RedisSettings,
};
use trigrun_embed::{Durability, Options, Programs, Scratch, Services};
use trigrun_testkit::{
    cluster::Cluster,
    due,
    raw_http::{RawResponse, request},
};

use self::targets::Targets;
use crate::{
    network::{API, COLLECTOR, Network, OTHER_SMALL_API, PROBES, SMALL_API, TRACED_API},
    recorder::{self, Recording},
};

pub use processes::{SMALL_JOBS, SMALL_RUNS, SMALL_TOKENS};

const DATABASE: &str = "postgres";
const EXECUTION_TIMEOUT: Duration = Duration::from_secs(60);
const LOGS: &str = "target/security/logs";

/// A user with a workspace.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    pub email: String,
    pub workspace: String,
    /// An API token with every scope.
    pub token: String,
    /// The owner's session.
    pub session: String,
}

/// Secret values that were used in every way, and text that proves that a search for them works.
pub struct Canaries {
    /// What each canary is, and its value.
    pub hidden: Vec<(&'static str, String)>,
    pub execution: String,
    pub workspace: String,
    pub tenant: Tenant,
}

pub const PASSWORD: &str = "correct horse battery";
/// Every scope that a token can have.
const SCOPES: [&str; 7] = [
    "jobs:read",
    "jobs:write",
    "jobs:run",
    "executions:read",
    "secrets:write",
    "notifications:write",
    "workspace:admin",
];

pub struct System {
    /// The API that most cases call: practically without limits.
    pub api: SocketAddr,
    /// Two more, with a plan that allows little.
    pub small_apis: [SocketAddr; 2],
    /// Like the first, logging at level `trace`.
    pub traced_api: SocketAddr,
    /// Where the first one serves its metrics.
    pub probes: SocketAddr,
    /// The tenant of cases that create none.
    tenant: Tenant,
    network: Option<Network>,
    targets: Option<Targets>,
    /// Every span that was exported.
    pub spans: Recording,
    /// Every command that Redis received.
    pub commands: Recording,
    /// Shared by the cases that search for canaries.
    pub canaries: OnceCell<Canaries>,
    programs: Programs,
    cluster: Mutex<Cluster>,
    /// The name of the one that runs everything.
    executor: Mutex<String>,
    services: Services,
    count: AtomicU64,
    // Last: the others live in it.
    scratch: Scratch,
}

impl System {
    pub async fn start(network: Option<Network>) -> anyhow::Result<Self> {
        let scratch = Scratch::create().await?;
        let programs = Programs::find()?;
        let options = Options::new(scratch.path().join("servers"), Durability::Tests);
        let services = Services::start(&programs, &options).await?;
        let targets = match network {
            Some(_) => Some(Targets::start().await?),
            None => None,
        };
        let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let spans = recorder::record_spans(local(COLLECTOR)).await?;
        let commands = recorder::record_commands(services.redis().socket()).await?;
        if PathBuf::from(LOGS).exists() {
            fs::remove_dir_all(LOGS)?;
        }
        let postgres = postgres_settings(&services);
        migrate::run(&postgres).await?;
        let redis = RedisSettings {
            url: SecretString::from(services.redis_url()),
            ca_file: PathBuf::new(),
            namespace: "security".into(),
            timeout_ms: 1000,
        };
        let mut system = Self {
            api: local(API),
            small_apis: [local(SMALL_API), local(OTHER_SMALL_API)],
            traced_api: local(TRACED_API),
            probes: local(PROBES),
            tenant: Tenant::default(),
            network,
            targets,
            spans,
            commands,
            canaries: OnceCell::new(),
            programs,
            cluster: Mutex::new(Cluster::new(postgres, redis, LOGS)?),
            executor: Mutex::new(processes::FIRST_EXECUTOR.to_owned()),
            services,
            count: AtomicU64::new(1),
            scratch,
        };
        system.start_processes().await?;
        system.tenant = system.sign_up("tenant").await?;
        Ok(system)
    }

    /// A new user with a workspace.
    pub async fn sign_up(&self, name: &str) -> anyhow::Result<Tenant> {
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "password": PASSWORD, "workspace_name": name });
        let created = self.call_as("", "POST", "/v1/auth/signup", &body).await?.expect(201)?;
        let session = text(&created["token"])?;
        let token = self.token(&session, &SCOPES).await?;
        Ok(Tenant { email, workspace: text(&created["workspace_id"])?, token, session })
    }

    /// A new token in the workspace of this token or session.
    pub async fn token(&self, creator: &str, scopes: &[&str]) -> anyhow::Result<String> {
        let body = json!({ "name": "security", "scopes": scopes });
        let created = self.call_as(creator, "POST", "/v1/tokens", &body).await?.expect(201)?;
        text(&created["token"])
    }

    /// The tenant of cases that create none.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Runs in the network namespace.
    pub fn is_isolated(&self) -> bool {
        self.targets.is_some()
    }

    pub fn targets(&self) -> anyhow::Result<&Targets> {
        self.targets.as_ref().context("this needs the network namespace")
    }

    /// Packets to forbidden addresses so far; `None` where they are not counted.
    pub fn packets(&self) -> anyhow::Result<Option<u64>> {
        self.network.as_ref().map(Network::packets).transpose()
    }

    /// A number that no other case has.
    pub fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// With the token of the shared tenant. No body where it is null.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<RawResponse> {
        self.call_as(&self.tenant.token, method, path, body).await
    }

    /// With this token, or without one if it is empty. No body where it is null.
    pub async fn call_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<RawResponse> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.call_at(self.api, token, (method, path), body.as_bytes()).await
    }

    /// At this API, with any bytes as the body.
    pub async fn call_at(
        &self,
        api: SocketAddr,
        token: &str,
        (method, path): (&str, &str),
        body: &[u8],
    ) -> anyhow::Result<RawResponse> {
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(format!("authorization: Bearer {token}"));
        }
        if !body.is_empty() {
            headers.push("content-type: application/json".to_owned());
        }
        request(api, method, path, &headers, body).await
    }

    /// Runs a job with this request once, now, and waits for the end.
    pub async fn run(&self, request: Value) -> anyhow::Result<Value> {
        let created = self.call("POST", "/v1/jobs", &once(request)).await?.expect(201)?;
        self.ended(&created["execution_id"]).await
    }

    /// Waits until the execution has ended, and returns it with its attempts.
    pub async fn ended(&self, execution: &Value) -> anyhow::Result<Value> {
        self.ended_as(&self.tenant.token, execution).await
    }

    /// [`Self::ended`] in the workspace of this token.
    pub async fn ended_as(&self, token: &str, execution: &Value) -> anyhow::Result<Value> {
        let path = format!("/v1/executions/{}", text(execution)?);
        let mut seen = Value::Null;
        let ended = async || {
            let Ok(response) = self.call_as(token, "GET", &path, &Value::Null).await else { return false };
            seen = response.json();
            !seen["finished_at"].is_null()
        };
        due::until(&format!("{path} ends"), EXECUTION_TIMEOUT, ended).await?;
        Ok(seen)
    }

    /// A new directory, which is removed with the system.
    pub fn directory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.scratch.path().join(name);
        fs::create_dir(&path)?;
        Ok(path)
    }

    pub async fn sql(&self) -> anyhow::Result<tokio_postgres::Client> {
        let (client, connection) =
            tokio_postgres::connect(&self.services.postgres_url(DATABASE), NoTls).await?;
        tasks::spawn("test connection", connection);
        Ok(client)
    }

    /// Everything in Postgres, as text.
    pub fn dump(&self) -> anyhow::Result<Vec<u8>> {
        let pg_dump = self.programs.initdb.with_file_name("pg_dump");
        recorder::dump(&pg_dump, &self.services.postgres_url(DATABASE))
    }

    /// The servers, as the tests of other crates take them from the environment.
    pub fn test_servers(&self) -> [(&'static str, String); 2] {
        [
            ("TRIGRUN_TEST_POSTGRES", self.services.postgres_url(DATABASE)),
            ("TRIGRUN_TEST_REDIS", self.services.redis_url()),
        ]
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        // Dropping the cluster kills its processes.
        drop(self.cluster);
        self.services.stop().await;
        drop(self.scratch);
        Ok(())
    }
}

fn postgres_settings(services: &Services) -> PostgresSettings {
    PostgresSettings {
        url: SecretString::from(services.postgres_url(DATABASE)),
        ca_file: PathBuf::new(),
        max_connections: 4,
        acquire_timeout_ms: 5000,
        statement_timeout_ms: 30_000,
        lock_timeout_ms: 10_000,
        idle_in_transaction_timeout_ms: 20_000,
    }
}

/// A job that makes this request once, now.
pub fn once(request: Value) -> Value {
    json!({ "name": "once", "kind": "one_time", "request": request, "retry_policy": { "max_attempts": 1 } })
}

pub fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is not a string"))
}
