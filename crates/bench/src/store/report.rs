//! The tables that are printed, and store.json.

use anyhow::Context;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::{fs, path::Path};

use super::{history::History, sizes::Size};

#[derive(Default, Serialize)]
pub struct StoreReport {
    pub sizes: Vec<Size>,
    pub history: Option<History>,
}

impl StoreReport {
    pub fn print(&self) {
        println!("{}", self.sizes());
        if let Some(history) = &self.history {
            println!("{} executions, {:.0} bytes each", history.executions, history.bytes_per_execution);
            println!("{}\n{}\n{}", pages(history), removals(history), passes(history));
        }
    }

    fn sizes(&self) -> Table {
        let mut table = table(&[
            "jobs",
            "µs/fire",
            "× the fewest",
            "late p99 ms",
            "idle %",
            "bytes/job",
            "scheduler MiB",
            "busy with others",
        ]);
        let fewest = self.sizes.first().map_or(f64::NAN, |size| size.fire.us_per_run_sum);
        for Size { jobs, bytes_per_job, idle, fire, .. } in &self.sizes {
            table.add_row([
                jobs.to_string(),
                format!("{:.1}", fire.us_per_run_sum),
                format!("{:.2}", fire.us_per_run_sum / fewest),
                format!("{:.2}", fire.late_p99_ms),
                format!("{:.2}", idle.percent_sum),
                format!("{bytes_per_job:.0}"),
                format!("{:.0}", fire.scheduler_mib.max(idle.scheduler_mib)),
                format!("{:.2}", fire.foreign_processors),
            ]);
        }
        table
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(path.parent().context("it has no directory")?)?;
        fs::write(path, serde_json::to_string_pretty(self)?).with_context(|| path.display().to_string())
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

fn pages(history: &History) -> Table {
    let mut table = table(&["a page of", "rows", "p50 ms", "p99 ms"]);
    for page in &history.pages {
        let (p50, p99) = (format!("{:.1}", page.p50_ms), format!("{:.1}", page.p99_ms));
        table.add_row([page.name.clone(), page.rows.to_string(), p50, p99]);
    }
    table
}

fn removals(history: &History) -> Table {
    let mut table =
        table(&["dropped", "executions", "seconds", "worst page ms", "worst before ms", "refused"]);
    for removal in &history.removals {
        table.add_row([
            removal.name.to_owned(),
            removal.executions.to_string(),
            format!("{:.3}", removal.seconds),
            format!("{:.1}", removal.worst_ms),
            format!("{:.1}", removal.worst_before_ms),
            removal.refused.to_string(),
        ]);
    }
    table
}

fn passes(history: &History) -> Table {
    let mut table = table(&["pass", "ms"]);
    for (pass, seconds) in &history.passes {
        table.add_row([pass.clone(), format!("{:.1}", seconds * 1e3)]);
    }
    table
}
