//! The output of `peers`: medians of each product under each load, and TrigRun's ratio to the best peer.

use comfy_table::Table;
use serde_json::json;
use std::path::Path;

use super::TRIGRUN;
use crate::{
    measured::Measured,
    report::{self, Machine, tables},
    series::{Row, Series},
    servers::Servers,
};

pub struct Report {
    machine: Machine,
    pub measured: Series<Measured>,
    /// The errors of failed measurements.
    pub failed: Series<String>,
}

impl Report {
    pub async fn new(servers: &Servers) -> anyhow::Result<Self> {
        let machine = Machine::this(servers).await?;
        Ok(Self { machine, measured: Series::default(), failed: Series::default() })
    }

    pub fn has_failed(&self, product: &str) -> bool {
        self.failed.0.iter().any(|row| split(&row.name).1 == product)
    }

    pub fn print(&self) {
        println!("{}\n{}", self.machine, self.table());
        println!("{}\n{}", tables::time(&self.measured), tables::memory(&self.measured));
        for row in &self.failed.0 {
            for error in &row.repetitions {
                println!("FAILED: {}: {error}", row.name);
            }
        }
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let report = json!({ "machine": self.machine, "measured": self.measured.json()?, "failed": self.failed.json()? });
        report::write(path, &serde_json::to_string_pretty(&report)?)
    }

    fn table(&self) -> Table {
        let mut table = tables::table([
            "load",
            "runs/s",
            "lateness p50, ms",
            "p99",
            "p99.9",
            "max",
            "µs per run",
            "early",
            "repeated",
            "measured",
            "failed",
        ]);
        let mut lines: Vec<&str> = self.measured.0.iter().map(|row| row.name.as_str()).collect();
        lines.extend(
            self.failed.0.iter().map(|row| row.name.as_str()).filter(|it| self.measured.get(it).is_none()),
        );
        let mut loads: Vec<&str> = Vec::new();
        for (load, _) in lines.iter().map(|line| split(line)) {
            if !loads.contains(&load) {
                loads.push(load);
            }
        }
        for load in loads {
            for line in lines.iter().filter(|line| split(line).0 == load) {
                table.add_row(self.cells(line));
            }
            if let Some(ratio) = self.ratio(load) {
                table.add_row(ratio);
            }
        }
        table
    }

    /// The medians of a product under a load, or the number of failures.
    fn cells(&self, line: &str) -> Vec<String> {
        let failed = self.failed.get(line).map_or(0, |row| row.repetitions.len());
        let failed = if failed > 0 { format!("{failed}: see below") } else { String::new() };
        let Some(row) = self.measured.get(line) else {
            let mut cells = vec![line.to_owned()];
            cells.extend(std::iter::repeat_n("–".to_owned(), 8));
            cells.extend(["0".to_owned(), failed]);
            return cells;
        };
        let sum =
            |value: fn(&Measured) -> usize| row.repetitions.iter().map(value).sum::<usize>().to_string();
        vec![
            line.to_owned(),
            format!("{:.0}", row.median(|m| m.runs_per_second)),
            format!("{:.2}", row.median(|m| m.lateness_p50_ms)),
            format!("{:.2}", row.median(|m| m.lateness_p99_ms)),
            format!("{:.2}", row.median(|m| m.lateness_p999_ms)),
            format!("{:.2}", row.median(|m| m.lateness_max_ms)),
            format!("{:.1}", row.median(|m| m.cost.us_per_run_sum)),
            sum(|m| m.early),
            sum(|m| m.repeated),
            row.repetitions.len().to_string(),
            failed,
        ]
    }

    /// TrigRun relative to the best peer of each column. A steady load fixes the rate, so there is no ratio: a peer that exceeds it has
    /// stalled before.
    fn ratio(&self, load: &str) -> Option<Vec<String>> {
        let trigrun = self.measured.get(&super::line(load, TRIGRUN))?;
        let is_peer = |row: &&Row<Measured>| split(&row.name).0 == load && split(&row.name).1 != TRIGRUN;
        let peers: Vec<_> = self.measured.0.iter().filter(is_peer).collect();
        let to = |value: fn(&Measured) -> f64, best: fn(f64, f64) -> f64| {
            let best = peers.iter().map(|row| row.median(value)).reduce(best)?;
            Some(format!("{:.2}", trigrun.median(value) / best))
        };
        Some(vec![
            format!("{load}: {TRIGRUN} ÷ best peer"),
            if load.starts_with("steady") { String::new() } else { to(|m| m.runs_per_second, f64::max)? },
            to(|m| m.lateness_p50_ms, f64::min)?,
            to(|m| m.lateness_p99_ms, f64::min)?,
            to(|m| m.lateness_p999_ms, f64::min)?,
            to(|m| m.lateness_max_ms, f64::min)?,
            to(|m| m.cost.us_per_run_sum, f64::min)?,
        ])
    }
}

/// Load and product: names of products contain no comma.
fn split(line: &str) -> (&str, &str) {
    line.rsplit_once(", ").unwrap_or((line, ""))
}
