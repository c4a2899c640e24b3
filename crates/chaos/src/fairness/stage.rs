//! The system that a scenario is played on: private servers, one process of each role under the chart's memory limits, two victims.

use anyhow::{Context, ensure};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};
use tokio_postgres::Client;
use trigrun_testkit::{
    cluster::Cluster,
    due::{self, Overdue},
    process::Role,
    target::{Answers, NameServer},
};

use super::{
    accounts::{Account, Workspace},
    keeper::Keeper,
    seen::{Measure, Seen, bound_ms},
    target::Target,
    victims::{self, Load, Measured, Victim},
};
use crate::{
    clock::Clock,
    servers::{ServerFaults, Servers},
};

/// The limits of the chart (deploy/helm/trigrun/values.yaml), in bytes.
const MEMORY_LIMITS: [(Role, u64); 3] =
    [(Role::Api, 512 << 20), (Role::Scheduler, 256 << 20), (Role::Executor, 576 << 20)];
/// Where the name server listens: resolv.conf(5) cannot name a port.
const NAME_SERVER: &str = "127.0.0.54:53";
/// Workspaces of the greedy account in the neighbour's shard.
const NEIGHBOURS: usize = 4;
/// Per minute, of a workspace with the plan `small`.
pub const SMALL_PLAN_EXECUTIONS: &str = "10";
const VICTIMS_HOST: &str = "victims.example";
/// Of a scenario, to end once its targets are released. Executors that were killed are expired first.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(180);

/// What a scenario needs beyond the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// The executor may open 1,024 files.
    FewFiles,
    /// The executor asks a name server of the scenario.
    NameServer,
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// How long the victims are measured alone.
    pub base: Duration,
    /// How long they are measured once the attack is complete.
    pub window: Duration,
    /// The attack takes no longer.
    pub attack: Duration,
    pub is_short: bool,
}

impl Scale {
    pub const LONG: Self = Self {
        base: Duration::from_secs(15),
        window: Duration::from_secs(30),
        attack: Duration::from_secs(60),
        is_short: false,
    };
    pub const SHORT: Self = Self {
        base: Duration::from_secs(4),
        window: Duration::from_secs(4),
        attack: Duration::from_secs(30),
        is_short: true,
    };

    /// A number of the long form, or of the short one.
    pub fn of(&self, long: usize, short: usize) -> usize {
        if self.is_short { short } else { long }
    }
}

pub struct Stage {
    pub clock: Clock,
    pub scale: Scale,
    pub api: SocketAddr,
    pub sql: Client,
    pub keeper: Keeper,
    pub names: Option<NameServer>,
    /// One person with all the workspaces that a person may have.
    pub greedy: Account,
    victims: [Victim; 2],
    target: Target,
    base: Measured,
    accounts: AtomicUsize,
    // Last: the processes of the keeper use them.
    servers: Servers,
}

