//! Notifications: one per rule and execution, and no telling that the log does not know.

use std::collections::HashMap;
use tokio_postgres::Client;
use uuid::Uuid;

use super::Finding;
use crate::recorder::Recorder;

/// Whom every end must be told to. Written without the product's statements: from the rules and the ends alone.
const DUE: &str = "
    select r.id, e.id, (select count(*) from notifications n where n.rule_id = r.id and n.execution_id = e.id)
    from notification_rules r join executions e on e.job_id = r.job_id
    where e.status = any(case r.event when 'on_failure' then array['failed'] when 'on_success' then array['succeeded']
                                      when 'on_completion' then array['failed', 'succeeded'] else '{}' end)
      and r.after_failures is null and e.scheduled_for > r.created_at + interval '1 second'";

pub async fn findings(sql: &Client, recorder: &Recorder) -> anyhow::Result<Vec<Finding>> {
    let due = sql.query(DUE, &[]).await?;
    let wrong = due.iter().filter(|row| row.get::<_, i64>(2) != 1);
    let wrong = wrong.map(|row| {
        let (rule, execution, count): (Uuid, Uuid, i64) = (row.get(0), row.get(1), row.get(2));
        format!("rule {rule} and execution {execution} have {count} notifications")
    });
    let notifications = sql.query("select id, status, attempt_count from notifications", &[]).await?;
    let mut came: HashMap<Uuid, i16> = HashMap::new();
    for id in recorder.told() {
        *came.entry(id).or_default() += 1;
    }
    let mut against = Vec::new();
    for row in &notifications {
        let (id, status, attempts): (Uuid, String, i16) = (row.get(0), row.get(1), row.get(2));
        match came.remove(&id) {
            None if status == "succeeded" => against.push(format!("{id} is a success and never came")),
            Some(times) if times > attempts => {
                against.push(format!("{id} came {times} times in {attempts} attempts"))
            }
            _ => {}
        }
        if !matches!(status.as_str(), "succeeded" | "failed") {
            against.push(format!("{id} is still {status}"));
        }
    }
    against.extend(came.keys().map(|id| format!("{id} came and is not known")));
    Ok(vec![
        Finding::new("one notification per rule and execution", due.len(), wrong.collect()),
        Finding::new("every telling is in the log", notifications.len(), against),
    ])
}
