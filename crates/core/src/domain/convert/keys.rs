//! The keys of converted jobs: derived from their names, and unique.

use std::collections::{BTreeMap, BTreeSet};

const MAX_KEY_CHARS: usize = 100;
/// Room for the number of a name that several jobs have.
const MAX_BASE_CHARS: usize = MAX_KEY_CHARS - 6;

/// The keys that are taken.
#[derive(Default)]
pub(super) struct Keys {
    taken: BTreeSet<String>,
    /// The last number that was tried for a name.
    numbers: BTreeMap<String, usize>,
}

impl Keys {
    /// 1 to 100 characters of `a-z 0-9 . _ -`; the first is a letter or digit.
    pub(super) fn unique(&mut self, prefix: &str, name: &str) -> String {
        let base = key(&format!("{prefix}{name}"));
        let number = self.numbers.entry(base.clone()).or_insert(0);
        loop {
            *number += 1;
            let key = if *number == 1 { base.clone() } else { format!("{base}-{number}") };
            if self.taken.insert(key.clone()) {
                return key;
            }
        }
    }
}

fn key(name: &str) -> String {
    let mut key = String::new();
    for char in name.chars().flat_map(char::to_lowercase) {
        match char {
            'a'..='z' | '0'..='9' => key.push(char),
            '.' | '_' if !key.is_empty() => key.push(char),
            _ if key.is_empty() || key.ends_with(['-', '.', '_']) => {}
            _ => key.push('-'),
        }
        if key.len() >= MAX_BASE_CHARS {
            break;
        }
    }
    let key = key.trim_end_matches(['-', '.', '_']);
    match key {
        "" => "job".to_owned(),
        // The ids of jobs begin so.
        _ if key.starts_with("job_") => key.replacen('_', "-", 1),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_valid_and_unique() {
        let mut keys = Keys::default();
        for (name, key) in [
            ("Nightly report", "nightly-report"),
            ("nightly  report!", "nightly-report-2"),
            ("nightly-report-2", "nightly-report-2-2"),
            ("GET example.com/cron.php", "get-example.com-cron.php"),
            ("…", "job"),
            ("job_01", "job-01"),
            ("-_.x_", "x"),
            ("Täglich", "t-glich"),
        ] {
            assert_eq!(keys.unique("", name), key);
        }
        assert_eq!(Keys::default().unique("web-", "A"), "web-a");
        assert!(Keys::default().unique("", &"x".repeat(500)).len() <= MAX_KEY_CHARS);
    }
}
