//! Postgres, Redis, an API, a scheduler and an executor: started in order, stopped in order.

use anyhow::{Context, bail};
use ipnet::IpNet;
use secrecy::SecretString;
use std::{fs::File, io::Write, net::SocketAddr, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use trigrun_api::Bound;
use trigrun_core::{
    config,
    crypto::{self, seal},
    domain::{
        access::{Scope, TokenKind, TokenSecret},
        id::{OperatorId, TokenId, WorkspaceId},
        operator::{Operator, OperatorAuthor},
        page::{MAX_LIMIT, Page},
        rights::Giver,
        workspace::Workspace,
    },
    runtime::{process, tasks},
    store::{
        self, Conn, Db, PostgresSettings, StoreError, migrate,
        operators::{self, NewOperator},
        tenants::{self, Filter},
        tokens,
    },
    telemetry::{self, LogFormat, Telemetry},
};
use trigrun_embed::{Durability, Programs, Services};

use crate::Options;

const DATABASE: &str = "trigrun";
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A running system.
pub struct System {
    pub api: SocketAddr,
    pub token: TokenSecret,
    /// The operator API, and the token of an operator.
    operators: SocketAddr,
    operator_token: TokenSecret,
    database_url: String,
    services: Services,
    processes: Vec<JoinHandle<anyhow::Result<()>>>,
    shutdown: CancellationToken,
    _telemetry: Telemetry,
}

impl System {
    pub async fn start(options: &Options, shutdown: CancellationToken) -> anyhow::Result<Self> {
        let programs = Programs::find()?;
        let services =
            Services::start(&programs, &trigrun_embed::Options::new(&options.dir, Durability::Production))
                .await?;
        for note in services.notes() {
            eprintln!("note: {note}");
        }
        match Self::start_processes(options, &services, shutdown.clone()).await {
            Ok(Started { api, operators, tokens, processes, telemetry }) => Ok(Self {
                api,
                operators,
                token: tokens.workspace,
                operator_token: tokens.operator,
                database_url: services.postgres_url(DATABASE),
                services,
                processes,
                shutdown,
                _telemetry: telemetry,
            }),
            Err(error) => {
                shutdown.cancel();
                services.stop().await;
                Err(error)
            }
        }
    }

    async fn start_processes(
        options: &Options,
        services: &Services,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Started> {
        create_database(services).await?;
        let settings = Settings::new(options, services)?;
        let telemetry = telemetry::init("trigrun-dev", &settings.api.telemetry)?;
        process::log_panics();
        migrate::run(&settings.api.postgres).await?;
        let tokens = create_tokens(&settings.api.postgres).await?;
        let (bound, api) = oneshot::channel();
        let on_bound = move |addresses| {
            // The receiver is gone if the start timed out.
            let _ = bound.send(addresses);
        };
        let Settings { api: api_settings, scheduler, executor } = settings;
        let stop = shutdown;
        let mut processes = vec![
            spawn_process("api", &stop, {
                let stop = stop.clone();
                async move { Ok(trigrun_api::serve(api_settings, stop, on_bound).await?) }
            }),
            spawn_process("scheduler", &stop, {
                let stop = stop.clone();
                async move { Ok(trigrun_scheduler::serve(scheduler, stop).await?) }
            }),
            spawn_process("executor", &stop, {
                let stop = stop.clone();
                async move { Ok(trigrun_executor::serve(executor, stop).await?) }
            }),
        ];
        match tokio::time::timeout(READY_TIMEOUT, api).await {
            Ok(Ok(Bound { address: api, operator })) => {
                let operators = operator.context("the operator API is not served")?;
                Ok(Started { api, operators, tokens, processes, telemetry })
            }
            Ok(Err(_)) => {
                // The API ended before it was ready: its error is the cause.
                processes.remove(0).await??;
                bail!("the API ended before it was ready")
            }
            Err(_) => bail!("the API was not ready within {READY_TIMEOUT:?}"),
        }
    }

    /// The variables of the environment with which the documentation uses the system.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("TRIGRUN_URL", format!("http://{}", self.api)),
            ("TRIGRUN_TOKEN", self.token.reveal().to_owned()),
            ("TRIGRUN_OPERATOR_URL", format!("http://{}", self.operators)),
            ("TRIGRUN_OPERATOR_TOKEN", self.operator_token.reveal().to_owned()),
        ]
    }

    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Prints the address, how to log in to the console, a token, and the first commands.
    pub fn print_introduction(&self, log_in: &str) {
        let api = self.api;
        let [url, token, operator_url, operator_token] =
            self.variables().map(|(name, value)| format!("export {name}={value}"));
        println!(
            "TrigRun is at http://{api}: open it in a browser, and {log_in}.

For programs, there is the workspace dev:

  {url}
  {token}

Create a job that runs every minute, run it now, and list its executions:

  curl -s $TRIGRUN_URL/v1/jobs -H \"Authorization: Bearer $TRIGRUN_TOKEN\" -H 'Content-Type: application/json' \\
    -d '{{\"name\": \"hello\", \"kind\": \"cron\", \"schedule\": {{\"cron\": \"* * * * *\"}}, \"request\": {{\"url\": \"http://{api}/livez\"}}}}'
  curl -s -X POST $TRIGRUN_URL/v1/jobs/JOB_ID/run-now -H \"Authorization: Bearer $TRIGRUN_TOKEN\"
  curl -s $TRIGRUN_URL/v1/executions -H \"Authorization: Bearer $TRIGRUN_TOKEN\"

For operators (docs/operators.md):

  {operator_url}
  {operator_token}

Ctrl-C stops it and leaves no process running."
        );
    }

    /// Stops the processes, then Postgres and Redis.
    pub async fn stop(self) {
        self.shutdown.cancel();
        for process in self.processes {
            match process.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => eprintln!("{error:#}"),
                Err(error) => eprintln!("panicked: {error}"),
            }
        }
        self.services.stop().await;
    }
}

