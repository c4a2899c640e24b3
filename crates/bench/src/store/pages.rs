//! Pages of lists, as a client sees them: the first page repeatedly, and one page after the other.

use chrono::{SecondsFormat, TimeDelta};
use trigrun_core::domain::id::{JobId, WorkspaceId};

use crate::{
    arrivals::now,
    measured::Page,
    progress::Progress,
    scenarios::{Api, Next, time_pages},
};

/// The workspace whose executions are listed. It has a tenth of all.
pub struct Subject {
    pub workspace: WorkspaceId,
    /// One of its jobs that run all the time.
    pub busy: JobId,
    /// One that runs rarely.
    pub rare: JobId,
}

pub async fn measure(api: &Api, subject: &Subject, progress: &Progress) -> anyhow::Result<Vec<Page>> {
    let Subject { busy, rare, .. } = subject;
    let five_days_ago = (now()? - TimeDelta::days(5)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let lists = [
        ("executions", "/v1/executions?".to_owned()),
        ("executions, five days back", format!("/v1/executions?to={five_days_ago}")),
        ("executions of a busy job", format!("/v1/jobs/{busy}/executions?")),
        (
            "executions of a busy job, five days back",
            format!("/v1/jobs/{busy}/executions?to={five_days_ago}"),
        ),
        ("executions of a rare job", format!("/v1/executions?job_id={rare}")),
        ("executions that failed", "/v1/executions?status=failed".to_owned()),
        ("executions that were cancelled, one of 100,000", "/v1/executions?status=cancelled".to_owned()),
        ("executions that run, none", "/v1/executions?status=running".to_owned()),
        ("executions by hand, none", "/v1/executions?source=manual".to_owned()),
        ("executions by a job's name", "/v1/executions?job_name=job+99000".to_owned()),
        ("jobs", "/v1/jobs?".to_owned()),
        ("jobs that are paused, none", "/v1/jobs?state=paused".to_owned()),
    ];
    let (mut connection, mut measured) = (api.connect().await?, Vec::new());
    let mut add = |page: Page| {
        progress.say(&format!("{}: {:.1} / {:.1} ms (p50 / p99)", page.list, page.p50_ms, page.p99_ms));
        measured.push(page);
    };
    for (name, path) in lists {
        let first = time_pages(&mut connection, name.to_owned(), &path, Next::Same).await?;
        let has_next = first.has_next;
        add(first);
        if has_next {
            let name = format!("{name}: following pages");
            add(time_pages(&mut connection, name, &path, Next::Following).await?);
        }
    }
    Ok(measured)
}
