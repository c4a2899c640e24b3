//! Any text read as a crontab: every entry is in exactly one of the two lists, gives the same result on its own, and each created
//! job has a schedule that fires and a URL from the text.
//!
//! Fields: the crontab; if the second field is not empty, the first lines are in an unknown zone.

use crate::{assert_refusal, first_fields, now};
use trigrun_core::domain::{
    crontab::{Crontab, CrontabEntry, Defaults, MAX_ENTRIES, MAX_LINE_BYTES, Refused, read},
    schedule::{Cron, check_zone},
};

const URL: &str = "https://example.com/default";

const CODES: &[&str] = &[
    "cron_empty",
    "cron_too_long",
    "cron_syntax",
    "cron_field_count",
    "cron_out_of_range",
    "cron_step",
    "cron_reversed_range",
    "cron_nickname",
    "cron_reboot",
    "cron_never_fires",
    "timezone_unknown",
    "crontab_line_too_long",
    "crontab_variable",
    "crontab_timezone",
    "crontab_url_missing",
    "crontab_command",
    "crontab_trailing",
    "crontab_quotes",
    "crontab_escape",
];

/// The maximum number of lines that are also read separately.
const MAX_SEPARATE_LINES: usize = 50;
/// The maximum length of an unknown zone name for which similar names are searched.
const MAX_ZONE_BYTES: usize = 64;
/// An unknown zone for which no similar names are searched.
const UNKNOWN_ZONE: &str = "a-zone-of-more-than-64-characters-which-is-longer-than-any-that-there-is";

