//! The tables: loads, ratios, cost, writes and memory, limits of the machine, the idle installation, and the API.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use std::collections::BTreeSet;

use super::Report;
use crate::{
    cost::Cost,
    measured::Measured,
    series::{Row, Series, of_prototype},
    written::Written,
};

pub fn all(report: &Report) -> Vec<Table> {
    let loads = &report.loads;
    let all = [
        self::loads(loads),
        ratios(report),
        time(loads),
        writes(loads),
        memory(loads),
        ceilings(report),
        idle(report),
        end_to_end(&report.end_to_end),
        created(report),
        pages(report),
    ];
    all.into_iter().filter(|table| table.row_count() > 0).collect()
}

pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

fn loads(loads: &Series<Measured>) -> Table {
    let mut table = table([
        "load",
        "runs/s",
        "recorded/s",
        "lateness p50, ms",
        "p99",
        "p99.9",
        "p99 of the last fifth",
        "first, ms",
        "µs per run",
        "processors used by others",
    ]);
    for row in &loads.0 {
        table.add_row([
            row.name.clone(),
            format!("{:.0}", row.median(|m| m.runs_per_second)),
            format!("{:.0}", row.median(|m| m.recorded_per_second.unwrap_or(f64::NAN))),
            format!("{:.2}", row.median(|m| m.lateness_p50_ms)),
            format!("{:.2}", row.median(|m| m.lateness_p99_ms)),
            format!("{:.2}", row.median(|m| m.lateness_p999_ms)),
            format!("{:.2}", row.median(|m| m.lateness_end_p99_ms)),
            format!("{:.1}", row.median(|m| m.first_ms)),
            format!("{:.1}", row.median(|m| m.cost.us_per_run_sum)),
            format!("{:.2}", row.median(|m| m.cost.foreign_processors)),
        ]);
        for violation in row.repetitions.iter().filter_map(Measured::violation) {
            table.add_row([format!("  WARNING: {violation}")]);
        }
    }
    table
}

/// All values relative to the prototype, and the rate relative to the limits of the machine.
fn ratios(report: &Report) -> Table {
    let mut table = table(["ratio", "runs/s", "lateness p50", "p99", "µs per run"]);
    for row in &report.loads.0 {
        if let Some(prototype) = report.loads.get(&of_prototype(&row.name)) {
            let mut cells = vec![format!("{} ÷ prototype", row.name)];
            cells.extend(ratio(row, prototype));
            table.add_row(cells);
        }
        let is_saturated = row.name.starts_with("backlog") || row.name.starts_with("burst");
        for ceiling in report.ceilings.0.iter().filter(|_| is_saturated) {
            let ratio = row.median(|m| m.runs_per_second) / ceiling.median(|rate| *rate);
            table.add_row([format!("{} ÷ {}", row.name, ceiling.name), format!("{ratio:.3}")]);
        }
    }
    table
}

/// Ratios of medians: rate, lateness, cost.
pub fn ratio(one: &Row<Measured>, other: &Row<Measured>) -> Vec<String> {
    let values: [fn(&Measured) -> f64; 4] =
        [|m| m.runs_per_second, |m| m.lateness_p50_ms, |m| m.lateness_p99_ms, |m| m.cost.us_per_run_sum];
    values.iter().map(|value| format!("{:.2}", one.median(value) / other.median(value))).collect()
}

pub fn time(loads: &Series<Measured>) -> Table {
    by_process("µs per run, of which", loads, |cost, name| cost.us_per_run.get(name))
}

fn writes(loads: &Series<Measured>) -> Table {
    let mut table = table(["written per run", "WAL, bytes", "commits", "rows, bytes", "indexes, bytes"]);
    for row in loads.0.iter().filter(|row| row.repetitions.iter().all(|m| m.written.is_some())) {
        table.add_row([
            row.name.clone(),
            format!("{:.0}", written(row, |written| written.wal_bytes)),
            format!("{:.3}", written(row, |written| written.commits)),
            format!("{:.0}", written(row, |written| written.heap_bytes)),
            format!("{:.0}", written(row, |written| written.index_bytes)),
        ]);
    }
    table
}

