//! The result of a scenario: printed, and kept as JSON.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};

use crate::{proof::Finding, run::Outcome};

const PRINTED_VIOLATIONS: usize = 8;
const MAX_EXAMPLES: usize = 20;

/// A measured number and its bound.
#[derive(Clone, Debug)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    pub bound: Bound,
}

#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// For information only.
    None,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str, bound: Bound) -> Self {
        Self { name: name.into(), value, unit, bound }
    }

    pub fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(max) => self.value <= max,
            Bound::AtLeast(min) => self.value >= min,
            Bound::None => true,
        }
    }

    fn bound(&self) -> String {
        match self.bound {
            Bound::AtMost(max) => format!("≤ {max} {}", self.unit),
            Bound::AtLeast(min) => format!("≥ {min} {}", self.unit),
            Bound::None => String::new(),
        }
    }
}

pub struct Report {
    pub scenario: &'static str,
    pub seed: u64,
    pub findings: Vec<Finding>,
    pub figures: Vec<Figure>,
}

impl Report {
    pub fn new(scenario: &'static str, seed: u64, outcome: Outcome, figures: Vec<Figure>) -> Self {
        Self { scenario, seed, findings: outcome.findings, figures }
    }

    pub fn passed(&self) -> bool {
        self.findings.iter().all(Finding::holds) && self.figures.iter().all(Figure::holds)
    }

    /// Whether everything held that does not depend on how fast the machine is.
    pub fn passed_except_lateness(&self) -> bool {
        let mut missed = self.figures.iter().filter(|figure| !figure.holds());
        self.findings.iter().all(Finding::holds) && missed.all(|figure| figure.unit == "ms")
    }

    pub fn print(&self) {
        let mut table = table(["invariant", "checked", "left out", "violations"]);
        for finding in &self.findings {
            table.add_row([
                finding.invariant.to_owned(),
                finding.checked.to_string(),
                if finding.left_out > 0 { finding.left_out.to_string() } else { String::new() },
                finding.violations.len().to_string(),
            ]);
        }
        println!("\n{}: seed {}\n{table}", self.scenario, self.seed);
        for finding in self.findings.iter().filter(|finding| !finding.holds()) {
            println!("FAILED: {}", finding.invariant);
            for violation in finding.violations.iter().take(PRINTED_VIOLATIONS) {
                println!("  {violation}");
            }
        }
        if !self.figures.is_empty() {
            println!("{}", figures(std::slice::from_ref(self)));
        }
        println!("{}: {}", self.scenario, result(self.passed()));
    }

    pub fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "invariant": finding.invariant,
                "checked": finding.checked,
                "left_out": finding.left_out,
                "violations": finding.violations.len(),
                "examples": &finding.violations[..finding.violations.len().min(MAX_EXAMPLES)],
            })
        };
        let figure = |figure: &Figure| {
            json!({
                "name": figure.name,
                "value": figure.value,
                "unit": figure.unit,
                "bound": figure.bound(),
                "holds": figure.holds(),
            })
        };
        json!({
            "scenario": self.scenario,
            "seed": self.seed,
            "passed": self.passed(),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "figures": self.figures.iter().map(figure).collect::<Vec<_>>(),
        })
    }

    /// How many fires the oracle expected for certain.
    fn fires(&self) -> usize {
        self.findings.first().map_or(0, |finding| finding.checked)
    }

    fn finding(&self, invariant: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.invariant == invariant)
    }
}

pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

/// The figures of all scenarios in one table.
pub fn figures(reports: &[Report]) -> Table {
    let mut table = table(["scenario", "figure", "measured", "bound", ""]);
    for report in reports {
        for figure in &report.figures {
            table.add_row([
                report.scenario.to_owned(),
                figure.name.clone(),
                format!("{:.1} {}", figure.value, figure.unit),
                figure.bound(),
                if figure.holds() { String::new() } else { result(false).to_owned() },
            ]);
        }
    }
    table
}

/// One line per scenario.
pub fn summary(reports: &[Report]) -> Table {
    let mut table =
        table(["scenario", "fires", "missing", "twice", "unknown", "requests", "unexplained", "result"]);
    for report in reports {
        let violations = |invariant: &str| {
            let finding = report.finding(invariant);
            finding.map_or_else(|| "–".to_owned(), |finding| finding.violations.len().to_string())
        };
        let requests = report.finding("every request is explained by one attempt");
        table.add_row([
            report.scenario.to_owned(),
            report.fires().to_string(),
            violations("no fire is missing"),
            violations("no fire is recorded twice"),
            violations("no execution without a fire"),
            requests.map_or(0, |finding| finding.checked).to_string(),
            violations("every request is explained by one attempt"),
            result(report.passed()).to_owned(),
        ]);
    }
    table
}

const fn result(passed: bool) -> &'static str {
    if passed { "PASSED" } else { "FAILED" }
}