impl Stage {
    pub async fn start(
        needs: Needs,
        scale: Scale,
        binaries: Option<&Path>,
        logs: PathBuf,
    ) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let servers = Servers::start(ServerFaults::default()).await?;
        servers.migrate(binaries).await?;
        let names = match needs {
            Needs::NameServer => Some(name_server().await?),
            _ => None,
        };
        let cluster = start(&servers, needs, binaries, logs).await?;
        let api = cluster.address("api")?;
        let is_enforced = cluster.has_memory_limit("executor")?;
        if !is_enforced {
            println!("  no control group can be created here: memory is read every 100 ms instead");
        }
        let limits = MEMORY_LIMITS.into_iter().filter(|_| !is_enforced).collect();
        let keeper = Keeper::start(cluster, limits);
        let target = Target::start(clock).await?;
        let host = if names.is_some() { VICTIMS_HOST } else { "127.0.0.1" };
        let (greedy, shard) = Account::crowded(api, if scale.is_short { 2 } else { NEIGHBOURS }).await?;
        let victims = victims::settle(api, shard, &target, host).await?;
        let base = measure(clock, &victims, &target, scale.base).await?;
        ensure!(base.refused.is_empty(), "the API refuses requests without any attack: {:?}", base.refused);
        let exits = keeper.exits();
        ensure!(exits.is_empty(), "processes end without any attack: {exits:?}");
        let sql = servers.sql().await?;
        let accounts = AtomicUsize::new(0);
        Ok(Self { clock, scale, api, sql, keeper, names, greedy, victims, target, base, accounts, servers })
    }

    /// Ends all processes.
    pub async fn stop(self) {
        let Self { keeper, servers, .. } = self;
        drop(keeper);
        servers.stop().await;
    }

    /// Measures the victims without an attack again.
    pub async fn measure_alone(&mut self) -> anyhow::Result<()> {
        self.base = measure(self.clock, &self.victims, &self.target, self.scale.base).await?;
        Ok(())
    }

    /// A new target for what the greedy account sends.
    pub async fn target(&self) -> anyhow::Result<Target> {
        Target::start(self.clock).await
    }

    /// A new account, which shares nothing with the greedy one.
    pub async fn account(&self) -> anyhow::Result<Account> {
        let number = self.accounts.fetch_add(1, SeqCst);
        Account::sign_up(self.api, &format!("accomplice-{number}")).await
    }

    /// A workspace of the greedy account, in the shard of the neighbour.
    pub fn greedy(&self) -> &Workspace {
        self.neighbours()[0]
    }

    /// All workspaces of the greedy account in the shard of the neighbour.
    pub fn neighbours(&self) -> Vec<&Workspace> {
        self.greedy.in_shard(self.victims[0].workspace.shard)
    }

    /// Plays the attack, measures the victims meanwhile, releases the targets, and waits until all runs have ended.
    pub async fn under(
        &self,
        measure: Measure,
        attack: impl Future<Output = anyhow::Result<()>>,
        targets: &[&Target],
    ) -> anyhow::Result<Seen> {
        let (_, _) = (self.keeper.exits(), self.keeper.peak(Role::Api));
        let load = Load::start(self.clock, &self.victims);
        let attacked = attack.await;
        println!("  the attack is complete; the victims are measured for {:?} more", self.scale.window);
        tokio::time::sleep(self.scale.window).await;
        let log = load.stop(self.clock).await?;
        let bound = bound_ms(measure.of(&self.base));
        let arrived = async || log.has_arrived(&self.target);
        // What is later than the bound is found by the verdict.
        let _late = due::until("all have arrived", Duration::from_millis(bound as u64), arrived).await;
        let measured = log.measure(&self.target, self.clock.now());
        attacked?;
        targets.iter().for_each(|target| target.release());
        println!("  released; waiting until all runs have ended");
        let lost = self.drain().await?;
        let seen = Seen::new(measure, &self.base, measured, lost, self.keeper.exits());
        Ok(seen.with_peak(self.keeper.peak(Role::Api), self.keeper.peak(Role::Executor)))
    }

    /// Waits until no execution is open, and returns which of the victims' were lost.
    async fn drain(&self) -> anyhow::Result<Vec<String>> {
        const OPEN: &str = "select count(*) from runs where due_at < now()";
        let ended = async || Ok(self.sql.query_one(OPEN, &[]).await?.get::<_, i64>(0) == 0);
        let in_time = due::try_until("every execution ends", DRAIN_TIMEOUT, ended).await;
        let mut lost = match in_time {
            Err(error) if !error.is::<Overdue>() => return Err(error),
            _ => Vec::new(),
        };
        for victim in &self.victims {
            let workspace: uuid::Uuid = self.uuid(&victim.workspace)?;
            let rows = "select status || coalesce(' ' || error_class, ''), count(*) from all_executions
                        where workspace_id = $1 and status <> 'succeeded' and due_at < now() - interval '1 s' group by 1";
            for row in self.sql.query(rows, &[&workspace]).await? {
                lost.push(format!("{} {}", row.get::<_, i64>(1), row.get::<_, String>(0)));
            }
            let path = format!("/v1/jobs/{}/ledger", victim.cron_job);
            let ledger = victim.workspace.client().get(&path).await?.json()?;
            for finding in ["gaps", "duplicates"] {
                if ledger[finding] != 0 {
                    lost.push(format!("{} {finding} in the ledger", ledger[finding]));
                }
            }
        }
        Ok(lost)
    }

    /// One more connection to Postgres.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        self.servers.sql().await
    }

    /// The id of a workspace as the tables have it.
    pub fn uuid(&self, workspace: &Workspace) -> anyhow::Result<uuid::Uuid> {
        let id = workspace.id.parse::<trigrun_core::domain::id::WorkspaceId>();
        Ok(id.ok().context("not the id of a workspace")?.uuid())
    }
}

async fn measure(
    clock: Clock,
    victims: &[Victim],
    target: &Target,
    time: Duration,
) -> anyhow::Result<Measured> {
    let load = Load::start(clock, victims);
    tokio::time::sleep(time).await;
    let log = load.stop(clock).await?;
    due::until("all runs without an attack arrive", DRAIN_TIMEOUT, async || log.has_arrived(target)).await?;
    Ok(log.measure(target, clock.now()))
}

async fn start(
    servers: &Servers,
    needs: Needs,
    binaries: Option<&Path>,
    logs: PathBuf,
) -> anyhow::Result<Cluster> {
    let (postgres, redis) = (servers.postgres_settings(), servers.direct_redis_settings());
    let mut cluster = Cluster::new(postgres, redis, logs)?;
    cluster.set_binaries(binaries);
    for (role, bytes) in MEMORY_LIMITS {
        cluster.set_memory_limit(role, bytes);
    }
    match needs {
        Needs::Nothing => {}
        Needs::FewFiles => cluster.set_launcher(Role::Executor, &["prlimit", "--nofile=1024:1024"]),
        Needs::NameServer => {
            let replace = "printf 'nameserver %s\\n' \"$1\" > \"$2\" && \
                           mount --bind \"$2\" /etc/resolv.conf && rm \"$2\" && exec \"$3\"";
            let address = NAME_SERVER.split(':').next().unwrap_or_default();
            let file = std::env::temp_dir().join(format!("fairness-{}-resolv.conf", std::process::id()));
            let file = file.to_str().context("the temporary directory has a strange name")?;
            cluster.set_launcher(
                Role::Executor,
                &["unshare", "--mount", "sh", "-c", replace, "sh", address, file],
            );
        }
    }
    let api = [
        ("TRIGRUN__SERVER__SIGN_UP", "open"),
        ("TRIGRUN__LIMITS__SIGN_UPS_PER_HOUR", "100000"),
        ("TRIGRUN__PLANS__SMALL__EXECUTIONS_PER_MINUTE", SMALL_PLAN_EXECUTIONS),
    ];
    cluster.start("api", Role::Api, api)?;
    cluster.start("scheduler", Role::Scheduler, [("", ""); 0])?;
    cluster.start("executor", Role::Executor, [("TRIGRUN__EXECUTOR__DRAIN_SECONDS", "5")])?;
    cluster.ready().await?;
    Ok(cluster)
}

async fn name_server() -> anyhow::Result<NameServer> {
    let server = NameServer::start_at(NAME_SERVER.parse()?).await;
    let server = server.with_context(|| format!("no name server at {NAME_SERVER}: this needs root"))?;
    server.set_answers(VICTIMS_HOST, Answers::to(&["127.0.0.1".parse()?]));
    Ok(server)
}
