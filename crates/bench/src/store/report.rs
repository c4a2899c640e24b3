//! The output of `store`: tables, store.json, store.svg.

use comfy_table::Table;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

use super::{history::History, plot, sizes::Size};
use crate::{
    report::{Machine, tables::table, write},
    servers::Servers,
};

#[derive(Serialize)]
pub struct StoreReport {
    machine: Machine,
    pub sizes: Vec<Size>,
    pub history: Option<History>,
}

impl StoreReport {
    pub async fn new(servers: &Servers) -> anyhow::Result<Self> {
        Ok(Self { machine: Machine::this(servers).await?, sizes: Vec::new(), history: None })
    }

    pub fn print(&self) {
        println!("{}", self.machine);
        if !self.sizes.is_empty() {
            println!("{}", self.sizes());
        }
        for violation in self.sizes.iter().filter_map(|size| size.fire.violation()) {
            println!("WARNING: {violation}");
        }
        if let Some(history) = &self.history {
            println!("{} executions, {:.0} bytes each", history.executions, history.bytes_per_execution);
            println!("{}\n{}\n{}", pages(history), removals(history), passes(history));
        }
    }

    fn sizes(&self) -> Table {
        let mut table = table([
            "jobs",
            "µs per fire",
            "ratio to the first",
            "lateness p99, ms",
            "idle, % of a processor",
            "statements/s",
            "bytes per job",
            "scheduler MiB",
            "processors used by others",
        ]);
        let first = self.sizes.first().map_or(f64::NAN, |size| size.fire.cost.us_per_run_sum);
        let scheduler = |mib: &BTreeMap<String, f64>| mib.get("scheduler").copied().unwrap_or(f64::NAN);
        for Size { jobs, bytes_per_job, idle, fire, .. } in &self.sizes {
            table.add_row([
                jobs.to_string(),
                format!("{:.1}", fire.cost.us_per_run_sum),
                format!("{:.2}", fire.cost.us_per_run_sum / first),
                format!("{:.2}", fire.lateness_p99_ms),
                format!("{:.2}", idle.percent_sum),
                format!("{:.1}", idle.statements_per_second),
                format!("{bytes_per_job:.0}"),
                format!("{:.0}", scheduler(&fire.cost.memory_mib).max(scheduler(&idle.memory_mib))),
                format!("{:.2}", fire.cost.foreign_processors),
            ]);
        }
        table
    }

    /// Into this directory.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        write(&dir.join("store.json"), &serde_json::to_string_pretty(self)?)?;
        match plot::plot(&self.sizes)? {
            Some(svg) => write(&dir.join("store.svg"), &svg),
            None => Ok(()),
        }
    }
}

fn pages(history: &History) -> Table {
    let mut table = table(["page of", "rows", "p50, ms", "p99, ms"]);
    for page in &history.pages {
        let (p50, p99) = (format!("{:.1}", page.p50_ms), format!("{:.1}", page.p99_ms));
        table.add_row([page.list.clone(), page.rows.to_string(), p50, p99]);
    }
    table
}

fn removals(history: &History) -> Table {
    let mut table = table(["removed", "executions", "seconds", "slowest page, ms", "before, ms", "failed"]);
    for removal in &history.removals {
        table.add_row([
            removal.name.to_owned(),
            removal.executions.to_string(),
            format!("{:.3}", removal.seconds),
            format!("{:.1}", removal.worst_ms),
            format!("{:.1}", removal.worst_before_ms),
            removal.failed.to_string(),
        ]);
    }
    table
}

fn passes(history: &History) -> Table {
    let mut table = table(["pass", "average, ms"]);
    for (pass, seconds) in &history.passes {
        table.add_row([pass.clone(), format!("{:.1}", seconds * 1e3)]);
    }
    table
}
