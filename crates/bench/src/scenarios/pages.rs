//! Pages of lists, over what a burst has left: the first, and one that many have turned to.

use anyhow::Context;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use std::time::{Duration, Instant};
use trigrun_core::domain::id::WorkspaceId;

use super::api::{Api, Connection};
use crate::{arrivals::quantile, bench::Bench};

const REQUESTS: usize = 200;
/// What is slow is not asked for so often.
const ENOUGH: Duration = Duration::from_secs(10);
/// Before they count: statements are prepared, and planned once for all.
const UNCOUNTED: usize = 10;
/// The most that the API gives.
const TURN: i64 = 250;

#[derive(Clone, Debug, Serialize)]
pub struct Page {
    pub list: String,
    /// In the last page that was asked for.
    pub rows: usize,
    /// Whether another page comes after that one.
    #[serde(skip)]
    pub more: bool,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// Which page comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// The same again.
    Again,
    /// The one after it.
    Onward,
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
        pages.push(ask(&mut connection, format!("{name}, first page"), &first, Asks::Again).await?);
        let turns = rows / 2 / TURN;
        let cursor = turn(&mut connection, path, turns).await?;
        let deep = format!("{path}limit=50&cursor={cursor}");
        let name = format!("{name}, page {} by cursor", rows / 2 / 50 + 1);
        pages.push(ask(&mut connection, name, &deep, Asks::Again).await?);
    }
    drop(connection);
    api.process.end().await?;
    Ok(pages)
}

/// So many pages, from this one on; behind the last page comes the first.
pub async fn ask(connection: &mut Connection, list: String, path: &str, asks: Asks) -> anyhow::Result<Page> {
    let (mut took, mut rows, mut more, mut cursor) = (Vec::new(), 0, false, None::<String>);
    let began = Instant::now();
    while took.len() < UNCOUNTED + REQUESTS && began.elapsed() < ENOUGH {
        let at = cursor.take().map_or(path.to_owned(), |cursor| format!("{path}&cursor={cursor}"));
        let asked = Instant::now();
        let body = connection.get(&at).await?;
        took.push(asked.elapsed().as_secs_f64() * 1e3);
        let page = List::read(&body)?;
        (rows, more) = (page.data.len(), page.next_cursor.is_some());
        cursor = page.next_cursor.filter(|_| asks == Asks::Onward);
    }
    // Of a list that is slow all count.
    let mut took = took.split_off(if took.len() > UNCOUNTED { UNCOUNTED } else { 0 });
    took.sort_by(f64::total_cmp);
    Ok(Page { list, rows, more, p50_ms: quantile(&took, 0.5), p99_ms: quantile(&took, 0.99) })
}

/// The cursor after so many pages of the largest size.
async fn turn(connection: &mut Connection, path: &str, turns: i64) -> anyhow::Result<String> {
    let mut cursor = String::new();
    for _ in 0..turns {
        let page = connection.get(&format!("{path}limit={TURN}{cursor}")).await?;
        let next = List::read(&page)?.next_cursor.context("the list ends too soon")?;
        cursor = format!("&cursor={next}");
    }
    Ok(cursor.trim_start_matches("&cursor=").to_owned())
}

/// A page as the API answers it; what stands in its rows does not matter here.
#[derive(Deserialize)]
struct List {
    data: Vec<IgnoredAny>,
    next_cursor: Option<String>,
}

impl List {
    fn read(body: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(body).context("it is no list")
    }
}
