//! What Postgres holds at the end, as plain rows. The proof uses these and no code of the product.

use chrono::{DateTime, Utc};
use std::collections::HashMap;
use tokio_postgres::Client;
use uuid::Uuid;

pub struct Version {
    pub created_at: DateTime<Utc>,
    pub active: bool,
    pub kind: String,
    pub every_seconds: Option<i32>,
    pub cron: Option<String>,
    pub run_at: Option<DateTime<Utc>>,
}

pub struct Execution {
    pub id: Uuid,
    pub job: Uuid,
    pub source: String,
    pub scheduled_for: DateTime<Utc>,
    pub status: String,
    pub attempts: u16,
    /// Of a record of skipped fires: how many, and the last of them.
    pub skipped: Option<(i64, DateTime<Utc>)>,
    pub finished_at: Option<DateTime<Utc>>,
}

pub struct Attempt {
    pub status: String,
    pub error_class: Option<String>,
    pub total_us: i32,
}

pub struct Record {
    /// By job, in ascending order.
    pub versions: HashMap<Uuid, Vec<Version>>,
    pub executions: HashMap<Uuid, Execution>,
    pub attempts: HashMap<(Uuid, u16), Attempt>,
    /// How many executions have not ended.
    pub open: i64,
}

impl Record {
    /// From one snapshot: the product purges rows at the same time.
    pub async fn read(sql: &Client) -> anyhow::Result<Self> {
        sql.batch_execute("begin isolation level repeatable read read only").await?;
        let record = Self::read_snapshot(sql).await;
        sql.batch_execute("rollback").await?;
        record
    }

    async fn read_snapshot(sql: &Client) -> anyhow::Result<Self> {
        let mut versions: HashMap<Uuid, Vec<Version>> = HashMap::new();
        let rows = sql
            .query(
                "select v.job_id, v.created_at, v.state = 'active', v.kind, v.every_seconds, v.cron, v.run_at
                 from job_versions v join jobs j on j.id = v.job_id order by v.job_id, v.version",
                &[],
            )
            .await?;
        for row in rows {
            versions.entry(row.get(0)).or_default().push(Version {
                created_at: row.get(1),
                active: row.get(2),
                kind: row.get(3),
                every_seconds: row.get(4),
                cron: row.get(5),
                run_at: row.get(6),
            });
        }
        let rows = sql
            .query(
                "select id, job_id, source, scheduled_for, status, attempt_count, skip_count, coalesce(skip_last, scheduled_for),
                        finished_at
                 from all_executions",
                &[],
            )
            .await?;
        let executions = rows.iter().map(|row| {
            let (id, count): (Uuid, Option<i64>) = (row.get(0), row.get(6));
            let execution = Execution {
                id,
                job: row.get(1),
                source: row.get(2),
                scheduled_for: row.get(3),
                status: row.get(4),
                attempts: row.get::<_, i16>(5).unsigned_abs(),
                skipped: count.map(|count| (count, row.get(7))),
                finished_at: row.get(8),
            };
            (id, execution)
        });
        let executions: HashMap<Uuid, Execution> = executions.collect();
        let rows = sql
            .query("select execution_id, number, status, error_class, total_us from attempts", &[])
            .await?;
        let attempts = rows.iter().map(|row| {
            let key = (row.get(0), row.get::<_, i16>(1).unsigned_abs());
            (key, Attempt { status: row.get(2), error_class: row.get(3), total_us: row.get(4) })
        });
        let attempts = attempts.collect();
        let open = sql.query_one(OPEN, &[]).await?.get(0);
        Ok(Self { versions, executions, attempts, open })
    }
}

/// Executions that have not ended. Those of deleted jobs are about to be purged.
pub const OPEN: &str = "select count(*) from runs e join jobs j on j.id = e.job_id";