pub fn run(input: &[u8]) {
    let [text, zone] = first_fields(input);
    let zone = if zone.is_empty() { "Europe/Berlin" } else { UNKNOWN_ZONE };
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(&text).lines().map(str::trim).collect();
    if lines.iter().filter(|line| is_slow(line)).count() > 2 {
        return;
    }
    let with_url = Defaults { url: Some(URL), timezone: zone };
    let without_url = Defaults { url: None, timezone: zone };
    let with = match read(&text, &with_url, now()) {
        Ok(with) => with,
        Err(invalid) => {
            assert_eq!(invalid.code, "crontab_too_many_lines");
            assert!(lines.iter().filter(|line| is_entry(line)).count() > MAX_ENTRIES);
            return;
        }
    };
    let is_read_again =
        lines.len() <= MAX_SEPARATE_LINES && !with.refused.iter().any(|refused| is_slow(&refused.text));
    let mut zone = zone;
    for (index, line) in lines.iter().enumerate() {
        let outcome = outcome(&with, index + 1);
        match &outcome {
            Outcome::Nothing if is_entry(line) => {
                zone = zone_of(line).unwrap_or_else(|| panic!("{line:?} is missing"));
                assert_eq!(check_zone(zone), Ok(()), "an unknown zone was accepted");
            }
            Outcome::Nothing => {}
            Outcome::CrontabEntry(entry) => check_entry(entry, line, zone),
            Outcome::Refused(refused) => {
                check_refused(refused, line);
                if line.len() <= MAX_LINE_BYTES && zone_of(line).is_some() {
                    zone = UNKNOWN_ZONE;
                }
            }
        }
        if is_entry(line) && !line.starts_with('\u{feff}') && is_read_again {
            let alone = read(line, &Defaults { url: Some(URL), timezone: zone }, now());
            let alone = alone.unwrap_or_else(|invalid| panic!("{line:?} alone: {invalid}"));
            assert_eq!(self::outcome(&alone, 1).numbered(index + 1), outcome, "{line:?} separately");
        }
    }
    let total = with.entries.len() + with.refused.len();
    assert!(total <= MAX_ENTRIES.min(lines.len()));
    assert!(with.entries.is_sorted_by(|a, b| a.line < b.line));
    assert!(with.refused.is_sorted_by(|a, b| a.line < b.line));
    if is_read_again {
        let without = read(&text, &without_url, now()).unwrap_or_else(|invalid| panic!("{invalid}"));
        for number in 1..=lines.len() {
            compare_defaults(&outcome(&with, number), &outcome(&without, number));
        }
        let other = text.replace('\n', "\r\n");
        assert_eq!(read(&other, &with_url, now()).as_ref(), Ok(&with), "with other line ends");
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Nothing,
    CrontabEntry(CrontabEntry),
    Refused(Refused),
}

impl Outcome {
    fn numbered(mut self, number: usize) -> Self {
        match &mut self {
            Self::Nothing => {}
            Self::CrontabEntry(entry) => entry.line = number,
            Self::Refused(refused) => refused.line = number,
        }
        self
    }
}

/// The outcome of a line; there is exactly one.
fn outcome(crontab: &Crontab, number: usize) -> Outcome {
    let entries =
        crontab.entries.iter().filter(|entry| entry.line == number).cloned().map(Outcome::CrontabEntry);
    let refused =
        crontab.refused.iter().filter(|refused| refused.line == number).cloned().map(Outcome::Refused);
    let mut found = entries.chain(refused);
    let outcome = found.next().unwrap_or(Outcome::Nothing);
    assert_eq!(found.next(), None, "line {number} is in both lists, or twice");
    outcome
}

fn is_entry(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// The value of a line that sets the zone, as crontab(5) reads it.
fn zone_of(line: &str) -> Option<&str> {
    let unquoted = |text: &'_ str| {
        let quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        if quoted('"') || quoted('\'') { 1..text.len() - 1 } else { 0..text.len() }
    };
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    matches!(&name[unquoted(name)], "TZ" | "CRON_TZ").then(|| &value[unquoted(value)])
}

/// Whether the line may cause a search for similar zones.
fn is_slow(line: &str) -> bool {
    zone_of(line).is_some_and(|zone| zone.len() <= MAX_ZONE_BYTES)
}

fn check_entry(entry: &CrontabEntry, line: &str, zone: &str) {
    assert_eq!(entry.text, line);
    assert!(entry.cron.timezone().eq_ignore_ascii_case(zone), "the zone of {line:?}");
    assert_eq!(Cron::parse(entry.cron.expression(), zone).as_ref(), Ok(&entry.cron));
    assert_eq!(entry.cron.check_fires(now()), Ok(()));
    let rest = line.strip_suffix(entry.url.as_str()).unwrap_or_else(|| {
        assert_eq!(entry.url, URL);
        line
    });
    let (written, kept) = (rest.split([' ', '\t']), entry.cron.expression().split(' '));
    assert!(written.filter(|word| !word.is_empty()).eq(kept), "{line:?} became {entry:?}");
    // Any other content is checked as the URL of any other job is.
    assert!(!entry.url.is_empty() && !entry.url.contains([' ', '\t', '\n']), "{:?}", entry.url);
}

fn check_refused(refused: &Refused, line: &str) {
    assert_refusal(&refused.invalid, CODES);
    assert!(refused.invalid.detail.ends_with('.'), "{refused:?}");
    if line.len() <= MAX_LINE_BYTES {
        assert_eq!(refused.text, line);
    } else {
        assert_eq!(refused.invalid.code, "crontab_line_too_long");
        assert!(refused.text.strip_suffix('…').is_some_and(|start| line.starts_with(start)));
    }
}

/// A default URL replaces a missing one, and changes nothing else.
fn compare_defaults(with: &Outcome, without: &Outcome) {
    match (with, without) {
        (_, Outcome::Refused(refused)) if refused.invalid.code == "crontab_url_missing" => match with {
            Outcome::CrontabEntry(entry) => assert_eq!((entry.line, entry.url.as_str()), (refused.line, URL)),
            Outcome::Refused(other) => assert_eq!(other.invalid.code, "cron_never_fires"),
            Outcome::Nothing => panic!("{refused:?} is missing"),
        },
        _ => assert_eq!(with, without),
    }
}
