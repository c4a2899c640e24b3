//! Rows for a terminal, aligned and cut, and for other programs, separated by tabs.

use anstyle::Style;
use console::{Alignment, measure_text_width, pad_str, truncate_str};
use jiff::Timestamp;
use std::fmt::Write;

use crate::{exit::BOLD, times::Clock};

const GAP: &str = "  ";
/// A column is not cut below this width.
const MIN_COLUMN: usize = 12;

/// One value of a row.
pub enum Cell {
    Text(String),
    Styled(String, Style),
    Time(Option<Timestamp>),
    /// A time after a word, such as a status.
    StyledAt(String, Style, Option<Timestamp>),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Cell {
    /// The text for people, and its style.
    fn shown(&self, clock: &Clock) -> (String, Style) {
        match self {
            Self::Text(text) => (one_line(text), Style::new()),
            Self::Styled(text, style) => (one_line(text), *style),
            Self::Time(None) => ("-".to_owned(), Style::new()),
            Self::Time(Some(at)) => (clock.show(*at), Style::new()),
            Self::StyledAt(text, style, None) => (one_line(text), *style),
            Self::StyledAt(text, style, Some(at)) => {
                (format!("{}, {}", one_line(text), clock.show(*at)), *style)
            }
        }
    }

    /// The text for programs: never cut, times as RFC 3339, empty if there is none.
    fn plain(&self) -> String {
        let text = match self {
            Self::Text(text) | Self::Styled(text, _) | Self::StyledAt(text, _, None) => text.clone(),
            Self::Time(at) => at.map(|at| at.to_string()).unwrap_or_default(),
            Self::StyledAt(text, _, Some(at)) => format!("{text} {at}"),
        };
        one_line(&text)
    }
}

/// Text from elsewhere, without what would move the cursor or change colours.
pub fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// Rows below their header, as wide as the terminal at most.
pub fn for_terminal(header: &[&str], rows: &[Vec<Cell>], clock: &Clock, width: usize) -> String {
    let rows: Vec<Vec<(String, Style)>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.shown(clock)).collect()).collect();
    let columns = rows.iter().map(Vec::len).chain([header.len()]).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns).map(|at| header.get(at).map_or(0, |name| name.len())).collect();
    for row in &rows {
        for (width, (text, _)) in widths.iter_mut().zip(row) {
            *width = (*width).max(measure_text_width(text));
        }
    }
    fit(&mut widths, width);
    let mut text = String::new();
    if !header.is_empty() {
        line(&mut text, header.iter().map(|name| (*name, BOLD)), &widths);
    }
    for row in &rows {
        line(&mut text, row.iter().map(|(text, style)| (text.as_str(), *style)), &widths);
    }
    text
}

/// Takes from the widest columns what the terminal does not have.
fn fit(widths: &mut [usize], width: usize) {
    loop {
        let total = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        let Some(widest) = widths.iter_mut().max().filter(|widest| total > width && **widest > MIN_COLUMN)
        else {
            return;
        };
        *widest -= 1;
    }
}

fn line<'a>(text: &mut String, cells: impl Iterator<Item = (&'a str, Style)>, widths: &[usize]) {
    let mut line = String::new();
    for (at, ((cell, style), width)) in cells.zip(widths).enumerate() {
        let is_last = at + 1 == widths.len();
        let cut = truncate_str(cell, *width, "…");
        let padded =
            if is_last { cut } else { pad_str(&cut, *width, Alignment::Left, None).into_owned().into() };
        let gap = if at == 0 { "" } else { GAP };
        // Writing to a string does not fail.
        let _ = write!(line, "{gap}{style}{padded}{style:#}");
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// One line for each row, without a header.
pub fn for_programs(rows: &[Vec<Cell>]) -> String {
    let line = |row: &Vec<Cell>| row.iter().map(Cell::plain).collect::<Vec<_>>().join("\t") + "\n";
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_need_no_header() {
        let clock = Clock::new("2026-11-30T12:00:00Z".parse().unwrap(), true);
        let rows = [vec![Cell::from("key"), Cell::from("a")], vec![Cell::from("id"), Cell::from("b")]];
        assert_eq!(for_terminal(&[], &rows, &clock, 80), "key  a\nid   b\n");
    }

    #[test]
    fn the_widest_column_is_cut() {
        let clock = Clock::new("2026-11-30T12:00:00Z".parse().unwrap(), true);
        let rows = [vec![Cell::from("a"), Cell::from("a sentence that is long\nand more"), Cell::from("ok")]];
        let text = for_terminal(&["KEY", "NAME", "STATE"], &rows, &clock, 30);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "KEY  NAME                STATE\na    a sentence that i…  ok\n");
        assert_eq!(for_programs(&rows), "a\ta sentence that is long and more\tok\n");
    }
}
