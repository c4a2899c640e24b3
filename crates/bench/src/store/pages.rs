//! Pages of lists, as a client sees them: the first one again and again, and one after the other from somewhere deep inside.

use chrono::{SecondsFormat, TimeDelta};
use serde::Serialize;
use std::time::{Duration, Instant};
use trigrun_core::domain::id::JobId;

use super::{history::Subject, reader::Api, sizes::now};
use crate::arrivals::quantile;

const REQUESTS: usize = 300;
/// What is slow is not asked for so often.
const ENOUGH: Duration = Duration::from_secs(10);
/// Before they count: connections are opened, statements prepared and planned once for all.
const UNCOUNTED: usize = 10;

#[derive(Serialize)]
pub struct Pages {
    pub name: String,
    pub requests: usize,
    /// Rows in the last one.
    pub rows: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

pub async fn measure(api: &Api, subject: &Subject) -> anyhow::Result<Vec<Pages>> {
    let (busy, rare) = (JobId::from_uuid(subject.busy), JobId::from_uuid(subject.rare));
    let deep = (now()? - TimeDelta::days(5)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let lists = [
        ("executions", "/v1/executions?".to_owned()),
        ("executions, five days back", format!("/v1/executions?to={deep}")),
        ("executions of a busy job", format!("/v1/jobs/{busy}/executions?")),
        ("executions of a busy job, five days back", format!("/v1/jobs/{busy}/executions?to={deep}")),
        ("executions of a rare job", format!("/v1/executions?job_id={rare}")),
        ("executions that failed", "/v1/executions?status=failed".to_owned()),
        ("executions that were cancelled, one of 100,000", "/v1/executions?status=cancelled".to_owned()),
        ("executions that run, none", "/v1/executions?status=running".to_owned()),
        ("executions by hand, none", "/v1/executions?source=manual".to_owned()),
        ("executions by a job's name", "/v1/executions?job_name=job+99000".to_owned()),
        ("jobs", "/v1/jobs?".to_owned()),
        ("jobs that are paused, none", "/v1/jobs?state=paused".to_owned()),
    ];
    let mut measured = Vec::new();
    for (name, path) in lists {
        for walks in [false, true] {
            let name = if walks { format!("{name}: the next, and the next") } else { name.to_owned() };
            // A list of one page has been measured.
            if let Some(pages) = pages(api, name, &path, walks).await? {
                eprintln!("  {}: {:.1} / {:.1} ms (p50 / p99)", pages.name, pages.p50_ms, pages.p99_ms);
                measured.push(pages);
            }
        }
    }
    Ok(measured)
}

async fn pages(api: &Api, name: String, path: &str, walks: bool) -> anyhow::Result<Option<Pages>> {
    let mut reader = api.reader().await?;
    let (mut took, mut rows, mut cursor) = (Vec::new(), 0, None);
    let began = Instant::now();
    for request in 0..REQUESTS + UNCOUNTED {
        let at = cursor.take().map_or(path.to_owned(), |cursor| format!("{path}&cursor={cursor}"));
        let page = reader.page(&at).await?;
        if walks && request == 0 && page.next.is_none() {
            return Ok(None);
        }
        if request >= UNCOUNTED || began.elapsed() > ENOUGH {
            took.push(page.took.as_secs_f64() * 1e3);
        }
        (rows, cursor) = (page.rows, page.next.filter(|_| walks));
        if began.elapsed() > ENOUGH {
            break;
        }
    }
    took.sort_by(f64::total_cmp);
    let (p50_ms, p99_ms) = (quantile(&took, 0.5), quantile(&took, 0.99));
    Ok(Some(Pages { name, requests: took.len(), rows, p50_ms, p99_ms }))
}
