//! The system under siege: real processes on private servers, a tenant, and the target and name server that the enclave has.

mod outside;
mod processes;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::process::Child;
use tokio_postgres::NoTls;
use trigrun_core::runtime::tasks;
use trigrun_embed::{Durability, Options, Programs, Scratch, Services};
use trigrun_testkit::process::binary;

use self::outside::Outside;
use crate::{
    case::ensure_in_time,
    network::{API, COLLECTOR, Network, PROBES, STRICT_API, TRACED_API},
    recorder::{self, Seen},
    wire::{Reply, call},
};

const LOG_FILTER: &str = "TRIGRUN__TELEMETRY__LOG_FILTER";
const DATABASE: &str = "postgres";
/// Of those where plans allow little.
const SMALL_APIS: [u16; 2] = [8083, 8084];
/// What they allow.
pub const SMALL_JOBS: usize = 4;
pub const SMALL_TOKENS: usize = 4;
/// Executions in a minute.
pub const SMALL_RUNS: usize = 10;
const STARTS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Somebody with a workspace of their own.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    pub email: String,
    pub workspace: String,
    /// May do everything in the workspace.
    pub token: String,
    /// Of the owner, who has logged in.
    pub session: String,
}

pub const PASSWORD: &str = "correct horse battery";
/// All that a token can have.
pub const SCOPES: [&str; 7] = [
    "jobs:read",
    "jobs:write",
    "jobs:run",
    "executions:read",
    "secrets:write",
    "notifications:write",
    "workspace:admin",
];

pub struct System {
    pub api: SocketAddr,
    /// Another replica, with the limits that everybody has.
    pub strict_api: SocketAddr,
    /// Two more of these, where every workspace has a plan that allows little.
    pub small_apis: [SocketAddr; 2],
    /// A replica like the first, which logs at level trace: whoever writes too much does so there.
    pub traced_api: SocketAddr,
    /// Where the first one serves its metrics.
    pub probes: SocketAddr,
    /// In whose name the cases ask, unless they have tenants of their own.
    tenant: Tenant,
    outside: Option<Outside>,
    /// Every span that was exported.
    pub spans: Seen,
    /// Every command that Redis was given.
    pub commands: Seen,
    programs: Programs,
    /// By name.
    processes: Mutex<Vec<(String, Child)>>,
    logs: PathBuf,
    services: Services,
    count: AtomicU64,
    // Last: the others live in it.
    scratch: Scratch,
}

impl System {
    pub async fn start(enclave: Option<Network>) -> anyhow::Result<Self> {
        let scratch = Scratch::create().await?;
        let options = Options::new(scratch.path().join("servers"), Durability::Tests);
        let programs = Programs::find()?;
        let services = Services::start(&programs, &options).await?;
        let outside = match enclave {
            Some(enclave) => Some(Outside::start(enclave).await?),
            None => None,
        };
        let collector = SocketAddr::from(([127, 0, 0, 1], COLLECTOR));
        let (spans, commands) =
            (recorder::spans(collector).await?, recorder::commands(services.redis().socket()).await?);
        let logs = PathBuf::from("target/siege");
        if logs.exists() {
            fs::remove_dir_all(&logs)?;
        }
        fs::create_dir_all(&logs)?;
        let [api, strict_api, traced_api, small, other_small, probes] =
            [API, STRICT_API, TRACED_API, SMALL_APIS[0], SMALL_APIS[1], PROBES]
                .map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut system = Self {
            api,
            strict_api,
            small_apis: [small, other_small],
            traced_api,
            probes,
            tenant: Tenant::default(),
            outside,
            spans,
            commands,
            programs,
            processes: Mutex::default(),
            logs,
            services,
            count: AtomicU64::new(1),
            scratch,
        };
        system.begin().await?;
        system.tenant = system.sign_up("siege").await?;
        Ok(system)
    }

