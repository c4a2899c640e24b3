//! A case: a name, and what is attempted under it. A suite runs its cases and reports every one that failed.

use anyhow::anyhow;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use std::{fmt::Write as _, fs::File, io::Write as _, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use super::system::System;

pub type Attempt = LocalBoxFuture<'static, anyhow::Result<()>>;

pub struct Case {
    name: String,
    attempt: Box<dyn Fn(Arc<System>) -> Attempt>,
}

impl Case {
    pub fn new<F>(name: impl Into<String>, attempt: impl Fn(Arc<System>) -> F + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + 'static,
    {
        Self { name: name.into(), attempt: Box::new(move |system| attempt(system).boxed_local()) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A letter that docs/security.md uses, and the cases.
pub struct Suite {
    pub letter: char,
    pub cases: Vec<Case>,
}

const CONCURRENT_CASES: usize = 8;
/// Only ends a case that hangs.
const CASE_TIMEOUT: Duration = Duration::from_secs(120);
/// `make security` names a file here, to which each suite appends a line per case: letter, `passed` or `FAILED`, name.
const REPORT: &str = "TRIGRUN_SECURITY_REPORT";
/// `trigrun-security` names cases here, one a line: only those that contain one of them are run.
const ONLY: &str = "TRIGRUN_SECURITY_ONLY";

impl Suite {
    /// Runs the cases on a new API and a new database.
    pub async fn run(self) {
        let Self { letter, cases } = self;
        let cases: Vec<Case> = cases.into_iter().filter(|case| is_selected(letter, case)).collect();
        if cases.is_empty() {
            return;
        }
        let system = Arc::new(System::start().await);
        let results: Vec<(&str, anyhow::Result<()>)> = stream::iter(&cases)
            .map(async |case| (case.name(), attempt(case, &system).await))
            .buffer_unordered(CONCURRENT_CASES)
            .collect()
            .await;
        let (mut report, mut failures) = (String::new(), String::new());
        for (name, result) in &results {
            let outcome = if result.is_ok() { "passed" } else { "FAILED" };
            writeln!(report, "{letter}\t{outcome}\t{}", one_line(name)).unwrap();
            if let Err(error) = result {
                writeln!(failures, "FAILED: {letter} {name}\n  {error:#}").unwrap();
            }
        }
        append_to_report(&report);
        assert!(failures.is_empty(), "{failures}");
    }
}

async fn attempt(case: &Case, system: &Arc<System>) -> anyhow::Result<()> {
    let attempt = AssertUnwindSafe((case.attempt)(system.clone())).catch_unwind();
    match tokio::time::timeout(CASE_TIMEOUT, attempt).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(anyhow!("it panicked")),
        Err(_) => Err(anyhow!("it did not end within {CASE_TIMEOUT:?}")),
    }
}

fn is_selected(letter: char, case: &Case) -> bool {
    let Some(only) = variable(ONLY) else { return true };
    let name = format!("{letter} {}", case.name());
    only.lines().any(|part| name.contains(part))
}

/// Adds these lines to the report, if one is wanted. Suites run at the same time: each writes once.
pub fn append_to_report(lines: &str) {
    let Some(path) = variable(REPORT) else { return };
    let mut file = File::options().create(true).append(true).open(path).expect("the report can be opened");
    file.write_all(lines.as_bytes()).expect("the report can be written");
}

/// A name without the control characters that some cases are about.
pub fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[allow(clippy::disallowed_methods, reason = "what the test runner sets")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
