//! Pages of lists, over what a burst has left: the first, and one that many have turned to.

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use std::time::Instant;
use trigrun_core::domain::id::WorkspaceId;

use super::api::{Api, Connection};
use crate::{arrivals::quantile, bench::Bench};

const REQUESTS: usize = 200;
/// The most that the API gives.
const TURN: i64 = 250;

#[derive(Clone, Debug, Serialize)]
pub struct Page {
    pub list: String,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// One after the other on one connection, pages of 50. The deep page is in the middle of the `rows`, reached by cursors.
pub async fn measure(bench: &Bench, database: &str, rows: i64) -> anyhow::Result<Vec<Page>> {
    let sql = bench.servers.sql(database).await?;
    let workspace = sql.query_one("select id from workspaces limit 1", &[]).await?.get(0);
    let api = Api::start(&bench.servers, database, Some(WorkspaceId::from_uuid(workspace))).await?;
    let mut connection = api.connect().await?;
    let mut pages = Vec::new();
    for (name, path) in [
        ("executions", "/v1/executions?"),
        ("executions that succeeded", "/v1/executions?status=succeeded&"),
        ("jobs", "/v1/jobs?"),
    ] {
        let first = format!("{path}limit=50");
        pages.push(page(&mut connection, format!("{name}, first page"), &first).await?);
        let turns = rows / 2 / TURN;
        let cursor = turn(&mut connection, path, turns).await?;
        let deep = format!("{path}limit=50&cursor={cursor}");
        let name = format!("{name}, page {} by cursor", rows / 2 / 50 + 1);
        pages.push(page(&mut connection, name, &deep).await?);
    }
    drop(connection);
    api.process.end().await?;
    Ok(pages)
}

async fn page(connection: &mut Connection, list: String, path: &str) -> anyhow::Result<Page> {
    let mut took = Vec::new();
    for _ in 0..REQUESTS {
        let asked = Instant::now();
        connection.get(path).await?;
        took.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(Page { list, p50_ms: quantile(&took, 0.5), p99_ms: quantile(&took, 0.99) })
}

/// The cursor after so many pages of the largest size.
async fn turn(connection: &mut Connection, path: &str, turns: i64) -> anyhow::Result<String> {
    let mut cursor = String::new();
    for _ in 0..turns {
        let page = connection.get(&format!("{path}limit={TURN}{cursor}")).await?;
        let page: Value = serde_json::from_slice(&page)?;
        let next = page["next_cursor"].as_str().context("the list ends too soon")?;
        cursor = format!("&cursor={next}");
    }
    Ok(cursor.trim_start_matches("&cursor=").to_owned())
}
