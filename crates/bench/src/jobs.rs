//! Jobs by the million: written by SQL, as the API would have written them.

use anyhow::Context;
use chrono::{DateTime, Utc};
use std::net::SocketAddr;
use tokio_postgres::Client;
use uuid::Uuid;

/// Of a job that fires once in a measurement.
pub const DAY_SECONDS: i32 = 86_400;

/// Jobs to be written: number `i` fires first at `first` + `i` × `step_us`, rounded down to milliseconds, and then every `every_seconds`.
/// They catch up on fires that a slow machine misses.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub jobs: i64,
    pub workspaces: i64,
    pub first: DateTime<Utc>,
    pub step_us: i64,
    pub every_seconds: i32,
    pub sink: SocketAddr,
}

impl Batch {
    /// Also vacuums, as autovacuum would have done before they fire. Returns the workspaces.
    pub async fn write(&self, sql: &Client) -> anyhow::Result<Vec<Uuid>> {
        let (workspaces, every) = (workspaces(sql, self.workspaces).await?, self.every_seconds);
        sql.batch_execute("set synchronous_commit = off; set work_mem = '256MB'").await?;
        let shards: Vec<i16> = workspaces.iter().map(|workspace| shard(*workspace)).collect();
        // Ids ascend with time and number, like the product's: new rows go to the end of the index.
        let rows = "from generate_series(1::bigint, $1) g,
             lateral (select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(g), 8, '0')
                             || substr(md5(g::text), 1, 11))::uuid as id,
                             ($2::uuid[])[1 + g % cardinality($2::uuid[])] as workspace) j";
        sql.batch_execute("begin").await?;
        sql.execute(
            &format!(
                "insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
                 select j.id, j.workspace, 1, 'job ' || g, 'recurring', 'active', '{{}}', now(), now() {rows}"
            ),
            &[&self.jobs, &workspaces],
        )
        .await
        .context("cannot write jobs")?;
        sql.execute(
            &format!(
                "insert into job_versions (job_id, version, created_at, name, state, tags, kind, every_seconds, url, method, headers,
                                           body, body_is_json, timeout_seconds, success_statuses, max_attempts, retry_on_statuses,
                                           overlap_policy, misfire_policy, catch_up_limit, delivery)
                 select j.id, 1, now(), 'job ' || g, 'active', '{{}}', 'recurring', {every}, $3 || g, 'POST', '{{}}',
                        '{{\"hello\":\"world\",\"n\":' || lpad(g::text, 7, '1') || '}}', true, 30, '{{200}}', 3, '{{429,500,502,503,504}}',
                        'queue', 'catch_up', 10, 'at_least_once'
                 {rows}"
            ),
            &[&self.jobs, &workspaces, &format!("http://{}/hook/", self.sink)],
        )
        .await
        .context("cannot write versions")?;
        sql.execute(
            &format!(
                "insert into job_timers (job_id, workspace_id, shard, version, next_run_at, anchor_at, every_seconds, misfire_policy,
                                         catch_up_limit)
                 select j.id, j.workspace, ($5::smallint[])[1 + g % cardinality($2::uuid[])], 1, at.first,
                        at.first - interval '{every} s', {every}, 'catch_up', 10
                 {rows}, lateral (select date_trunc('milliseconds', $3::timestamptz + (g - 1) * $4::bigint * interval '1 us') as first) at"
            ),
            &[&self.jobs, &workspaces, &self.first, &self.step_us, &shards],
        )
        .await
        .context("cannot write timers")?;
        sql.batch_execute("commit").await?;
        for table in ["jobs", "job_versions", "job_timers"] {
            sql.batch_execute(&format!("vacuum analyze {table}")).await?;
        }
        Ok(workspaces)
    }
}

async fn workspaces(sql: &Client, count: i64) -> anyhow::Result<Vec<Uuid>> {
    let insert = "insert into workspaces (id, name) select gen_random_uuid(), 'workspace ' || g
                  from generate_series(1::bigint, $1) g returning id";
    Ok(sql.query(insert, &[&count]).await?.iter().map(|row| row.get(0)).collect())
}

fn shard(workspace: Uuid) -> i16 {
    trigrun_core::domain::workspace::shard(trigrun_core::domain::id::WorkspaceId::from_uuid(workspace))
}
