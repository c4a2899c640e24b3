//! `trigrun-security`: attacks TrigRun: named cases by suite, against real processes in a network namespace without a route out.
//!
//! A request to a forbidden address is refused, or its attempt is `blocked`. The packet filter counts the packets to such addresses: there
//! must be none. Cases that need only the API are tests of that crate; this program runs them and counts them too.

mod api_tests;
mod case;
mod network;
mod recorder;
mod report;
mod suites;
mod system;

use case::{Case, Suite, TestResult};
use clap::Parser;
use futures_util::{StreamExt, stream};
use network::Network;
use report::{Report, Row};
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use system::System;

/// Attacks TrigRun and prints a table; exits with 0 if every case passed and no packet left.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Run only the cases whose suite or name contains one of these
    names: Vec<String>,
    /// Print the names of the cases, and run none
    #[arg(long)]
    list: bool,
    /// The test binary of the API, which has the cases that need nothing else
    #[arg(long, value_name = "PATH")]
    api_tests: Option<PathBuf>,
    /// Runs in the network namespace that was created for it
    #[arg(long, hide = true)]
    inside: bool,
}

const CONCURRENT_CASES: usize = 8;
/// A late case is repeated alone.
const MAX_REPEATS: usize = 2;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let is_selected = |case: &Case| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| case.to_string().contains(name))
    };
    let cases: Vec<Case> = suites::cases().into_iter().filter(is_selected).collect();
    if arguments.list {
        cases.iter().for_each(|case| println!("{case}"));
        if let Some(binary) = &arguments.api_tests {
            let listed = api_tests::list(binary)?;
            let is_selected = |name: &&str| arguments.names.iter().any(|part| name.contains(&**part));
            let names = listed.lines().filter(|name| arguments.names.is_empty() || is_selected(name));
            names.for_each(|name| println!("{name}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let network = match network::obstacle() {
        _ if arguments.inside => Some(Network::build()?),
        None => return Err(network::enter().into()),
        Some(why) => {
            println!("The cases that dial are skipped: {why}.");
            None
        }
    };
    tokio::runtime::Runtime::new()?.block_on(run(&arguments, &cases, network))
}

async fn run(arguments: &Arguments, cases: &[Case], network: Option<Network>) -> anyhow::Result<ExitCode> {
    let system = Arc::new(System::start(network).await?);
    let mut report = Report::default();
    match &arguments.api_tests {
        Some(binary) => {
            let before = system.packets()?;
            let results = api_tests::run(binary, &arguments.names, &system).await?;
            report.add_api_tests(results, packets_since(before, &system)?);
        }
        None => println!("The cases in the API's tests are not run: --api-tests names their binary."),
    }
    for suite in Suite::ALL {
        let before = system.packets()?;
        let row = run_suite(*suite, cases, &system, &mut report).await;
        report.add(*suite, Row { packets: packets_since(before, &system)?, ..row });
    }
    println!("{}", report.table());
    // Last, where a reader of the end of the output finds it.
    report.failures().iter().for_each(|failure| println!("{failure}"));
    let passed = report.passed();
    println!("{}", if passed { "passed" } else { "FAILED" });
    if let Some(system) = Arc::into_inner(system) {
        system.stop().await?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run_suite(suite: Suite, cases: &[Case], system: &Arc<System>, report: &mut Report) -> Row {
    let mut results: Vec<(&Case, TestResult)> = stream::iter(cases.iter().filter(|case| case.suite == suite))
        .map(async |case| (case, case.attempt(system).await))
        .buffer_unordered(CONCURRENT_CASES)
        .collect()
        .await;
    let mut row = Row { cases: results.len(), ..Row::default() };
    for (case, result) in &mut results {
        row.late += usize::from(matches!(result, TestResult::Late(_)));
        for _ in 0..MAX_REPEATS {
            let TestResult::Late(how) = &*result else { break };
            println!("late, repeated alone: {case}\n  {how}");
            *result = case.attempt(system).await;
        }
        match result {
            TestResult::Passed => row.passed += 1,
            TestResult::Skipped => row.skipped += 1,
            TestResult::Failed(how) | TestResult::Late(how) => report.fail(&case.to_string(), how),
        }
    }
    row
}

/// `None` where packets are not counted.
fn packets_since(before: Option<u64>, system: &System) -> anyhow::Result<Option<u64>> {
    Ok(system.packets()?.zip(before).map(|(after, before)| after - before))
}
