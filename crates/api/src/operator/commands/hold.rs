//! `trigrun-api hold` and `trigrun-api release`

use anyhow::{Context, bail};
use std::{io::Write, time::Duration};
use trigrun_core::{
    domain::{
        fire,
        hold::{Hold, Missed},
    },
    store::{
        self, Conn, StoreError, holds, leases,
        lower_bound::BEGINNING,
        timers::{self, PlanningWindow},
    },
};

use super::connection;
use crate::settings::Settings;

/// Timers, and executions, that one step decides.
const BATCH: i64 = 500;

pub async fn hold(settings: &Settings, reason: String) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let hold = Hold { since: store::clock::now(conn).await?, reason };
    match holds::begin(conn, &hold).await {
        Err(error) if error.is_conflict("holds_active") => {
            let Some(Hold { since, reason }) = holds::active(conn).await? else {
                bail!("another command has just released the hold: try again");
            };
            say(&format!("already held since {since}: {reason}"));
        }
        begun => {
            begun?;
            say("held: within a second, no process sends anything. Requests in flight end.");
            say("`trigrun-api release --missed run|skip` ends it.");
        }
    }
    Ok(())
}

pub async fn release(settings: &Settings, missed: Missed) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    if holds::active(conn).await?.is_none() {
        say("not held: there is nothing to release");
        return Ok(());
    }
    // Before the release, so that nothing of it is sent. A command that is interrupted is repeated.
    if missed == Missed::Skip {
        let cancelled = cancel_waiting(conn).await?;
        say(&format!("cancelled {cancelled} executions that were waiting"));
        // Last, because it is quick: what becomes due after it runs.
        let fires = skip_fires(conn).await?;
        say(&format!("skipped the missed fires of {fires} timers"));
    }
    let now = store::clock::now(conn).await?;
    holds::release(conn, missed, now).await.context("another command has released the hold")?;
    say("released: within a second, every process sends again");
    Ok(())
}

/// A reader that has closed the pipe must not end a command halfway.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Records the fires up to now as skipped, and returns how many timers had some.
async fn skip_fires(conn: &mut Conn) -> anyhow::Result<usize> {
    let due = PlanningWindow::Missed { late: Duration::ZERO, after: BEGINNING };
    let mut timers = 0;
    loop {
        let decided = timers::record_fires(conn, due, BATCH, fire::skip).await?.timers;
        timers += decided;
        // Where many jobs fire, there is always one that has just become due.
        if (decided as i64) < BATCH {
            return Ok(timers);
        }
    }
}

/// Cancels the executions that are due.
async fn cancel_waiting(conn: &mut Conn) -> anyhow::Result<usize> {
    let mut cancelled = 0;
    loop {
        let waiting = holds::waiting(conn, BATCH).await?;
        if waiting.is_empty() {
            return Ok(cancelled);
        }
        for (workspace, execution) in waiting {
            match leases::cancel(conn, workspace, execution).await {
                Ok(None) => cancelled += 1,
                // It has ended, or its job was deleted.
                Ok(Some(_)) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
