//! What is printed, and kept as JSON.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};

use crate::{proof::Finding, run::Outcome};

/// A number that a scenario measured, and what it must not pass.
#[derive(Clone, Debug)]
pub struct Figure {
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    pub bound: Bound,
}

#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// To be known, not to be judged.
    None,
}

impl Figure {
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str, bound: Bound) -> Self {
        Self { what: what.into(), value, unit, bound }
    }

    pub fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.value <= most,
            Bound::AtLeast(least) => self.value >= least,
            Bound::None => true,
        }
    }

    fn bound(&self) -> String {
        match self.bound {
            Bound::AtMost(most) => format!("≤ {most} {}", self.unit),
            Bound::AtLeast(least) => format!("≥ {least} {}", self.unit),
            Bound::None => String::new(),
        }
    }
}

/// What a scenario has come to.
pub struct Verdict {
    pub scenario: &'static str,
    pub seed: u64,
    pub findings: Vec<Finding>,
    pub figures: Vec<Figure>,
}

impl Verdict {
    pub fn new(scenario: &'static str, seed: u64, outcome: Outcome, figures: Vec<Figure>) -> Self {
        Self { scenario, seed, findings: outcome.findings, figures }
    }

    pub fn is_green(&self) -> bool {
        self.findings.iter().all(Finding::holds) && self.figures.iter().all(Figure::holds)
    }

    /// Nothing was broken, but something took longer than it may.
    pub fn is_only_late(&self) -> bool {
        let mut missed = self.figures.iter().filter(|figure| !figure.holds());
        !self.is_green()
            && self.findings.iter().all(Finding::holds)
            && missed.all(|figure| figure.unit == "ms")
    }

    pub fn print(&self) {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["invariant", "looked at", "left out", "against it"]);
        for finding in &self.findings {
            table.add_row([
                finding.invariant.to_owned(),
                finding.looked_at.to_string(),
                if finding.left_out > 0 { finding.left_out.to_string() } else { String::new() },
                finding.against.len().to_string(),
            ]);
        }
        println!("\n{}: seed {}\n{table}", self.scenario, self.seed);
        for finding in self.findings.iter().filter(|finding| !finding.holds()) {
            println!("NOT SO: {}", finding.invariant);
            for against in finding.against.iter().take(8) {
                println!("  {against}");
            }
        }
        if !self.figures.is_empty() {
            println!("{}", figures(std::slice::from_ref(self)));
        }
        println!("{}", if self.is_green() { "GREEN" } else { "RED" });
    }

    pub fn json(&self) -> Value {
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({ "invariant": finding.invariant, "looked_at": finding.looked_at, "left_out": finding.left_out,
                        "against": finding.against.len(), "examples": &finding.against[..finding.against.len().min(20)] })
            })
            .collect();
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| json!({ "what": figure.what, "value": figure.value, "unit": figure.unit, "bound": figure.bound(), "holds": figure.holds() }))
            .collect();
        json!({ "scenario": self.scenario, "seed": self.seed, "green": self.is_green(), "findings": findings, "figures": figures })
    }

    /// Fires that the oracle knew.
    pub fn fires(&self) -> usize {
        self.findings.first().map_or(0, |finding| finding.looked_at)
    }
}

/// All figures in one table.
pub fn figures(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["scenario", "figure", "measured", "bound", ""]);
    for verdict in verdicts {
        for figure in &verdict.figures {
            let measured = format!("{:.1} {}", figure.value, figure.unit);
            let held = if figure.holds() { "" } else { "NOT HELD" };
            table.add_row([
                verdict.scenario.to_owned(),
                figure.what.clone(),
                measured,
                figure.bound(),
                held.to_owned(),
            ]);
        }
    }
    table
}

/// One line per scenario.
pub fn summary(verdicts: &[Verdict]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "scenario",
        "fires",
        "missing",
        "twice",
        "unknown",
        "requests",
        "unexplained",
        "verdict",
    ]);
    for verdict in verdicts {
        let against = |invariant: &str| {
            let finding = verdict.findings.iter().find(|finding| finding.invariant == invariant);
            finding.map_or_else(|| "–".to_owned(), |finding| finding.against.len().to_string())
        };
        let requests = verdict
            .findings
            .iter()
            .find(|finding| finding.invariant == "every request is explained by one attempt");
        table.add_row([
            verdict.scenario.to_owned(),
            verdict.fires().to_string(),
            against("no fire is missing"),
            against("no fire is recorded twice"),
            against("no execution without a fire"),
            requests.map_or(0, |finding| finding.looked_at).to_string(),
            against("every request is explained by one attempt"),
            if verdict.is_green() { "green" } else { "RED" }.to_owned(),
        ]);
    }
    table
}
