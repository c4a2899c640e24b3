//! Pages of lists after a burst: the first page, and one in the middle of the list.

use anyhow::Context;
use hyper::Method;
use serde::{Deserialize, de::IgnoredAny};
use std::time::{Duration, Instant};
use trigrun_core::domain::id::WorkspaceId;
use trigrun_testkit::{
    client::{Connection, Request},
    stats::Samples,
};

use super::api::{Api, body_of};
use crate::{measured::Page, product::Installation};

const REQUESTS: usize = 200;
/// For slow lists, which get fewer requests.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Not counted: the first requests prepare and plan their statements.
const WARM_UP_REQUESTS: usize = 10;
const PAGE_ROWS: i64 = 50;
/// The largest page of the API.
const MAX_PAGE_ROWS: i64 = 250;

/// Which page to request next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Same,
    Following,
}

/// One request at a time on one connection, pages of 50 rows. Cursors lead to the page in the middle of the `rows`.
pub async fn measure(
    installation: &Installation<'_>,
    database: &str,
    rows: i64,
) -> anyhow::Result<Vec<Page>> {
    let sql = installation.bench.servers.sql(database).await?;
    let workspace = sql.query_one("select id from workspaces limit 1", &[]).await?.get(0);
    let api = Api::start(installation, database, Some(WorkspaceId::from_uuid(workspace))).await?;
    let mut connection = api.connect().await?;
    let mut pages = Vec::new();
    for (name, path) in [
        ("executions", "/v1/executions?"),
        ("executions that succeeded", "/v1/executions?status=succeeded&"),
        ("jobs", "/v1/jobs?"),
    ] {
        let first = format!("{path}limit={PAGE_ROWS}");
        pages.push(time_pages(&mut connection, format!("{name}, first page"), &first, Next::Same).await?);
        let cursor = cursor_after(&mut connection, path, rows / 2 / MAX_PAGE_ROWS).await?;
        let middle = format!("{path}limit={PAGE_ROWS}&cursor={cursor}");
        let name = format!("{name}, page {} by cursor", rows / 2 / PAGE_ROWS + 1);
        pages.push(time_pages(&mut connection, name, &middle, Next::Same).await?);
    }
    drop(connection);
    api.stop().await?;
    Ok(pages)
}

/// Times pages from this one on. After the last page comes the first.
pub async fn time_pages(
    connection: &mut Connection,
    list: String,
    first: &str,
    next: Next,
) -> anyhow::Result<Page> {
    let (mut took, mut rows, mut has_next, mut cursor) = (Vec::new(), 0, false, None::<String>);
    let began = Instant::now();
    while took.len() < WARM_UP_REQUESTS + REQUESTS && began.elapsed() < MAX_TIME {
        let path = cursor.take().map_or(first.to_owned(), |cursor| format!("{first}&cursor={cursor}"));
        let sent = Instant::now();
        let body = get(connection, path).await?;
        took.push(sent.elapsed().as_secs_f64() * 1e3);
        let page = List::parse(&body)?;
        (rows, has_next) = (page.data.len(), page.next_cursor.is_some());
        cursor = page.next_cursor.filter(|_| next == Next::Following);
    }
    // Of a very slow list, all requests count.
    let warm_up = if took.len() > WARM_UP_REQUESTS { WARM_UP_REQUESTS } else { 0 };
    let took: Samples = took.into_iter().skip(warm_up).collect();
    let [p50_ms, p99_ms] = [0.5, 0.99].map(|fraction| took.quantile(fraction).unwrap_or(f64::NAN));
    Ok(Page { list, rows, has_next, p50_ms, p99_ms })
}

/// The cursor after this many pages of the largest size.
async fn cursor_after(connection: &mut Connection, path: &str, pages: i64) -> anyhow::Result<String> {
    let mut cursor = String::new();
    for _ in 0..pages {
        let page = get(connection, format!("{path}limit={MAX_PAGE_ROWS}{cursor}")).await?;
        let next = List::parse(&page)?.next_cursor.context("the list is too short")?;
        cursor = format!("&cursor={next}");
    }
    Ok(cursor.trim_start_matches("&cursor=").to_owned())
}

async fn get(connection: &mut Connection, path: String) -> anyhow::Result<bytes::Bytes> {
    body_of(connection, Request::new(Method::GET, path)).await
}

/// A page of the API. The rows do not matter here.
#[derive(Deserialize)]
struct List {
    data: Vec<IgnoredAny>,
    next_cursor: Option<String>,
}

impl List {
    fn parse(body: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(body).context("not a list")
    }
}