pub fn memory(loads: &Series<Measured>) -> Table {
    by_process("peak memory, MiB", loads, |cost, name| cost.memory_mib.get(name))
}

/// One column per process.
fn by_process(
    title: &str,
    loads: &Series<Measured>,
    value: for<'a> fn(&'a Cost, &str) -> Option<&'a f64>,
) -> Table {
    let costs = || loads.0.iter().flat_map(|row| &row.repetitions).map(|measured| &measured.cost);
    let names: BTreeSet<&String> = costs()
        .flat_map(|cost| cost.us_per_run.keys())
        .filter(|name| costs().any(|c| value(c, name).is_some()))
        .collect();
    let mut header = vec![title.to_owned()];
    header.extend(names.iter().map(|name| (*name).clone()));
    let mut table = table([]);
    table.set_header(header);
    for row in &loads.0 {
        let mut cells = vec![row.name.clone()];
        cells.extend(names.iter().map(|name| {
            let median = row.median(|m| value(&m.cost, name).copied().unwrap_or(f64::NAN));
            if median.is_nan() { String::new() } else { format!("{median:.1}") }
        }));
        table.add_row(cells);
    }
    table
}

fn ceilings(report: &Report) -> Table {
    let mut table = table(["limit of the machine", "per second"]);
    for row in &report.ceilings.0 {
        table.add_row([row.name.clone(), format!("{:.0}", row.median(|rate| *rate))]);
    }
    table
}

fn idle(report: &Report) -> Table {
    let mut table = table(["nothing is due", "% of a processor", "statements/s"]);
    for row in &report.idle.0 {
        table.add_row([
            row.name.clone(),
            format!("{:.2}", row.median(|idle| idle.percent_sum)),
            format!("{:.1}", row.median(|idle| idle.statements_per_second)),
        ]);
    }
    table
}

fn end_to_end(measured: &Series<Measured>) -> Table {
    let mut table = table([
        "from the creation to the target",
        "p50, ms",
        "p99",
        "p99.9",
        "µs per job",
        "WAL, bytes",
        "commits",
    ]);
    for row in &measured.0 {
        table.add_row([
            row.name.clone(),
            format!("{:.2}", row.median(|m| m.lateness_p50_ms)),
            format!("{:.2}", row.median(|m| m.lateness_p99_ms)),
            format!("{:.2}", row.median(|m| m.lateness_p999_ms)),
            format!("{:.0}", row.median(|m| m.cost.us_per_run_sum)),
            format!("{:.0}", written(row, |written| written.wal_bytes)),
            format!("{:.2}", written(row, |written| written.commits)),
        ]);
    }
    table
}

/// `NaN` if it was not measured.
fn written(row: &Row<Measured>, value: fn(&Written) -> f64) -> f64 {
    row.median(|measured| measured.written.as_ref().map_or(f64::NAN, value))
}

fn created(report: &Report) -> Table {
    let mut table =
        table(["API", "jobs/s", "p99, ms", "at half that rate: p50, ms", "p99, ms", "µs per job"]);
    for name in &report.not_available {
        table.add_row([name.as_str(), "not available"]);
    }
    for row in &report.created.0 {
        table.add_row([
            row.name.clone(),
            format!("{:.0}", row.median(|created| created.jobs_per_second)),
            format!("{:.2}", row.median(|created| created.p99_ms)),
            format!("{:.2}", row.median(|created| created.half_rate_p50_ms)),
            format!("{:.2}", row.median(|created| created.half_rate_p99_ms)),
            format!("{:.0}", row.median(|created| created.cost.us_per_run_sum)),
        ]);
    }
    table
}

fn pages(report: &Report) -> Table {
    let mut table = table(["page of", "p50, ms", "p99, ms"]);
    for row in &report.pages.0 {
        let cells = [row.median(|page| page.p50_ms), row.median(|page| page.p99_ms)];
        let [p50, p99] = cells.map(|ms| format!("{ms:.2}"));
        table.add_row([row.name.clone(), p50, p99]);
    }
    table
}

/// About three digits.
pub fn significant(number: f64) -> String {
    let decimals = match number.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_three_digits() {
        assert_eq!([0.0712, 3.21987, 42.42, 23_399.4].map(significant), ["0.071", "3.22", "42.4", "23399"]);
    }
}
