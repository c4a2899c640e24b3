//! What a command prints: data on standard output, everything else on standard error.

use jiff::Timestamp;
use std::io::{ErrorKind, IsTerminal, Write};
use trigrun_client::RawValue;

use crate::{
    exit::{Failure, YELLOW},
    globals::{Format, Globals},
    node::Node,
    table::{self, Cell},
    times::Clock,
    yaml,
};

/// Without a terminal, nothing is cut to it.
const DEFAULT_WIDTH: usize = 100;

#[derive(Clone, Copy)]
pub struct Output {
    pub format: Format,
    pub is_quiet: bool,
    pub is_verbose: bool,
    pub utc: bool,
    pub to_terminal: bool,
    width: usize,
}

/// An item of a list, read from the response.
pub trait Row: serde::de::DeserializeOwned {
    const HEADER: &'static [&'static str];
    /// The id or key.
    fn id(&self) -> &str;
    fn cells(&self) -> Vec<Cell>;
}

impl Output {
    pub fn new(globals: &Globals) -> Self {
        let to_terminal = std::io::stdout().is_terminal();
        let width = console::Term::stdout().size_checked().map_or(DEFAULT_WIDTH, |(_, width)| width.into());
        Self {
            format: globals.output,
            is_quiet: globals.quiet,
            is_verbose: globals.verbose,
            utc: globals.utc,
            to_terminal,
            width,
        }
    }

    /// Whether the command prints for people, or ids.
    pub const fn is_data(&self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml | Format::Ndjson)
    }

    pub fn clock(&self, now: Timestamp) -> Clock {
        Clock::new(now, self.utc)
    }

    /// Prints the items of a list.
    pub fn list<R: Row>(&self, items: &[Box<RawValue>], now: Timestamp) -> Result<(), Failure> {
        match self.format {
            Format::Json => {
                let items: Vec<&str> = items.iter().map(|item| item.get()).collect();
                print(&indented(&format!("[{}]", items.join(","))))
            }
            Format::Yaml => {
                let nodes: Result<Vec<Node>, _> =
                    items.iter().map(|item| Node::from_json(item.get())).collect();
                print(&yaml::to_yaml(&Node::list(nodes.map_err(unreadable)?)))
            }
            Format::Ndjson => items.iter().try_for_each(|item| print(&(compact(item.get()) + "\n"))),
            Format::Id => rows::<R>(items)?.iter().try_for_each(|row| print(&format!("{}\n", row.id()))),
            Format::Table => {
                let rows: Vec<Vec<Cell>> = rows::<R>(items)?.iter().map(R::cells).collect();
                if rows.is_empty() {
                    self.note("none");
                    return Ok(());
                }
                self.table(R::HEADER, &rows, now)
            }
        }
    }

    /// Prints rows for people, or for programs.
    pub fn table(&self, header: &[&str], rows: &[Vec<Cell>], now: Timestamp) -> Result<(), Failure> {
        print(&match self.to_terminal {
            true => table::for_terminal(header, rows, &self.clock(now), self.width),
            false => table::for_programs(rows),
        })
    }

    /// Prints a response as data.
    pub fn document(&self, json: &str) -> Result<(), Failure> {
        match self.format {
            Format::Yaml => print(&yaml::to_yaml(&Node::from_json(json).map_err(unreadable)?)),
            Format::Ndjson => print(&(compact(json) + "\n")),
            _ => print(&indented(json)),
        }
    }

    /// Prints what a command that changes one thing has changed: its id or key, or the response.
    pub fn changed(&self, id: &str, json: &str) -> Result<(), Failure> {
        match self.is_data() {
            true if json.is_empty() => Ok(()),
            true => self.document(json),
            false => print(&format!("{id}\n")),
        }
    }

    /// Prints a message, which is not data.
    pub fn note(&self, text: &str) {
        if !self.is_quiet {
            anstream::eprintln!("{text}");
        }
    }

    pub fn warn(&self, text: &str) {
        anstream::eprintln!("{YELLOW}warning{YELLOW:#}: {text}");
    }
}

fn rows<R: Row>(items: &[Box<RawValue>]) -> Result<Vec<R>, Failure> {
    items.iter().map(|item| serde_json::from_str(item.get()).map_err(unreadable)).collect()
}

pub fn unreadable(error: serde_json::Error) -> Failure {
    Failure::new(format!("cannot read the response: {error}"))
}

/// Prints to standard output. If its reader has gone, the command has done its work.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        result => Ok(result?),
    }
}

/// `1 job`, or `3 jobs`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// JSON on one line.
pub fn compact(json: &str) -> String {
    reshaped(json, None)
}

/// JSON with a line for each value, and otherwise as the server wrote it.
pub fn indented(json: &str) -> String {
    reshaped(json, Some("  ")) + "\n"
}

fn reshaped(json: &str, indent: Option<&str>) -> String {
    let (mut text, mut depth, mut in_string, mut is_escaped) = (String::new(), 0_usize, false, false);
    let end_line = |text: &mut String, depth: usize| {
        if let Some(indent) = indent {
            text.push('\n');
            text.push_str(&indent.repeat(depth));
        }
    };
    let mut chars = json.trim().chars().filter(|c| *c != '\r').peekable();
    while let Some(c) = chars.next() {
        if in_string {
            text.push(c);
            in_string = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                text.push(c);
            }
            '{' | '[' => {
                text.push(c);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => text.push(end),
                    None => {
                        depth += 1;
                        end_line(&mut text, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                end_line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                end_line(&mut text, depth);
            }
            ':' => text.push_str(if indent.is_some() { ": " } else { ":" }),
            _ if c.is_ascii_whitespace() => {}
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_not_changed() {
        let json = r#"{"b":[1.10,"x\\\",: {",{ } ],"a":{}}"#;
        assert_eq!(
            indented(json),
            "{\n  \"b\": [\n    1.10,\n    \"x\\\\\\\",: {\",\n    {}\n  ],\n  \"a\": {}\n}\n"
        );
        assert_eq!(compact(&indented(json)), r#"{"b":[1.10,"x\\\",: {",{}],"a":{}}"#);
    }
}