/// What [`System::start_processes`] has started.
struct Started {
    api: SocketAddr,
    operators: SocketAddr,
    tokens: Tokens,
    processes: Vec<JoinHandle<anyhow::Result<()>>>,
    telemetry: Telemetry,
}

struct Tokens {
    workspace: TokenSecret,
    operator: TokenSecret,
}

/// Starts one of the processes as a task. When it ends, the others are stopped.
fn spawn_process(
    name: &'static str,
    stop: &CancellationToken,
    work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> JoinHandle<anyhow::Result<()>> {
    process::ends_with(name, stop.clone(), async move { work.await.context(name) })
}

/// The settings of all processes: their defaults, with the private servers, and with this machine allowed as a target.
struct Settings {
    api: trigrun_api::Settings,
    scheduler: trigrun_scheduler::Settings,
    executor: trigrun_executor::Settings,
}

impl Settings {
    fn new(options: &Options, services: &Services) -> anyhow::Result<Self> {
        let mut api: trigrun_api::Settings = config::load_from(trigrun_api::DEFAULTS, [])?;
        let mut scheduler: trigrun_scheduler::Settings = config::load_from(trigrun_scheduler::DEFAULTS, [])?;
        let mut executor: trigrun_executor::Settings = config::load_from(trigrun_executor::DEFAULTS, [])?;
        for postgres in [&mut api.postgres, &mut scheduler.postgres, &mut executor.postgres] {
            postgres.url = SecretString::from(services.postgres_url(DATABASE));
        }
        for redis in [&mut api.redis, &mut scheduler.redis, &mut executor.redis] {
            redis.url = SecretString::from(services.redis_url());
        }
        for telemetry in [&mut api.telemetry, &mut scheduler.telemetry, &mut executor.telemetry] {
            telemetry.log_format = LogFormat::Pretty;
            telemetry.log_filter.clone_from(&options.log);
            // Any free port, so that two systems can run at the same time.
            telemetry.probes_address = SocketAddr::from(([127, 0, 0, 1], 0));
        }
        let master = vec![SecretString::from(master_key(&options.dir)?)];
        api.keys.master.clone_from(&master);
        executor.keys.master = master;
        let this_machine: Vec<IpNet> = vec!["127.0.0.0/8".parse()?, "::1/128".parse()?];
        api.egress.allow.clone_from(&this_machine);
        executor.egress.allow = this_machine;
        executor.executor.drain_seconds = 5;
        // Only this machine can connect, and sign-up is part of what the user tries.
        api.server.sign_up = trigrun_api::SignUp::Open;
        // Browsers connect over plain HTTP here, and some send secure cookies over HTTPS only.
        api.server.insecure_cookies = true;
        api.server.address = SocketAddr::from(([127, 0, 0, 1], options.port));
        api.operator.address = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(Self { api, scheduler, executor })
    }
}

/// The master key of the data in this directory. Created if it is missing.
fn master_key(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join("master.key");
    match std::fs::read_to_string(&path) {
        Ok(key) => Ok(key.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = seal::new_master_key()?;
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(key.as_bytes())?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

async fn create_database(services: &Services) -> anyhow::Result<()> {
    let (client, connection) =
        tokio_postgres::connect(&services.postgres_url("postgres"), tokio_postgres::NoTls).await?;
    let connection = tasks::spawn("admin connection", connection);
    let existing = client.query("select from pg_database where datname = $1", &[&DATABASE]).await?;
    if existing.is_empty() {
        client.batch_execute(&format!("create database {DATABASE}")).await?;
    }
    drop(client);
    connection.await??;
    Ok(())
}

/// Creates a token of the workspace `dev`, and the workspace if it is missing; and one of the operator `dev`, instead of an earlier one.
async fn create_tokens(postgres: &PostgresSettings) -> anyhow::Result<Tokens> {
    let db = Db::new(postgres)?;
    let mut conn = db.conn().await?;
    let by = OperatorAuthor {
        operator_id: None,
        operator: "trigrun-dev".to_owned(),
        reason: "the start of a system".to_owned(),
        at: store::clock::now(&mut conn).await?,
        request_id: None,
        address: None,
    };
    let workspace = dev_workspace(&mut conn, &by).await?;
    let secret = crypto::new_token(TokenKind::Api)?;
    let hash = crypto::token_hash(&secret);
    let token = tokens::NewToken {
        id: TokenId::at(by.at),
        name: "dev",
        hash: &hash,
        scopes: Scope::ALL,
        expires_at: None,
        giver: &Giver::Operator,
    };
    tokens::insert_by_operator(&mut conn, workspace, token, &by).await?;
    Ok(Tokens { workspace: secret, operator: create_operator(&mut conn, &by).await? })
}

async fn dev_workspace(conn: &mut Conn, by: &OperatorAuthor) -> anyhow::Result<WorkspaceId> {
    let named_dev = Filter { name: Some("dev".into()), ..Filter::default() };
    let found = tenants::list(conn, &named_dev, Page { limit: MAX_LIMIT, before: None }).await?;
    let existing = found.data.into_iter().map(|tenant| tenant.workspace).find(|it| it.name == "dev");
    if let Some(workspace) = existing {
        return Ok(workspace.id);
    }
    let workspace = Workspace { id: WorkspaceId::at(by.at), name: "dev".into() };
    tenants::insert(conn, &workspace, by).await?;
    Ok(workspace.id)
}

async fn create_operator(conn: &mut Conn, by: &OperatorAuthor) -> anyhow::Result<TokenSecret> {
    match operators::delete(conn, "dev", by).await {
        Err(StoreError::NotFound) => {}
        deleted => deleted?,
    }
    let secret = crypto::new_token(TokenKind::Operator)?;
    let new = NewOperator {
        operator: &Operator { id: OperatorId::at(by.at), name: "dev".to_owned() },
        hash: &crypto::token_hash(&secret),
        expires_at: None,
    };
    operators::insert(conn, new, by).await?;
    Ok(secret)
}
