//! The table of a comparison: for each figure of each measurement, the medians of both builds and the ratios of the pairs.

use comfy_table::Table;
use serde::Serialize;
use trigrun_testkit::stats::{Samples, median};

use crate::{measured::Outcome, report::tables};

#[derive(Default, Serialize)]
pub struct Comparison {
    rows: Vec<Row>,
    /// Violations, and what is not available.
    pub remarks: Vec<String>,
    /// Pairs that failed, and why.
    pub failed: Vec<String>,
}

/// One figure of one measurement. The lists are in the order of the repetitions.
#[derive(Serialize)]
struct Row {
    measurement: String,
    figure: String,
    old: Vec<f64>,
    new: Vec<f64>,
}

impl Comparison {
    /// Adds a pair. A figure counts if both builds have it.
    pub fn add(&mut self, measurement: &str, old: &Outcome, new: &Outcome) {
        for (name, outcome) in [("old", old), ("new", new)] {
            if matches!(outcome, Outcome::NotAvailable) {
                self.remarks.push(format!("{measurement}, {name}: not available"));
            }
            if let Some(violation) = outcome.violation() {
                self.remarks.push(format!("WARNING: {measurement}, {name}: {violation}"));
            }
        }
        let new_figures = new.figures();
        for (figure, old) in old.figures() {
            let new = new_figures.iter().find(|(name, _)| *name == figure);
            if let Some((_, new)) = new {
                let row = self.row(measurement, &figure);
                row.old.push(old);
                row.new.push(*new);
            }
        }
    }

    fn row(&mut self, measurement: &str, figure: &str) -> &mut Row {
        let known = self.rows.iter().position(|row| row.measurement == measurement && row.figure == figure);
        let at = known.unwrap_or_else(|| {
            let (measurement, figure) = (measurement.to_owned(), figure.to_owned());
            self.rows.push(Row { measurement, figure, old: Vec::new(), new: Vec::new() });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    pub fn table(&self) -> Table {
        let mut table =
            tables::table(["measurement", "", "old", "new", "new ÷ old", "of the pairs", "pairs"]);
        for row in &self.rows {
            let (old, new) = (row.old.iter().copied(), row.new.iter().copied());
            let [old, new] = [median(old), median(new)].map(|median| median.unwrap_or(f64::NAN));
            let ratios: Samples = row.old.iter().zip(&row.new).map(|(old, new)| new / old).collect();
            let ratio = |fraction| ratios.quantile(fraction).unwrap_or(f64::NAN);
            table.add_row([
                row.measurement.clone(),
                row.figure.clone(),
                tables::significant(old),
                tables::significant(new),
                format!("{:.2}", new / old),
                format!("{:.2}–{:.2}", ratio(0.0), ratio(1.0)),
                ratios.len().to_string(),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::{Created, Idle};

    fn idle(percent: f64) -> Outcome {
        Outcome::Idle(Idle {
            percent: [("postgres".to_owned(), percent)].into(),
            percent_sum: percent,
            statements_per_second: 30.0,
            memory_mib: [].into(),
        })
    }

    #[test]
    fn a_figure_has_the_medians_and_the_ratios_of_its_pairs() {
        let mut comparison = Comparison::default();
        for (old, new) in [(2.0, 1.0), (4.0, 1.0), (3.0, 3.0)] {
            comparison.add("idle", &idle(old), &idle(new));
        }
        let table = comparison.table().to_string();
        let line = table.lines().find(|line| line.contains("% of a processor")).unwrap();
        let cells: Vec<&str> =
            line.split(['│', '┆']).map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["idle", "% of a processor", "3.00", "1.00", "0.33", "0.25–1.00", "3"]);
        assert!(comparison.remarks.is_empty());
    }

    #[test]
    fn an_operation_that_one_build_lacks_is_a_remark() {
        let created = Created {
            jobs_per_request: 1,
            jobs_per_second: 1.0,
            p99_ms: 1.0,
            half_rate_p50_ms: 1.0,
            half_rate_p99_ms: 1.0,
            cost: Default::default(),
        };
        let mut comparison = Comparison::default();
        comparison.add("create", &Outcome::NotAvailable, &Outcome::Created(created));
        assert!(comparison.rows.is_empty());
        assert_eq!(comparison.remarks, ["create, old: not available"]);
    }
}
