//! How much memory an executor needs for an execution in flight: many runs wait for targets that never respond. Prints the figures of
//! docs/scaling.md, "Memory of an executor".

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use trigrun_core::{
    domain::{
        audit::Author,
        id::{JobId, WorkspaceId},
        workspace::Workspace,
    },
    runtime::open_files,
    store::{self, Conn, Db, jobs::NewJob},
};
use trigrun_testkit::{
    cluster::Cluster,
    jobs::{OPERATOR, every_seconds},
    process::Role,
    target::{Certificate, Protocol, Script, Target},
};

use crate::{
    report,
    servers::{ServerFaults, Servers},
};

const LOGS: &str = "target/chaos/memory";
const EXECUTOR: &str = "executor";
const PATH: &str = "/hang";
/// The longest that a job may have.
const TIMEOUT_SECONDS: u16 = 300;
/// For all runs to arrive at the target.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(120);
/// Below what a workspace may send to one destination at first.
const RUNS_PER_WORKSPACE: usize = 32;

/// Measures the memory of an executor for each execution in flight, over HTTP/1.1, TLS and HTTP/2: a table
#[derive(Args)]
pub struct Arguments {
    /// The numbers of runs that wait at the same time, in ascending order
    #[arg(long, value_delimiter = ',', default_values_t = [1024, 2048, 4096])]
    runs: Vec<usize>,
    /// The directory of other binaries than those built with this program
    #[arg(long)]
    binaries: Option<PathBuf>,
}

struct Case {
    name: &'static str,
    /// `None`: without TLS.
    protocol: Option<Protocol>,
    /// Over HTTP/2, those of one workspace may share a connection.
    runs_per_workspace: usize,
}

const CASES: [Case; 4] = [
    Case { name: "HTTP/1.1", protocol: None, runs_per_workspace: RUNS_PER_WORKSPACE },
    Case {
        name: "HTTP/1.1 over TLS",
        protocol: Some(Protocol::Http1),
        runs_per_workspace: RUNS_PER_WORKSPACE,
    },
    Case {
        name: "HTTP/2, 32 runs of a workspace",
        protocol: Some(Protocol::Http2),
        runs_per_workspace: RUNS_PER_WORKSPACE,
    },
    Case { name: "HTTP/2, one run of a workspace", protocol: Some(Protocol::Http2), runs_per_workspace: 1 },
];

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    ensure!(arguments.runs.is_sorted(), "the numbers of runs must ascend");
    open_files::raise_limit();
    let mut table = report::table(["protocol", "runs", "MiB", "KiB per run"]);
    for case in &CASES {
        println!("{}", case.name);
        let measured = case.measure(&arguments).await.with_context(|| case.name)?;
        let (_, idle) = measured[0];
        for (runs, mib) in measured {
            let per_run = (mib.saturating_sub(idle) * 1024).checked_div(runs as u64);
            let per_run = per_run.map_or_else(String::new, |kib| kib.to_string());
            table.add_row([case.name, &runs.to_string(), &mib.to_string(), &per_run]);
        }
    }
    println!("\n{table}");
    Ok(())
}

impl Case {
    /// The resident memory in MiB, first without runs, then with each number of them.
    async fn measure(&self, arguments: &Arguments) -> anyhow::Result<Vec<(usize, u64)>> {
        let target = self.target().await?;
        let servers = Servers::start(ServerFaults::default()).await?;
        servers.migrate(arguments.binaries.as_deref()).await?;
        let db = Db::new(&servers.postgres_settings())?;
        let most = arguments.runs.last().copied().unwrap_or(0);
        let cluster = start(&servers, &target, arguments.binaries.as_deref(), most)?;
        // Its session has begun, and what it allocates once is allocated.
        self.add(&db, &target, 1).await?;
        let mut measured = vec![(0, cluster.usage(EXECUTOR)?.resident_mb)];
        for runs in &arguments.runs {
            let added = target.hits().len();
            self.add(&db, &target, runs - added).await?;
            measured.push((*runs, cluster.usage(EXECUTOR)?.resident_mb));
        }
        drop(cluster);
        servers.stop().await;
        Ok(measured)
    }

    async fn target(&self) -> anyhow::Result<Target> {
        let target = match self.protocol {
            Some(protocol) => Target::start_tls(Certificate::Valid, protocol).await?,
            None => Target::start().await?,
        };
        target.respond(PATH, Script::Never);
        Ok(target)
    }

    /// Adds runs, and waits until the requests of all of them are at the target.
    async fn add(&self, db: &Db, target: &Target, runs: usize) -> anyhow::Result<()> {
        let (wanted, mut left) = (target.hits().len() + runs, runs);
        let mut conn = db.conn().await?;
        while left > 0 {
            let of_workspace = left.min(self.runs_per_workspace);
            let workspace = new_workspace(&mut conn).await?;
            new_jobs(&mut conn, workspace, &target.url(PATH), of_workspace).await?;
            left -= of_workspace;
        }
        drop(conn);
        let arrived = target.wait_for(wanted, ARRIVAL_TIMEOUT).await;
        arrived.map_err(|arrived| anyhow!("{} of {wanted} requests arrived", arrived.len()))?;
        Ok(())
    }
}

async fn new_workspace(conn: &mut Conn) -> anyhow::Result<WorkspaceId> {
    let now = store::clock::now(conn).await?;
    let workspace = Workspace { id: WorkspaceId::at(now), name: "memory".to_owned() };
    store::workspaces::insert(conn, &workspace, &Author::operator(now)).await?;
    Ok(workspace.id)
}

/// Jobs that are due now, and not again during the measurement.
async fn new_jobs(conn: &mut Conn, workspace: WorkspaceId, url: &str, count: usize) -> anyhow::Result<()> {
    let (now, mut definition) = (store::clock::now(conn).await?, every_seconds(24 * 3600, url));
    definition.request.timeout_seconds = TIMEOUT_SECONDS;
    let job = || NewJob { first_fire: Some(now), ..NewJob::new(JobId::at(now), &definition, &OPERATOR, now) };
    let jobs: Vec<NewJob<'_>> = std::iter::repeat_with(job).take(count).collect();
    store::jobs::insert_all(conn, workspace, &jobs, None).await?;
    Ok(())
}

/// A scheduler and an executor with room for this many runs.
fn start(
    servers: &Servers,
    target: &Target,
    binaries: Option<&Path>,
    most: usize,
) -> anyhow::Result<Cluster> {
    let mut cluster = Cluster::new(servers.postgres_settings(), servers.direct_redis_settings(), LOGS)?;
    cluster.set_binaries(binaries);
    // Every workspace is an account: together they get all of a capacity only if there is more of it.
    let capacity = (4 * most).to_string();
    let mut environment = vec![
        ("TRIGRUN__EXECUTOR__MAX_IN_FLIGHT", capacity.clone()),
        ("TRIGRUN__EGRESS__MAX_REQUESTS_PER_DESTINATION", capacity),
    ];
    if let Some(authority) = target.authority_pem() {
        let path = Path::new(LOGS).join("authority.pem");
        std::fs::write(&path, authority)?;
        environment.push(("SSL_CERT_FILE", path.display().to_string()));
    }
    cluster.start("scheduler", Role::Scheduler, [("", ""); 0])?;
    cluster.start(EXECUTOR, Role::Executor, environment)?;
    Ok(cluster)
}
