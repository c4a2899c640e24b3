//! A page of every combination of filters of executions: none of them may read much more than the others.

use chrono::TimeDelta;
use std::time::Instant;
use trigrun_core::{
    domain::page::Page,
    store::{executions, migrate},
};
use trigrun_testkit::{filters::Choices, stats::Samples};

use super::pages::Subject;
use crate::{arrivals::now, measured, progress::Progress, servers::Servers};

/// Each combination once to warm up, then measured once.
pub async fn measure(
    servers: &Servers,
    database: &str,
    subject: &Subject,
    progress: &Progress,
) -> anyhow::Result<measured::Page> {
    let (now, days) = (now()?, TimeDelta::days);
    let choices = Choices {
        jobs: vec![subject.busy, subject.rare],
        // One job, all jobs, none.
        names: vec!["job 99000", "job", "another"],
        spans: vec![(Some(now - days(1)), None), (Some(now - days(5)), Some(now - days(2)))],
    };
    let (filters, page) = (choices.filters(), Page { limit: 50, before: None });
    let mut conn = migrate::connect(&servers.postgres_settings(database)).await?;
    let (mut took, mut rows, mut slowest) = (Vec::new(), 0, (0.0, String::new()));
    for filter in &filters {
        executions::list(&mut conn, subject.workspace, filter, page).await?;
        let began = Instant::now();
        let list = executions::list(&mut conn, subject.workspace, filter, page).await?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        rows = list.data.len();
        took.push(ms);
        if ms > slowest.0 {
            slowest = (ms, format!("{filter:?}"));
        }
    }
    progress.say(&format!("the slowest page: {:.1} ms, {}", slowest.0, slowest.1));
    let list = format!("executions, {} combinations of filters", filters.len());
    let took: Samples = took.into_iter().collect();
    let [p50_ms, p99_ms] = [0.5, 0.99].map(|fraction| took.quantile(fraction).unwrap_or(f64::NAN));
    Ok(measured::Page { list, rows, has_next: false, p50_ms, p99_ms })
}
