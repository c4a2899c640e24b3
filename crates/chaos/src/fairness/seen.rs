//! What a scenario has shown, and the verdict.

use trigrun_testkit::stats::Samples;

use super::victims::Measured;

/// A victim may be three times as late as without the attack, or a second.
const MAX_FACTOR: f64 = 3.0;
const MAX_MS: f64 = 1000.0;
const PRINTED: usize = 3;

/// What of the victims is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Runs,
    Api,
    Notifications,
}

impl Measure {
    pub fn of(self, measured: &Measured) -> &Samples {
        match self {
            Self::Runs => &measured.runs,
            Self::Api => &measured.api,
            Self::Notifications => &measured.notifications,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Runs => "run",
            Self::Api => "response",
            Self::Notifications => "notification",
        }
    }
}

pub fn bound_ms(base: &Samples) -> f64 {
    (p99(base) * MAX_FACTOR).max(MAX_MS)
}

/// No sample is as bad as the worst one: then nothing was answered.
fn p99(samples: &Samples) -> f64 {
    samples.quantile(0.99).unwrap_or(f64::INFINITY)
}

/// Something that must hold besides the latency.
pub struct Rule {
    pub text: String,
    pub holds: bool,
}

pub struct Seen {
    measure: Measure,
    base_ms: f64,
    attacked_ms: f64,
    bound_ms: f64,
    samples: usize,
    refused: Vec<String>,
    killed: Vec<String>,
    lost: Vec<String>,
    rules: Vec<Rule>,
    api_mib: u64,
    executor_mib: u64,
}

impl Seen {
    pub fn new(
        measure: Measure,
        base: &Measured,
        attacked: Measured,
        lost: Vec<String>,
        killed: Vec<String>,
    ) -> Self {
        let samples = measure.of(&attacked);
        Self {
            measure,
            base_ms: p99(measure.of(base)),
            attacked_ms: p99(samples),
            bound_ms: bound_ms(measure.of(base)),
            samples: samples.len(),
            refused: attacked.refused,
            killed,
            lost,
            rules: Vec::new(),
            api_mib: 0,
            executor_mib: 0,
        }
    }

    pub fn with_peak(self, api_mib: u64, executor_mib: u64) -> Self {
        Self { api_mib, executor_mib, ..self }
    }

    /// Adds something that must hold.
    pub fn rule(mut self, holds: bool, text: impl Into<String>) -> Self {
        self.rules.push(Rule { text: text.into(), holds });
        self
    }

    pub fn holds(&self) -> bool {
        self.is_in_time() && self.is_unharmed()
    }

    /// Nothing was harmed, but something took longer than the bound.
    pub fn is_only_late(&self) -> bool {
        self.is_unharmed() && !self.is_in_time()
    }

    fn is_in_time(&self) -> bool {
        self.attacked_ms <= self.bound_ms
    }

    fn is_unharmed(&self) -> bool {
        self.killed.is_empty() && self.lost.is_empty() && self.rules.iter().all(|rule| rule.holds)
    }

    pub fn print(&self) {
        let shown = |what: &str, lines: &[String]| {
            lines.iter().take(PRINTED).for_each(|line| println!("  {what}: {line}"));
        };
        shown("killed", &self.killed);
        shown("lost", &self.lost);
        shown("refused", &self.refused);
        for rule in &self.rules {
            println!("  {}: {}", if rule.holds { "holds" } else { "BROKEN" }, rule.text);
        }
        println!("  memory at most: API {} MiB, executor {} MiB", self.api_mib, self.executor_mib);
        println!(
            "  {}: {} p99 {:.0} ms, alone {:.0} ms, at most {:.0} ms",
            self.verdict(),
            self.measure.name(),
            self.attacked_ms,
            self.base_ms,
            self.bound_ms
        );
    }

    fn verdict(&self) -> &'static str {
        if self.holds() { "passed" } else { "FAILED" }
    }

    pub fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            self.measure.name().to_owned(),
            format!("{:.0}", self.base_ms),
            format!("{:.0}", self.attacked_ms),
            format!("{:.0}", self.bound_ms),
            format!("{} of {}", self.refused.len(), self.samples),
            self.killed.len().to_string(),
            self.lost.len().to_string(),
            self.rules.iter().map(|rule| rule.text.as_str()).collect::<Vec<_>>().join("\n"),
            self.verdict().to_owned(),
        ]
    }
}

pub fn table() -> comfy_table::Table {
    crate::report::table([
        "scenario",
        "measured",
        "base p99 ms",
        "attacked p99 ms",
        "bound ms",
        "refused",
        "killed",
        "lost",
        "rule",
        "verdict",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(runs: &[f64]) -> Measured {
        Measured {
            runs: runs.iter().copied().collect(),
            notifications: Samples::default(),
            api: Samples::default(),
            refused: Vec::new(),
        }
    }

    fn seen(base: &[f64], attacked: &[f64]) -> Seen {
        Seen::new(Measure::Runs, &measured(base), measured(attacked), Vec::new(), Vec::new())
    }

    #[test]
    fn a_victim_may_be_a_second_late_or_three_times_as_late_as_alone() {
        assert!(seen(&[10.0], &[1000.0]).holds());
        assert!(!seen(&[10.0], &[1001.0]).holds());
        assert!(seen(&[400.0], &[1200.0]).holds());
        assert!(!seen(&[400.0], &[1201.0]).holds());
        assert!(seen(&[400.0], &[1201.0]).is_only_late());
    }

    #[test]
    fn a_victim_without_any_run_was_harmed() {
        assert!(!seen(&[10.0], &[]).holds());
    }

    #[test]
    fn one_death_one_loss_or_one_broken_rule_is_too_much() {
        let (base, attacked) = (measured(&[10.0]), || measured(&[10.0]));
        let one = || vec!["one".to_owned()];
        assert!(!Seen::new(Measure::Runs, &base, attacked(), one(), Vec::new()).holds());
        assert!(!Seen::new(Measure::Runs, &base, attacked(), Vec::new(), one()).holds());
        assert!(seen(&[10.0], &[10.0]).rule(true, "holds").holds());
        assert!(!seen(&[10.0], &[10.0]).rule(false, "does not").holds());
        assert!(!seen(&[10.0], &[1001.0]).rule(false, "does not").is_only_late());
    }
}
