//! Defects on purpose, and the proof that the lab finds each.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use std::process::ExitCode;
use trigrun_core::runtime::mutant;

use crate::{
    report::Verdict,
    scenarios::{self, Ask, Scenario},
};

/// A defect, and what has to find it.
struct Mutant {
    name: &'static str,
    about: &'static str,
    found_by: Found,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Red,
    /// No defect in this design: the lab must stay green.
    Harmless,
}

const ALL: &[Mutant] = &[
    Mutant {
        name: mutant::NO_RE_RING,
        about: "bells that were lost are not rung again",
        found_by: Found::Red,
    },
    Mutant {
        name: mutant::NO_SESSION_REAPING,
        about: "dead executors keep what they held",
        found_by: Found::Red,
    },
    Mutant {
        name: mutant::NO_UNIQUE_ID,
        about: "a fire gets a new id each time it is recorded",
        found_by: Found::Red,
    },
    Mutant { name: mutant::NO_FENCING, about: "whoever has a result records it", found_by: Found::Red },
    Mutant {
        name: mutant::RING_BEFORE_COMMIT,
        about: "the stream is rung before the commit",
        found_by: Found::Red,
    },
    Mutant { name: mutant::NEXT_FROM_NOW, about: "the next fire is computed from now", found_by: Found::Red },
    Mutant {
        name: mutant::ACKNOWLEDGE_BEFORE_LEASE,
        about: "entries are acknowledged before they are leased",
        found_by: Found::Harmless,
    },
    Mutant {
        name: mutant::DEADLINE_ON_HEADERS_ONLY,
        about: "an answer's body has no deadline",
        found_by: Found::Red,
    },
];

/// Plays the aimed scenario without a defect, and then with each of these, or all; ends 0 when each came out as it must.
pub async fn all(names: &[String], seed: u64) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(cfg!(debug_assertions), "release builds have no mutants: build without --release");
    let unknown: Vec<&String> =
        names.iter().filter(|name| ALL.iter().all(|mutant| mutant.name != *name)).collect();
    anyhow::ensure!(unknown.is_empty(), "there are no mutants {unknown:?}");
    let chosen = |mutant: &&Mutant| names.is_empty() || names.iter().any(|name| name == mutant.name);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["defect", "must be", "is", "found by"]);
    let mut as_it_must = true;
    let none = Mutant { name: "none", about: "the product as it is", found_by: Found::Harmless };
    for mutant in std::iter::once(&none).chain(ALL.iter().filter(chosen)) {
        println!("\n{}: {}", mutant.name, mutant.about);
        let named = (mutant.name != "none").then(|| mutant.name.to_owned());
        let verdict = (scenario().play)(Ask { seed, seconds: None, mutant: named }).await?;
        verdict.print();
        let must = if mutant.found_by == Found::Red { "red" } else { "green" };
        let is = if verdict.is_green() { "green" } else { "red" };
        as_it_must &= must == is;
        table.add_row([mutant.name, must, is, &found_by(&verdict).join("\n")]);
    }
    println!("\n{table}");
    Ok(if as_it_must { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn scenario() -> &'static Scenario {
    &scenarios::AIMED
}

fn found_by(verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings.iter().filter(|finding| !finding.holds());
    let findings = findings.map(|finding| format!("{} ({})", finding.invariant, finding.against.len()));
    let figures = verdict.figures.iter().filter(|figure| !figure.holds());
    findings
        .chain(figures.map(|figure| format!("{}: {:.0} {}", figure.what, figure.value, figure.unit)))
        .collect()
}
