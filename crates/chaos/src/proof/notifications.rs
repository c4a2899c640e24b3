//! Notifications: one per rule and execution, and every delivery is in the log.

use std::collections::HashMap;
use tokio_postgres::Client;
use uuid::Uuid;

use super::Finding;
use crate::recorder::Recorder;

/// The notifications that rules and ended executions require, computed without the product's statements.
const REQUIRED: &str = "
    select r.id, e.id, (select count(*) from notifications n where n.rule_id = r.id and n.execution_id = e.id)
    from notification_rules r join executions e on e.job_id = r.job_id
    where e.status = any(case r.event when 'on_failure' then array['failed'] when 'on_success' then array['succeeded']
                                      when 'on_completion' then array['failed', 'succeeded'] else '{}' end)
      and r.after_failures is null and e.scheduled_for > r.created_at + interval '1 second'";

pub async fn findings(sql: &Client, recorder: &Recorder) -> anyhow::Result<Vec<Finding>> {
    let required = sql.query(REQUIRED, &[]).await?;
    let wrong = required.iter().filter(|row| row.get::<_, i64>(2) != 1);
    let wrong = wrong.map(|row| {
        let (rule, execution, count): (Uuid, Uuid, i64) = (row.get(0), row.get(1), row.get(2));
        format!("rule {rule} and execution {execution} have {count} notifications")
    });
    let notifications = sql.query("select id, status, attempt_count from notifications", &[]).await?;
    let mut delivered: HashMap<Uuid, i16> = HashMap::new();
    for id in recorder.notifications() {
        *delivered.entry(id).or_default() += 1;
    }
    let mut violations = Vec::new();
    for row in &notifications {
        let (id, status, attempts): (Uuid, String, i16) = (row.get(0), row.get(1), row.get(2));
        match delivered.remove(&id) {
            None if status == "succeeded" => {
                violations.push(format!("{id} succeeded and was never delivered"))
            }
            Some(times) if times > attempts => {
                violations.push(format!("{id} was delivered {times} times in {attempts} attempts"))
            }
            _ => {}
        }
        if !matches!(status.as_str(), "succeeded" | "failed") {
            violations.push(format!("{id} is still {status}"));
        }
    }
    violations.extend(delivered.keys().map(|id| format!("{id} was delivered and is not in the log")));
    Ok(vec![
        Finding::new("one notification per rule and execution", required.len(), wrong.collect()),
        Finding::new("every delivery is in the log", notifications.len(), violations),
    ])
}