    async fn begin(&self) -> anyhow::Result<()> {
        let migrated = Command::new(binary("api"))
            .arg("migrate")
            .env("TRIGRUN__POSTGRES__URL", self.postgres_url())
            .output()?;
        ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let lenient = ["TOKEN_PER_SECOND", "TOKEN_BURST", "WORKSPACE_PER_SECOND", "WORKSPACE_BURST"]
            .into_iter()
            .chain(["FAILURES_PER_MINUTE", "SIGN_UPS_PER_HOUR"])
            .map(|limit| (format!("TRIGRUN__LIMITS__{limit}"), "1000000".to_owned()));
        let at = |name: &str, address: SocketAddr| (format!("TRIGRUN__{name}_ADDRESS"), address.to_string());
        let addresses = [at("SERVER_", self.api), at("TELEMETRY__PROBES", self.probes)];
        self.spawn("api", "api", lenient.clone().chain(addresses))?;
        let traced = [at("SERVER_", self.traced_api), (LOG_FILTER.to_owned(), "trace".to_owned())];
        self.spawn("traced-api", "api", lenient.chain(traced))?;
        self.spawn("strict-api", "api", [at("SERVER_", self.strict_api)])?;
        for (address, name) in self.small_apis.into_iter().zip(["small-api", "other-small-api"]) {
            let plan =
                |limit: &str, most: usize| (format!("TRIGRUN__PLANS__DEFAULT__{limit}"), most.to_string());
            let small = [
                at("SERVER_", address),
                plan("JOBS", SMALL_JOBS),
                plan("TOKENS", SMALL_TOKENS),
                plan("EXECUTIONS_PER_MINUTE", SMALL_RUNS),
            ];
            self.spawn(name, "api", small)?;
        }
        self.spawn("scheduler", "scheduler", [(LOG_FILTER.to_owned(), "trace".to_owned())])?;
        fs::write(self.authority(), self.outside.as_ref().map(Outside::authority).unwrap_or_default())?;
        self.start_executor("executor", "info")?;
        for api in [self.api, self.strict_api, self.traced_api].into_iter().chain(self.small_apis) {
            let ready =
                async || call(api, "GET", "/livez", &[], b"").await.is_ok_and(|reply| reply.status == 200);
            until(STARTS_WITHIN, ready).await.context("the API does not start")?;
        }
        Ok(())
    }

    /// A new person with a workspace of their own.
    pub async fn sign_up(&self, name: &str) -> anyhow::Result<Tenant> {
        let email = format!("{name}@example.com");
        let person = json!({ "email": email, "password": PASSWORD, "workspace_name": name });
        let signed_up = self.ask_as("", "POST", "/v1/auth/signup", &person).await?.expect(201)?;
        let session = text(&signed_up["token"])?;
        let token = self.token(&session, &SCOPES).await?;
        Ok(Tenant { email, workspace: text(&signed_up["workspace_id"])?, token, session })
    }

    /// Another token of the same workspace, with these scopes.
    pub async fn token(&self, of: &str, scopes: &[&str]) -> anyhow::Result<String> {
        let token = json!({ "name": "siege", "scopes": scopes });
        let made = self.ask_as(of, "POST", "/v1/tokens", &token).await?.expect(201)?;
        text(&made["token"])
    }

