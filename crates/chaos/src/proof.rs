//! The invariants, each with what was checked and what violates it.

mod api;
mod fires;
mod notifications;
mod requests;
mod slots;

use std::collections::HashMap;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    clients::ClientLog,
    clock::Clock,
    load::Load,
    record::Record,
    recorder::{Hit, Recorder},
    servers::Servers,
    watcher::Watched,
};

/// The result for one invariant.
#[derive(Clone, Debug)]
pub struct Finding {
    pub invariant: &'static str,
    pub checked: usize,
    /// Cases in which either result is right.
    pub left_out: usize,
    pub violations: Vec<String>,
}

impl Finding {
    pub fn new(invariant: &'static str, checked: usize, violations: Vec<String>) -> Self {
        Self { invariant, checked, left_out: 0, violations }
    }

    fn leaving_out(self, left_out: usize) -> Self {
        Self { left_out, ..self }
    }

    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Everything that is known at the end of a run.
pub struct Evidence<'a> {
    pub load: &'a Load,
    /// Fires up to this instant must have executions.
    pub until: chrono::DateTime<chrono::Utc>,
    pub clients: &'a ClientLog,
    pub record: &'a Record,
    pub hits: &'a [Hit],
    pub clock: Clock,
    /// No API was killed or terminated.
    pub no_api_stopped: bool,
    /// No executor was paused, and Postgres was not frozen.
    pub nothing_paused: bool,
}

impl Evidence<'_> {
    /// Whether this job was deleted. Its rows may be purged at any time, so they prove nothing.
    fn is_deleted(&self, job: Uuid) -> bool {
        !self.record.versions.contains_key(&job)
    }
}

/// Checks all invariants.
pub async fn all(
    servers: &Servers,
    recorder: &Recorder,
    evidence: &Evidence<'_>,
    watched: Watched,
) -> anyhow::Result<Vec<Finding>> {
    let sql = servers.sql().await?;
    let mut findings = fires::findings(evidence);
    findings.push(all_ended(evidence));
    findings.extend(requests::findings(evidence));
    findings.push(slots::finding(evidence));
    findings.push(terminal_is_final(&sql).await?);
    findings.push(owners_are_live(&sql).await?);
    findings.extend(api::findings(&sql, evidence).await?);
    findings.extend(notifications::findings(&sql, recorder).await?);
    let Watched { idle_transactions, usage } = watched;
    let mut idle = idle_transactions.violations;
    // Postgres ends such a session after 10 s. A paused process cannot prevent that.
    if evidence.nothing_paused && servers.count_in_postgres_log("idle-in-transaction timeout")? > 0 {
        idle.push("Postgres ended a session that was idle in a transaction".into());
    }
    findings.push(Finding::new("no transaction is idle for over 10 s", idle_transactions.taken, idle));
    findings.push(Finding::new(
        "memory and file descriptors return to their level",
        usage.taken,
        usage.violations,
    ));
    findings.push(Finding::new(
        "no request that TrigRun did not send",
        evidence.hits.len(),
        recorder.unexpected(),
    ));
    Ok(findings)
}

fn all_ended(evidence: &Evidence<'_>) -> Finding {
    let open = evidence.record.open;
    let violations = (open > 0).then(|| format!("{open} executions have not ended")).into_iter().collect();
    Finding::new("every execution reaches its end", evidence.record.executions.len(), violations)
}

/// A trigger of the run records each change of a terminal row.
async fn terminal_is_final(sql: &Client) -> anyhow::Result<Finding> {
    let rows = sql.query("select what from chaos_terminal_changes", &[]).await?;
    let ended: i64 = sql.query_one("select count(*) from executions", &[]).await?.get(0);
    let violations = rows.iter().map(|row| row.get(0)).collect();
    Ok(Finding::new("terminal executions do not change", usize::try_from(ended)?, violations))
}

async fn owners_are_live(sql: &Client) -> anyhow::Result<Finding> {
    let rows = sql
        .query(
            "select e.id::text || ' is owned by ' || e.owner_id from runs e
             where e.owner_id is not null
               and not exists (select from executors x where x.id = e.owner_id and x.ended_at is null)",
            &[],
        )
        .await?;
    let owned: i64 = sql.query_one("select count(*) from runs where owner_id is not null", &[]).await?.get(0);
    let violations = rows.iter().map(|row| row.get(0)).collect();
    Ok(Finding::new("expired sessions own nothing", usize::try_from(owned)?, violations))
}

/// The hits of each execution.
fn by_execution(hits: &[Hit]) -> HashMap<Uuid, Vec<&Hit>> {
    let mut by_execution: HashMap<Uuid, Vec<&Hit>> = HashMap::new();
    for hit in hits {
        by_execution.entry(hit.execution).or_default().push(hit);
    }
    by_execution
}
