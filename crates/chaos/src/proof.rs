//! The invariants, each with what was looked at and what was found against it.

mod fires;
mod notifications;
mod sends;
mod slots;

use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

use crate::{
    clients::Seen,
    load::Load,
    record::{OPEN, Record},
    recorder::Hit,
    run::Run,
    time::Clock,
    watcher::Watched,
};

/// An invariant, and how it fared.
#[derive(Clone, Debug)]
pub struct Finding {
    pub invariant: &'static str,
    pub looked_at: usize,
    /// What could not be judged.
    pub left_out: usize,
    /// None: it holds.
    pub against: Vec<String>,
}

impl Finding {
    pub fn new(invariant: &'static str, looked_at: usize, against: Vec<String>) -> Self {
        Self { invariant, looked_at, left_out: 0, against }
    }

    fn leaving_out(self, left_out: usize) -> Self {
        Self { left_out, ..self }
    }

    pub fn holds(&self) -> bool {
        self.against.is_empty()
    }
}

/// All that is known when everything has come to rest.
pub struct Evidence<'a> {
    pub load: &'a Load,
    /// The last fire of the load that counts.
    pub until: chrono::DateTime<chrono::Utc>,
    pub seen: &'a Seen,
    pub record: &'a Record,
    pub hits: &'a [Hit],
    pub clock: Clock,
    /// No API was killed or asked to end.
    pub apis_lived: bool,
    /// Neither an executor nor Postgres was made to stand still.
    pub nobody_stood_still: bool,
}

impl Evidence<'_> {
    /// Whether this job was deleted, or is going to be: its rows prove nothing.
    fn is_gone(&self, job: Uuid) -> bool {
        !self.record.versions.contains_key(&job)
    }
}

/// Looks at everything.
pub async fn all(run: &Run, evidence: &Evidence<'_>, watched: Watched) -> anyhow::Result<Vec<Finding>> {
    let sql = run.servers.sql().await?;
    let mut findings = fires::findings(evidence);
    findings.push(over(evidence));
    findings.extend(sends::findings(evidence));
    findings.push(slots::finding(evidence));
    findings.push(terminal_is_final(&sql).await?);
    findings.push(owners_live(&sql).await?);
    findings.extend(api(evidence));
    findings.push(one_run_per_key(&sql, &evidence.seen.keys).await?);
    findings.extend(notifications::findings(&sql, &run.recorder).await?);
    let Watched { idle, held } = watched;
    let mut forgotten = idle.found;
    // Postgres ends them after 10 s, which is the fault of nobody who could not go on.
    if evidence.nobody_stood_still && run.servers.postgres_said("idle-in-transaction timeout")? > 0 {
        forgotten.push("Postgres ended a session that was idle in a transaction".into());
    }
    findings.push(Finding::new("no transaction idle for over 10 s", idle.looks, forgotten));
    findings.push(Finding::new(
        "memory and file descriptors come back to their level",
        held.looks,
        held.found,
    ));
    findings.push(Finding::new(
        "no request that is not TrigRun's",
        evidence.hits.len(),
        run.recorder.strange(),
    ));
    findings.push(run.logs()?);
    Ok(findings)
}

fn over(evidence: &Evidence<'_>) -> Finding {
    let open = evidence.record.open;
    let against = (open > 0).then(|| format!("{open} executions are not over")).into_iter().collect();
    Finding::new("every execution reaches its end", evidence.record.executions.len(), against)
}

/// A trigger of the run's writes down each change of a terminal row.
async fn terminal_is_final(sql: &tokio_postgres::Client) -> anyhow::Result<Finding> {
    let rows = sql.query("select what from lab_changed_terminal", &[]).await?;
    let ended: i64 =
        sql.query_one("select count(*) from executions where finished_at is not null", &[]).await?.get(0);
    let against = rows.iter().map(|row| row.get(0)).collect();
    Ok(Finding::new("what has ended does not change", usize::try_from(ended)?, against))
}

async fn owners_live(sql: &tokio_postgres::Client) -> anyhow::Result<Finding> {
    let rows = sql
        .query(
            "select e.id::text || ' is held by ' || e.owner_id from executions e
             where e.owner_id is not null
               and not exists (select from executors x where x.id = e.owner_id and x.ended_at is null)",
            &[],
        )
        .await?;
    let held: i64 =
        sql.query_one("select count(*) from executions where owner_id is not null", &[]).await?.get(0);
    let against = rows.iter().map(|row| row.get(0)).collect();
    Ok(Finding::new("nothing is held by the dead", usize::try_from(held)?, against))
}

fn api(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Seen { calls, bad, unanswered, created, deleted, asked_for, .. } = evidence.seen;
    let lost = created.iter().filter(|job| evidence.is_gone(**job) && !deleted.contains(job));
    let lost = lost.map(|job| format!("job {job} was acknowledged and is not there")).collect();
    let not_run = asked_for.iter().filter(|(job, execution)| {
        !evidence.is_gone(*job) && !evidence.record.executions.contains_key(execution)
    });
    let not_run =
        not_run.map(|(_, id)| format!("execution {id} was acknowledged and is not there")).collect();
    let unanswered = if evidence.apis_lived { unanswered.clone() } else { Vec::new() };
    vec![
        Finding::new("an API that lives answers", if evidence.apis_lived { *calls } else { 0 }, unanswered),
        Finding::new("the API answers 2xx, 4xx or 503, within 10 s", *calls, bad.clone()),
        Finding::new("every acknowledged create is there", created.len(), lost),
        Finding::new("every acknowledged run is there", asked_for.len(), not_run),
    ]
}

/// Nobody but the users runs their jobs by hand.
async fn one_run_per_key(
    sql: &tokio_postgres::Client,
    keys: &HashMap<Uuid, usize>,
) -> anyhow::Result<Finding> {
    let jobs: Vec<Uuid> = keys.keys().copied().collect();
    let runs = "select job_id, count(*) from executions where source = 'manual' and job_id = any($1) group by job_id";
    let mut against = Vec::new();
    for row in sql.query(runs, &[&jobs]).await? {
        let (job, runs): (Uuid, i64) = (row.get(0), row.get(1));
        if usize::try_from(runs)? > keys[&job] {
            against.push(format!("job {job} has {runs} runs for {} keys", keys[&job]));
        }
    }
    Ok(Finding::new("one run for each key, however often it is sent", keys.values().sum(), against))
}

/// Waits until nothing that is due is open any more, or that long.
pub async fn drained(sql: &tokio_postgres::Client, within: Duration) -> anyhow::Result<bool> {
    let deadline = tokio::time::Instant::now() + within;
    loop {
        let open: i64 = sql.query_one(OPEN, &[]).await?.get(0);
        if open == 0 {
            return Ok(true);
        }
        if tokio::time::Instant::now() > deadline {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The hits of each execution.
fn by_execution(hits: &[Hit]) -> HashMap<Uuid, Vec<&Hit>> {
    let mut by_execution: HashMap<Uuid, Vec<&Hit>> = HashMap::new();
    for hit in hits {
        by_execution.entry(hit.execution).or_default().push(hit);
    }
    by_execution
}
