//! The security cases in the API's tests (`crates/api/tests/it/security`): run by their test binary, which writes a line per case to a
//! report.

use anyhow::{Context, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{case::Suite, system::System};

const REPORT: &str = "TRIGRUN_SECURITY_REPORT";
const ONLY: &str = "TRIGRUN_SECURITY_ONLY";
/// The test that lists the names. It needs no servers.
const NAMES: &str = "security::every_case_has_its_own_name";

pub struct Results {
    /// The letter of the suite, and whether the case passed.
    cases: Vec<(char, bool)>,
    /// The output of the tests, if they failed.
    pub failure: Option<String>,
}

impl Results {
    /// How many cases of this suite there were, and how many passed.
    pub fn of(&self, suite: Suite) -> (usize, usize) {
        let of_suite = self.cases.iter().filter(|(letter, _)| *letter == suite.letter());
        (of_suite.clone().count(), of_suite.filter(|(_, passed)| *passed).count())
    }
}

/// Runs the cases that contain one of `names`, or all, on the servers of this system.
pub async fn run(binary: &Path, names: &[String], system: &System) -> anyhow::Result<Results> {
    // Fails if two cases have the same name.
    list(binary)?;
    let report = new_report("cases.tsv")?;
    let mut command = tokio::process::Command::new(binary);
    command.arg("security::").args(["--skip", NAMES]).env(REPORT, &report).kill_on_drop(true);
    for (name, url) in system.test_servers() {
        command.env(name, url);
    }
    if !names.is_empty() {
        command.env(ONLY, names.join("\n"));
    }
    let output = command.stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("{} cannot be run", binary.display()))?;
    // A run without a case of these names writes no report.
    let lines = if report.exists() { fs::read_to_string(&report)? } else { String::new() };
    let cases = lines.lines().map(parse).collect::<Option<_>>().context("the report is unreadable")?;
    let failure = (!output.status.success()).then(|| {
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("{stdout}{stderr}")
    });
    Ok(Results { cases, failure })
}

fn parse(line: &str) -> Option<(char, bool)> {
    let mut cells = line.split('\t');
    let letter = cells.next()?.chars().next()?;
    Some((letter, cells.next()? == "passed"))
}

/// The names of all cases, a line each.
pub fn list(binary: &Path) -> anyhow::Result<String> {
    let report = new_report("names.txt")?;
    let listed = Command::new(binary)
        .args([NAMES, "--exact"])
        .env(REPORT, &report)
        .output()
        .with_context(|| format!("{} cannot be run", binary.display()))?;
    let stdout = String::from_utf8_lossy(&listed.stdout);
    ensure!(listed.status.success(), "{} cannot list its cases: {stdout}", binary.display());
    Ok(fs::read_to_string(report)?)
}

/// In the directory of the logs, without what an earlier run left there. Absolute: tests may change their directory.
fn new_report(name: &str) -> anyhow::Result<PathBuf> {
    let dir = fs::canonicalize(".")?.join("target/security");
    fs::create_dir_all(&dir)?;
    let report = dir.join(name);
    if report.exists() {
        fs::remove_file(&report)?;
    }
    Ok(report)
}
