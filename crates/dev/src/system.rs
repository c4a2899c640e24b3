//! Postgres, Redis, an API, a scheduler and an executor, started in order and stopped in order.

use anyhow::{Context, bail};
use ipnet::IpNet;
use secrecy::SecretString;
use std::{fs::File, io::Write, net::SocketAddr, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    config,
    crypto::{self, seal},
    domain::{
        access::{Scope, TokenKind, TokenSecret},
        audit::Author,
        id::{TokenId, WorkspaceId},
        workspace::Workspace,
    },
    runtime::{process, tasks},
    store::{self, Db, PostgresSettings, migrate, tokens, workspaces},
    telemetry::{self, LogFormat, Telemetry},
};
use trigrun_embed::{Durability, Programs, Services};

use crate::Options;

const DATABASE: &str = "trigrun";
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The parts, ready to be used.
pub struct System {
    pub api: SocketAddr,
    pub token: TokenSecret,
    services: Services,
    parts: Vec<JoinHandle<anyhow::Result<()>>>,
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
        match Self::start_parts(options, &services, shutdown.clone()).await {
            Ok((api, token, parts, telemetry)) => {
                Ok(Self { api, token, services, parts, shutdown, _telemetry: telemetry })
            }
            Err(error) => {
                shutdown.cancel();
                services.stop().await;
                Err(error)
            }
        }
    }

    async fn start_parts(
        options: &Options,
        services: &Services,
        shutdown: CancellationToken,
    ) -> anyhow::Result<(SocketAddr, TokenSecret, Vec<JoinHandle<anyhow::Result<()>>>, Telemetry)> {
        make_database(services).await?;
        let settings = Settings::new(options, services)?;
        let telemetry = telemetry::init("trigrun-dev", &settings.api.telemetry)?;
        process::log_panics();
        migrate::run(&settings.api.postgres).await?;
        let token = make_token(&settings.api.postgres).await?;
        let (bound, api) = oneshot::channel();
        let on_bound = move |address| {
            // Nobody listens any more when the start was given up.
            let _ = bound.send(address);
        };
        let Settings { api: api_settings, scheduler, executor } = settings;
        let stop = shutdown;
        let mut parts = vec![
            part("api", &stop, {
                let stop = stop.clone();
                async move { Ok(trigrun_api::serve(api_settings, stop, on_bound).await?) }
            }),
            part("scheduler", &stop, {
                let stop = stop.clone();
                async move { Ok(trigrun_scheduler::serve(scheduler, stop).await?) }
            }),
            part("executor", &stop, {
                let stop = stop.clone();
                async move { Ok(trigrun_executor::serve(executor, stop).await?) }
            }),
        ];
        match tokio::time::timeout(READY_WITHIN, api).await {
            Ok(Ok(address)) => Ok((address, token, parts, telemetry)),
            Ok(Err(_)) => {
                // The API ended before it was ready: say why.
                parts.remove(0).await??;
                bail!("the API ended before it was ready")
            }
            Err(_) => bail!("the API was not ready within {READY_WITHIN:?}"),
        }
    }

    pub fn introduce(&self) {
        let (api, token) = (self.api, self.token.reveal());
        println!(
            "TrigRun is at http://{api}

  export TRIGRUN_URL=http://{api}
  export TRIGRUN_TOKEN={token}

Create a job that runs every minute, run it now, and see what happened:

  curl -s $TRIGRUN_URL/v1/jobs -H \"Authorization: Bearer $TRIGRUN_TOKEN\" -H 'Content-Type: application/json' \\
    -d '{{\"name\": \"hello\", \"kind\": \"cron\", \"schedule\": {{\"cron\": \"* * * * *\"}}, \"request\": {{\"url\": \"http://{api}/livez\"}}}}'
  curl -s -X POST $TRIGRUN_URL/v1/jobs/JOB_ID/run-now -H \"Authorization: Bearer $TRIGRUN_TOKEN\"
  curl -s $TRIGRUN_URL/v1/executions -H \"Authorization: Bearer $TRIGRUN_TOKEN\"

Ctrl-C ends it and leaves nothing running."
        );
    }

    /// Ends the parts, then the servers that they need.
    pub async fn stop(self) {
        self.shutdown.cancel();
        for part in self.parts {
            match part.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => eprintln!("{error:#}"),
                Err(error) => eprintln!("a part ended in panic: {error}"),
            }
        }
        self.services.stop().await;
    }
}

/// One part that ends takes the others along.
fn part(
    name: &'static str,
    stop: &CancellationToken,
    work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> JoinHandle<anyhow::Result<()>> {
    process::ends_with(name, stop.clone(), async move { work.await.context(name) })
}

/// The settings of all parts: their defaults, on the private servers, with this machine open as a target.
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
            // One process, one set of metrics; any free port, so that two systems can run side by side.
            telemetry.probes_address = SocketAddr::from(([127, 0, 0, 1], 0));
        }
        let master = vec![SecretString::from(master_key(&options.dir)?)];
        api.keys.master.clone_from(&master);
        executor.keys.master = master;
        let this_machine: Vec<IpNet> = vec!["127.0.0.0/8".parse()?, "::1/128".parse()?];
        api.egress.allow.clone_from(&this_machine);
        executor.egress.allow = this_machine;
        executor.executor.drain_seconds = 5;
        // Only this machine gets here, and whoever tries it tries all of it.
        api.server.sign_up = trigrun_api::SignUp::Open;
        api.server.address = SocketAddr::from(([127, 0, 0, 1], options.port));
        Ok(Self { api, scheduler, executor })
    }
}

/// The master key of this directory's data, made with it.
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

async fn make_database(services: &Services) -> anyhow::Result<()> {
    let (client, connection) =
        tokio_postgres::connect(&services.postgres_url("postgres"), tokio_postgres::NoTls).await?;
    let connection = tasks::spawn("admin connection", connection);
    let known = client.query("select from pg_database where datname = $1", &[&DATABASE]).await?;
    if known.is_empty() {
        client.batch_execute(&format!("create database {DATABASE}")).await?;
    }
    drop(client);
    connection.await??;
    Ok(())
}

/// A new token of the workspace `dev`, which is made when it is not there.
async fn make_token(postgres: &PostgresSettings) -> anyhow::Result<TokenSecret> {
    let db = Db::new(postgres)?;
    let mut conn = db.conn().await?;
    let now = store::clock::now(&mut conn).await?;
    let by = Author::operator(now);
    let known = workspaces::all(&mut conn).await?.into_iter().find(|workspace| workspace.name == "dev");
    let workspace = match known {
        Some(workspace) => workspace,
        None => {
            let workspace = Workspace { id: WorkspaceId::at(now), name: "dev".into() };
            workspaces::insert(&mut conn, &workspace, &by).await?;
            workspace
        }
    };
    let secret = crypto::new_token(TokenKind::Api)?;
    let hash = crypto::token_hash(&secret);
    let token = tokens::NewToken {
        id: TokenId::at(now),
        name: "dev",
        hash: &hash,
        scopes: Scope::ALL,
        expires_at: None,
        created_by: None,
    };
    tokens::insert(&mut conn, workspace.id, token, &by, None).await?;
    Ok(secret)
}
