//! One table over the cases of this program and those in the API's tests.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};

use crate::{api_tests, case::Suite};

/// The results of a suite.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    pub cases: usize,
    pub passed: usize,
    /// At the first attempt.
    pub late: usize,
    pub skipped: usize,
    /// Packets to forbidden addresses; `None` where they are not counted.
    pub packets: Option<u64>,
}

#[derive(Default)]
pub struct Report {
    rows: Vec<(Suite, Row)>,
    api_tests: Option<(api_tests::Results, Option<u64>)>,
    failures: Vec<String>,
}

impl Report {
    pub fn add(&mut self, suite: Suite, row: Row) {
        self.rows.push((suite, row));
    }

    pub fn add_api_tests(&mut self, results: api_tests::Results, packets: Option<u64>) {
        if let Some(output) = &results.failure {
            self.failures.push(format!("FAILED: the API's tests\n{output}"));
        }
        self.api_tests = Some((results, packets));
    }

    pub fn fail(&mut self, case: &str, how: &str) {
        self.failures.push(format!("FAILED: {case}\n  {how}"));
    }

    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    pub fn passed(&self) -> bool {
        let packets = self.api_tests.iter().filter_map(|(_, packets)| *packets);
        let packets = packets.chain(self.rows.iter().filter_map(|(_, row)| row.packets));
        self.failures.is_empty() && packets.sum::<u64>() == 0
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([
            "suite",
            "",
            "cases",
            "of them API tests",
            "passed",
            "late at first",
            "skipped",
            "packets that left",
        ]);
        let mut total = (Row { packets: Some(0), ..Row::default() }, 0);
        for (suite, row) in &self.rows {
            let api = self.api_tests.as_ref().map_or((0, 0), |(results, _)| results.of(*suite));
            let row = Row { cases: row.cases + api.0, passed: row.passed + api.1, ..*row };
            if row.cases == 0 {
                continue;
            }
            table.add_row(cells(suite.letter().to_string(), suite.about(), row, api.0));
            total = (add(total.0, row), total.1 + api.0);
        }
        if let Some((_, packets)) = &self.api_tests {
            // One process runs the API's tests of all suites.
            total.0.packets = total.0.packets.zip(*packets).map(|(all, packets)| all + packets);
        }
        table.add_row(cells(String::new(), "all", total.0, total.1));
        table
    }
}

fn add(total: Row, row: Row) -> Row {
    Row {
        cases: total.cases + row.cases,
        passed: total.passed + row.passed,
        late: total.late + row.late,
        skipped: total.skipped + row.skipped,
        packets: total.packets.zip(row.packets).map(|(total, packets)| total + packets),
    }
}

fn cells(letter: String, about: &str, row: Row, api_tests: usize) -> [String; 8] {
    [
        letter,
        about.to_owned(),
        row.cases.to_string(),
        api_tests.to_string(),
        row.passed.to_string(),
        row.late.to_string(),
        row.skipped.to_string(),
        row.packets.map_or_else(|| "not counted".to_owned(), |packets| packets.to_string()),
    ]
}
