//! `trigrun-api hold` and `trigrun-api release`

use anyhow::bail;
use std::{io::Write, time::Duration};
use trigrun_core::{
    domain::hold::{Hold, Missed},
    store::{self, holds},
};

use super::{by::ByArguments, connection};
use crate::{
    release::{self, Progress, Skipped},
    settings::Settings,
};

/// How often a release says how far it is.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

pub async fn hold(settings: &Settings, by: ByArguments) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let by = by.author(store::clock::now(conn).await?);
    if holds::begin(conn, &by).await? {
        say("held: within a second, no process sends anything. Requests in flight end.");
        say("`trigrun-api release --missed run|skip --reason …` ends it.");
        return Ok(());
    }
    let Some(Hold { since, reason }) = holds::active(conn).await? else {
        bail!("another command has just released the hold: try again");
    };
    say(&format!("already held since {since}: {reason}"));
    Ok(())
}

pub async fn release(settings: &Settings, missed: Missed, by: ByArguments) -> anyhow::Result<()> {
    let conn = &mut connection::open(settings).await?;
    let by = by.author(store::clock::now(conn).await?);
    let mut all = Skipped::default();
    let mut progress = release::release(conn, missed, &by, REPORT_INTERVAL).await?;
    loop {
        match progress {
            Progress::NotHeld(skipped) => {
                all.add(skipped);
                if all != Skipped::default() {
                    say(&done(all));
                }
                say("not held: there is nothing to release, or another release was faster");
            }
            Progress::Unfinished(skipped) => {
                all.add(skipped);
                say(&format!("so far, {}", done(all)));
                progress = release::resume(conn, &by, REPORT_INTERVAL).await?;
                continue;
            }
            Progress::Released(skipped) => {
                all.add(skipped);
                if missed == Missed::Skip {
                    say(&done(all));
                }
                say("released: within a second, every process sends again");
            }
        }
        return Ok(());
    }
}

fn done(Skipped { executions, timers }: Skipped) -> String {
    format!(
        "cancelled {executions} executions that were waiting, and skipped the missed fires of {timers} timers"
    )
}

/// A reader that has closed the pipe must not end a command halfway.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
