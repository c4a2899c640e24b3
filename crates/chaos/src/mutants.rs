//! Runs with deliberate defects, and the proof that each is found.

use anyhow::ensure;
use futures_util::{StreamExt, TryStreamExt};
use std::{fs, process::ExitCode};
use trigrun_core::failpoint;
use trigrun_testkit::process;

use crate::{
    report::{Report, table},
    scenarios::{DISPATCHES, Options, SESSIONS, Scenario},
};

/// A defect, and the scenario that must find it.
struct Mutant {
    name: &'static str,
    about: &'static str,
    scenario: &'static Scenario,
    expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Fails,
    /// Not a defect in this design.
    Passes,
}

const NONE: &str = "none";
/// A run mostly waits.
const CONCURRENT_RUNS: usize = 3;

const fn mutant(name: &'static str, about: &'static str, scenario: &'static Scenario) -> Mutant {
    Mutant { name, about, scenario, expected: Expected::Fails }
}

const fn harmless(name: &'static str, about: &'static str, scenario: &'static Scenario) -> Mutant {
    Mutant { name, about, scenario, expected: Expected::Passes }
}

const ALL: &[Mutant] = &[
    harmless(NONE, "no defect", &DISPATCHES),
    harmless(NONE, "no defect", &SESSIONS),
    mutant(failpoint::NO_REPUBLISH, "lost dispatch messages are not republished", &DISPATCHES),
    mutant(failpoint::NO_EXECUTOR_EXPIRY, "expired executors keep their leases", &SESSIONS),
    mutant(failpoint::NO_UNIQUE_ID, "a fire gets a new id each time it is recorded", &DISPATCHES),
    mutant(
        failpoint::NO_SEARCH_OF_ENDED,
        "a fire is planned without a search for it among those that ended",
        &DISPATCHES,
    ),
    mutant(failpoint::NO_FENCING, "a result is recorded without a check of its owner", &SESSIONS),
    mutant(
        failpoint::PUBLISH_BEFORE_COMMIT,
        "dispatch messages are published before the commit",
        &DISPATCHES,
    ),
    mutant(failpoint::NEXT_FROM_NOW, "the next fire is computed from now", &DISPATCHES),
    harmless(
        failpoint::ACKNOWLEDGE_BEFORE_LEASE,
        "entries are acknowledged before they are leased",
        &DISPATCHES,
    ),
    mutant(failpoint::DEADLINE_ON_HEADERS_ONLY, "a response body has no deadline", &SESSIONS),
];

/// Runs without a defect, then with each of these, or all; success if each result is the expected one.
pub async fn run(names: &[String], seed: u64) -> anyhow::Result<ExitCode> {
    ensure!(failpoint::ENABLED, "release builds have no failpoints: build without --release");
    for name in ["scheduler", "executor"] {
        let binary = process::binary(name);
        // The name of the variable is in a binary only if it has failpoints. Cargo enables a feature for a crate if any package of the
        // same build asks for it, so a build of one package replaces the binary by one without.
        let has_failpoints = contains(&fs::read(&binary)?, b"TRIGRUN_FAILPOINT");
        ensure!(
            has_failpoints,
            "{} has no failpoints: build with `make build`, not one package",
            binary.display()
        );
    }
    let unknown: Vec<&String> =
        names.iter().filter(|name| ALL.iter().all(|mutant| mutant.name != *name)).collect();
    ensure!(unknown.is_empty(), "there are no mutants {unknown:?}");
    let is_selected = |mutant: &&Mutant| {
        names.is_empty() || mutant.name == NONE || names.iter().any(|name| name == mutant.name)
    };
    let selected = ALL.iter().filter(is_selected).enumerate();
    let runs = selected.map(async |(at, mutant)| anyhow::Ok((at, mutant, mutant.run(seed).await?)));
    let mut results: Vec<(usize, &Mutant, Report)> =
        futures_util::stream::iter(runs).buffer_unordered(CONCURRENT_RUNS).try_collect().await?;
    results.sort_by_key(|(at, ..)| *at);
    let mut table = table(["defect", "scenario", "must", "did", "found by"]);
    let mut as_expected = true;
    for (_, mutant, report) in results {
        // Other processes may occupy the machine, so lateness proves nothing here.
        let result = if report.passed_except_lateness() { Expected::Passes } else { Expected::Fails };
        as_expected &= mutant.expected == result;
        let [expected, result] = [mutant.expected, result].map(Expected::name);
        table.add_row([mutant.name, mutant.scenario.name, expected, result, &found_by(&report).join("\n")]);
    }
    println!("\n{table}");
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

impl Mutant {
    async fn run(&self, seed: u64) -> anyhow::Result<Report> {
        let mutant = (self.name != NONE).then(|| self.name.to_owned());
        let report = (self.scenario.run)(Options { seed, seconds: None, mutant }).await?;
        println!("\n{}: {}", self.name, self.about);
        report.print();
        Ok(report)
    }
}

impl Expected {
    const fn name(self) -> &'static str {
        match self {
            Self::Fails => "fail",
            Self::Passes => "pass",
        }
    }
}

fn found_by(report: &Report) -> Vec<String> {
    let findings = report.findings.iter().filter(|finding| !finding.holds());
    let findings = findings.map(|finding| format!("{} ({})", finding.invariant, finding.violations.len()));
    let figures = report.figures.iter().filter(|figure| !figure.holds());
    let figures = figures.map(|figure| format!("{}: {:.0} {}", figure.name, figure.value, figure.unit));
    findings.chain(figures).collect()
}
