//! The output of `peers`: one table with the medians of each product, and TrigRun's ratio to the best other one.

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

/// What counts in a load, and the better of two values.
type Figure = (&'static str, fn(&Measured) -> f64, fn(f64, f64) -> f64);

const COST: Figure = ("µs per run", |m| m.cost.us_per_run_sum, f64::min);
const SATURATED: [Figure; 3] = [
    ("runs/s", |m| m.runs_per_second, f64::max),
    ("lateness p99, ms", |m| m.lateness_p99_ms, f64::min),
    COST,
];
/// The load fixes the rate: a product that exceeds it has stalled before.
const STEADY: [Figure; 4] = [
    ("lateness p50, ms", |m| m.lateness_p50_ms, f64::min),
    ("lateness p99, ms", |m| m.lateness_p99_ms, f64::min),
    ("lateness p99.9, ms", |m| m.lateness_p999_ms, f64::min),
    COST,
];

pub struct Report {
    machine: Machine,
    /// TrigRun first.
    products: Vec<&'static str>,
    pub measured: Series<Measured>,
    /// Jobs per second.
    pub added: Series<f64>,
    /// The errors of failed measurements.
    pub failed: Series<String>,
}

impl Report {
    pub async fn new(servers: &Servers, products: Vec<&'static str>) -> anyhow::Result<Self> {
        let machine = Machine::this(servers).await?;
        let (measured, added, failed) = (Series::default(), Series::default(), Series::default());
        Ok(Self { machine, products, measured, added, failed })
    }

    pub fn has_failed(&self, product: &str) -> bool {
        self.failed.0.iter().any(|row| split(&row.name).1 == product)
    }

    pub fn print(&self) {
        println!("{}\n{}", self.machine, self.table());
        for row in &self.measured.0 {
            for violation in row.repetitions.iter().filter_map(Measured::violation) {
                println!("WARNING: {}: {violation}", row.name);
            }
        }
        for row in &self.failed.0 {
            for error in &row.repetitions {
                println!("FAILED: {}: {error}", row.name);
            }
        }
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let report = json!({
            "machine": self.machine,
            "measured": self.measured.json()?,
            "added": self.added.json()?,
            "failed": self.failed.json()?,
        });
        report::write(path, &serde_json::to_string_pretty(&report)?)
    }

    fn table(&self) -> Table {
        let mut table = tables::table([]);
        let mut header = vec![String::new()];
        header.extend(self.products.iter().map(|product| (*product).to_owned()));
        table.set_header([header, vec![format!("{TRIGRUN} ÷ best")]].concat());
        for load in works(&self.measured) {
            let figures = match () {
                // A backlog is late from the start.
                () if load.starts_with("backlog") => vec![SATURATED[0], COST],
                () if load.starts_with("steady") => STEADY.to_vec(),
                () => SATURATED.to_vec(),
            };
            for (name, value, better) in figures {
                let median = |row: &Row<Measured>| row.median(value);
                table.add_row(self.row(&format!("{load}, {name}"), load, &self.measured, median, better));
            }
        }
        for adding in works(&self.added) {
            let median = |row: &Row<f64>| row.median(|rate| *rate);
            table.add_row(self.row(&format!("{adding}, per second"), adding, &self.added, median, f64::max));
        }
        table
    }

    /// The medians of each product under one load, and the ratio.
    fn row<T>(
        &self,
        name: &str,
        work: &str,
        series: &Series<T>,
        median: impl Fn(&Row<T>) -> f64,
        better: fn(f64, f64) -> f64,
    ) -> Vec<String> {
        let value = |product: &str| series.get(&super::line(work, product)).map(&median);
        let cell = |product: &&str| value(product).map_or("–".to_owned(), tables::significant);
        let best = self
            .products
            .iter()
            .filter(|product| **product != TRIGRUN)
            .filter_map(|it| value(it))
            .reduce(better);
        let ratio =
            value(TRIGRUN).zip(best).map_or(String::new(), |(own, best)| format!("{:.2}", own / best));
        std::iter::once(name.to_owned()).chain(self.products.iter().map(cell)).chain([ratio]).collect()
    }
}

/// The loads of a series, in the order of their first measurement.
fn works<T>(series: &Series<T>) -> Vec<&str> {
    let mut works: Vec<&str> = Vec::new();
    for (work, _) in series.0.iter().map(|row| split(&row.name)) {
        if !works.contains(&work) {
            works.push(work);
        }
    }
    works
}

/// Load and product: names of products contain no comma.
fn split(line: &str) -> (&str, &str) {
    line.rsplit_once(", ").unwrap_or((line, ""))
}
