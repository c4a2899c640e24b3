//! Defects on purpose, and the proof that the run finds each.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use futures_util::{StreamExt, TryStreamExt};
use std::process::ExitCode;
use trigrun_core::failpoint;

use crate::{
    report::Verdict,
    scenarios::{Ask, DISPATCHES, SESSIONS, Scenario},
};

/// A defect, and what has to find it.
struct Mutant {
    name: &'static str,
    about: &'static str,
    scenario: &'static Scenario,
    must_be: Colour,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    Red,
    /// No defect in this design.
    Green,
}

const NONE: &str = "none";

const fn mutant(name: &'static str, about: &'static str, scenario: &'static Scenario) -> Mutant {
    Mutant { name, about, scenario, must_be: Colour::Red }
}

const fn harmless(name: &'static str, about: &'static str, scenario: &'static Scenario) -> Mutant {
    Mutant { name, about, scenario, must_be: Colour::Green }
}

const ALL: &[Mutant] = &[
    harmless(NONE, "the product as it is", &DISPATCHES),
    harmless(NONE, "the product as it is", &SESSIONS),
    mutant(failpoint::NO_REPUBLISH, "dispatches that were lost are not published again", &DISPATCHES),
    mutant(failpoint::NO_EXECUTOR_EXPIRY, "dead executors keep what they held", &SESSIONS),
    mutant(failpoint::NO_UNIQUE_ID, "a fire gets a new id each time it is recorded", &DISPATCHES),
    mutant(failpoint::NO_FENCING, "whoever has a result records it", &SESSIONS),
    mutant(failpoint::PUBLISH_BEFORE_COMMIT, "the stream is published before the commit", &DISPATCHES),
    mutant(failpoint::NEXT_FROM_NOW, "the next fire is computed from now", &DISPATCHES),
    harmless(
        failpoint::ACKNOWLEDGE_BEFORE_LEASE,
        "entries are acknowledged before they are leased",
        &DISPATCHES,
    ),
    mutant(failpoint::DEADLINE_ON_HEADERS_ONLY, "an answer's body has no deadline", &SESSIONS),
];

/// Plays without a defect, and then with each of these, or all; ends 0 when each came out as it must.
pub async fn all(names: &[String], seed: u64) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(cfg!(debug_assertions), "release builds have no mutants: build without --release");
    let unknown: Vec<&String> =
        names.iter().filter(|name| ALL.iter().all(|mutant| mutant.name != *name)).collect();
    anyhow::ensure!(unknown.is_empty(), "there are no mutants {unknown:?}");
    let chosen = |mutant: &&Mutant| {
        names.is_empty() || mutant.name == NONE || names.iter().any(|name| name == mutant.name)
    };
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["defect", "played", "must be", "is", "found by"]);
    let (harmless, defects): (Vec<_>, Vec<_>) =
        ALL.iter().filter(chosen).partition(|mutant| mutant.must_be == Colour::Green);
    let mut played = Vec::new();
    for mutant in harmless {
        played.push((mutant, mutant.play(seed).await?));
    }
    // A play mostly waits: two at once.
    let playing = defects.into_iter().map(async |mutant| anyhow::Ok((mutant, mutant.play(seed).await?)));
    played.extend(futures_util::stream::iter(playing).buffered(2).try_collect::<Vec<_>>().await?);
    for (mutant, verdict) in &mut played {
        // The other play, or another process, may take the machine for a second: it proves nothing, neither way. Once more, alone.
        if verdict.is_only_late() {
            println!("\n{}: late, and nothing else; once more, alone", mutant.name);
            *verdict = mutant.play(seed).await?;
        }
    }
    let mut as_it_must = true;
    for (mutant, verdict) in played {
        let is = if verdict.is_green() { Colour::Green } else { Colour::Red };
        as_it_must &= mutant.must_be == is;
        let found_by = found_by(&verdict).join("\n");
        table.add_row([mutant.name, mutant.scenario.name, mutant.must_be.as_str(), is.as_str(), &found_by]);
    }
    println!("\n{table}");
    Ok(if as_it_must { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Mutant {
    async fn play(&self, seed: u64) -> anyhow::Result<Verdict> {
        let mutant = (self.name != NONE).then(|| self.name.to_owned());
        let verdict = (self.scenario.play)(Ask { seed, seconds: None, mutant }).await?;
        println!("\n{}: {}", self.name, self.about);
        verdict.print();
        Ok(verdict)
    }
}

impl Colour {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
        }
    }
}

fn found_by(verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings.iter().filter(|finding| !finding.holds());
    let findings = findings.map(|finding| format!("{} ({})", finding.invariant, finding.against.len()));
    let figures = verdict.figures.iter().filter(|figure| !figure.holds());
    findings
        .chain(figures.map(|figure| format!("{}: {:.0} {}", figure.what, figure.value, figure.unit)))
        .collect()
}
