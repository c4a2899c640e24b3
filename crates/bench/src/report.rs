//! The table that is printed, and report.json.

use anyhow::Context;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::{fs, path::Path};

use crate::scenarios::Measured;

#[derive(Default, Serialize)]
pub struct Report {
    loads: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    repetitions: Vec<Measured>,
}

impl Report {
    pub fn add(&mut self, name: &str, measured: Measured) {
        match self.loads.iter_mut().find(|row| row.name == name) {
            Some(row) => row.repetitions.push(measured),
            None => self.loads.push(Row { name: name.to_owned(), repetitions: vec![measured] }),
        }
    }

    pub fn print(&self) {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "load",
            "runs/s",
            "recorded/s",
            "late p50",
            "p99",
            "p99.9 ms",
            "µs/run",
            "executor MiB",
        ]);
        for row in &self.loads {
            let median = |value: fn(&Measured) -> f64| median(row.repetitions.iter().map(value).collect());
            table.add_row([
                row.name.clone(),
                format!("{:.0}", median(|m| m.runs_per_second)),
                format!("{:.0}", median(|m| m.recorded_per_second)),
                format!("{:.2}", median(|m| m.late_p50_ms)),
                format!("{:.2}", median(|m| m.late_p99_ms)),
                format!("{:.2}", median(|m| m.late_p999_ms)),
                format!("{:.1}", median(|m| m.us_per_run_sum)),
                format!("{:.0}", median(|m| m.executor_mib)),
            ]);
        }
        println!("{table}");
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(path.parent().context("it has no directory")?)?;
        fs::write(path, serde_json::to_string_pretty(self)?).with_context(|| path.display().to_string())
    }
}

/// Of an odd number the middle one; of an even number the upper of the two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