    /// Whom all cases share that have no tenant of their own.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn is_enclosed(&self) -> bool {
        self.outside.is_some()
    }

    pub fn outside(&self) -> anyhow::Result<&Outside> {
        self.outside.as_ref().context("this needs the enclave")
    }

    /// How many packets have left for where none may go; nothing where nobody counts.
    pub fn packets(&self) -> anyhow::Result<Option<u64>> {
        self.outside.as_ref().map(|outside| outside.enclave.packets()).transpose()
    }

    /// A number that no other case has.
    pub fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// In the name of the tenant that all cases share.
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.ask_as(&self.tenant.token, method, path, body).await
    }

    /// Asks this replica; with a body of any bytes.
    pub async fn ask_at(
        &self,
        api: SocketAddr,
        token: &str,
        (method, path): (&str, &str),
        body: &[u8],
    ) -> anyhow::Result<Reply> {
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(format!("authorization: Bearer {token}"));
        }
        if !body.is_empty() {
            headers.push("content-type: application/json".to_owned());
        }
        call(api, method, path, &headers, body).await
    }

    /// With this token, or without one where it is empty. No body where it is null.
    pub async fn ask_as(&self, token: &str, method: &str, path: &str, body: &Value) -> anyhow::Result<Reply> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(token, method, path, body.as_bytes()).await
    }

    /// Whoever has this session becomes a member of the workspace, which the other session's owner invites into.
    pub async fn join(
        &self,
        (workspace, owner): (&str, &str),
        newcomer: &Tenant,
        role: &str,
    ) -> anyhow::Result<()> {
        let who = json!({ "email": newcomer.email, "role": role });
        let invited = self.ask_in(workspace, owner, ("POST", "/v1/members"), &who).await?.expect(201)?;
        let accept = json!({ "invitation": invited["invitation"] });
        self.ask_as(&newcomer.session, "POST", "/v1/invitations/accept", &accept).await?.expect(200)?;
        Ok(())
    }

    /// In one of several workspaces. Every answer has the same id, so that two of them can be compared.
    pub async fn ask_in(
        &self,
        workspace: &str,
        token: &str,
        (method, path): (&str, &str),
        body: &Value,
    ) -> anyhow::Result<Reply> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers = vec![
            format!("authorization: Bearer {token}"),
            format!("trigrun-workspace: {workspace}"),
            "x-request-id: siege".to_owned(),
        ];
        if !body.is_empty() {
            headers.push("content-type: application/json".to_owned());
        }
        call(self.api, method, path, &headers, body.as_bytes()).await
    }

    /// The same with a body of any bytes.
    pub async fn send(&self, token: &str, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Reply> {
        self.ask_at(self.api, token, (method, path), body).await
    }

    /// Has this request made once, now, and waits until that is over.
    pub async fn run(&self, request: Value) -> anyhow::Result<Value> {
        let made = self.ask("POST", "/v1/jobs", &once(request)).await?.expect(201)?;
        self.ended(&made["execution_id"]).await
    }

    /// Waits until the execution is over, and returns it with its attempts.
    pub async fn ended(&self, execution: &Value) -> anyhow::Result<Value> {
        self.ended_as(&self.tenant.token, execution).await
    }

    /// The same of another workspace's.
    pub async fn ended_as(&self, token: &str, execution: &Value) -> anyhow::Result<Value> {
        let path = format!("/v1/executions/{}", text(execution)?);
        let mut seen = Value::Null;
        let over = async || {
            let Ok(reply) = self.ask_as(token, "GET", &path, &Value::Null).await else { return false };
            seen = reply.json();
            !seen["finished_at"].is_null()
        };
        until(Duration::from_secs(30), over).await.with_context(|| format!("{path} does not end"))?;
        Ok(seen)
    }

    pub async fn sql(&self) -> anyhow::Result<tokio_postgres::Client> {
        let (client, connection) =
            tokio_postgres::connect(&self.services.postgres_url(DATABASE), NoTls).await?;
        tasks::spawn("siege's connection", connection);
        Ok(client)
    }

    /// Everything that Postgres holds, as text.
    pub fn dump(&self) -> anyhow::Result<Vec<u8>> {
        let pg_dump = self.programs.initdb.with_file_name("pg_dump");
        recorder::dump(&pg_dump, &self.postgres_url())
    }

    pub fn postgres_url(&self) -> String {
        self.services.postgres_url(DATABASE)
    }

    pub async fn stop(self) {
        for (_, mut child) in self.processes.into_inner().unwrap_or_else(PoisonError::into_inner) {
            // It may have ended already.
            let _gone = child.kill().await;
        }
        self.services.stop().await;
        drop(self.scratch);
    }
}

/// A job that makes this request once, now.
pub fn once(request: Value) -> Value {
    json!({ "name": "siege", "kind": "one_time", "request": request, "retry_policy": { "max_attempts": 1 } })
}

pub fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}

/// Looks now and then until it is so.
pub async fn until(within: Duration, mut so: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    while !so().await {
        ensure_in_time!(Instant::now() < deadline, "not within {within:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
