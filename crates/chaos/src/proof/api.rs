//! What the clients recorded against what Postgres holds.

use std::collections::HashMap;
use tokio_postgres::Client;
use uuid::Uuid;

use super::{Evidence, Finding};
use crate::clients::ClientLog;

pub async fn findings(sql: &Client, evidence: &Evidence<'_>) -> anyhow::Result<Vec<Finding>> {
    let ClientLog { requests, bad, unanswered, created, deleted, runs, keys, .. } = evidence.clients;
    let lost = created.iter().filter(|job| evidence.is_deleted(**job) && !deleted.contains(job));
    let lost = lost.map(|job| format!("job {job} was acknowledged and does not exist")).collect();
    let not_run = runs.iter().filter(|(job, execution)| {
        !evidence.is_deleted(*job) && !evidence.record.executions.contains_key(execution)
    });
    let not_run =
        not_run.map(|(_, id)| format!("execution {id} was acknowledged and does not exist")).collect();
    let (checked, unanswered) =
        if evidence.no_api_stopped { (*requests, unanswered.clone()) } else { (0, Vec::new()) };
    Ok(vec![
        Finding::new("an API that is running responds", checked, unanswered),
        Finding::new("the API returns 2xx, 4xx or 503, within 10 s", *requests, bad.clone()),
        Finding::new("every acknowledged create exists", created.len(), lost),
        Finding::new("every acknowledged run exists", runs.len(), not_run),
        one_run_per_key(sql, keys).await?,
    ])
}

/// Only the clients run their jobs by hand.
async fn one_run_per_key(sql: &Client, keys: &HashMap<Uuid, usize>) -> anyhow::Result<Finding> {
    let jobs: Vec<Uuid> = keys.keys().copied().collect();
    let runs = "select job_id, count(*) from all_executions where source = 'manual' and job_id = any($1) group by job_id";
    let mut violations = Vec::new();
    for row in sql.query(runs, &[&jobs]).await? {
        let (job, runs): (Uuid, i64) = (row.get(0), row.get(1));
        if usize::try_from(runs)? > keys[&job] {
            violations.push(format!("job {job} has {runs} runs for {} keys", keys[&job]));
        }
    }
    Ok(Finding::new("one run for each key, however often it is sent", keys.values().sum(), violations))
}
