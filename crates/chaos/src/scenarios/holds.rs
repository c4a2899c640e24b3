//! An operator holds the installation, as after the restore of a backup.

use anyhow::ensure;
use std::time::Duration;
use trigrun_testkit::process;

use super::{Options, Phase, run};
use crate::{
    cluster::Role,
    faults::{Fault, apply},
    proof::Finding,
    report::Report,
    run::Run,
};

/// From the commit of the hold until no process sends any more: what is promised, and a second for a busy machine. Retries of requests that
/// were in flight count as new ones.
const OBEYED_WITHIN: Duration = Duration::from_secs(2);

/// Everything is killed and started again during the hold, and the streams are wiped. Nothing may be sent until the release; then every fire
/// in between is run or skipped, as always after an outage.
pub async fn held(name: &'static str, options: Options) -> anyhow::Result<Report> {
    let time = options.duration(20);
    let mut setup = options.setup();
    setup.client_pause = None;
    let (phase, mut outcome) = run(name, setup, async |run| {
        run.baseline(Duration::from_secs(3)).await;
        command(run, &["hold", "--reason", "chaos"]).await?;
        run.wait(OBEYED_WITHIN).await;
        let from = run.clock.elapsed();
        run.wait(time / 4).await;
        for role in [Role::Scheduler, Role::Executor] {
            run.kill_all(role)?;
            run.restart_all(role)?;
        }
        apply(run, Fault::FlushRedis).await?;
        run.wait(time / 2).await;
        apply(run, Fault::RollingRestart).await?;
        run.wait(time / 4).await;
        let phase = run.phase_since(from);
        command(run, &["release", "--missed", "run", "--reason", "chaos"]).await?;
        run.wait(Duration::from_secs(5)).await;
        Ok(phase)
    })
    .await?;
    let Phase { from, to } = phase;
    let sent = outcome.hits.iter().filter(|hit| from <= hit.arrived && hit.arrived < to);
    let sent = sent.map(|hit| format!("job {} at {:.1} s", hit.job, hit.arrived.as_secs_f64())).collect();
    outcome.findings.push(Finding::new("nothing is sent during a hold", outcome.hits.len(), sent));
    Ok(Report::new(name, options.seed, outcome, Vec::new()))
}

/// Runs a command of the operator.
async fn command(run: &Run, arguments: &'static [&str]) -> anyhow::Result<()> {
    let mut command = process::command("api", &run.servers.postgres_settings());
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    run.log(String::from_utf8_lossy(&output.stdout).trim());
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
