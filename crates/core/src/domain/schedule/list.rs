//! Lists of numbers and names in a sentence.

use super::fields::Set;
use crate::domain::wording::all_of;

/// "1 year", "2 years"
pub(super) fn counted(count: i64, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// "hour 3", "hours 3 to 5", "hours 1, 7 and 12 to 20", "every 2nd hour from 0 to 22"
pub(super) fn named(unit: &str, set: Set) -> String {
    match (progression(set), set.len()) {
        (Some((first, step, last)), _) => {
            format!("every {} {unit} from {first} to {last}", ordinal(step))
        }
        (None, 1) => format!("{unit} {}", numbers(set)),
        (None, _) => format!("{unit}s {}", numbers(set)),
    }
}

/// Six or more numbers at the same distance of more than 1, as first, last and step: too many to list one by one.
fn progression(set: Set) -> Option<(u8, u8, u8)> {
    let values: Vec<u8> = set.values().collect();
    let &[first, second, .., last] = values.as_slice() else { return None };
    let step = second - first;
    let is_even = values.windows(2).all(|pair| pair[1] - pair[0] == step);
    (values.len() >= 6 && step > 1 && is_even).then_some((first, step, last))
}

/// Three or more in a row become "3 to 5".
fn numbers(set: Set) -> String {
    all_of(runs(set).into_iter().flat_map(|(first, last)| match last - first {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("{first} to {last}")],
    }))
}

/// The runs of consecutive numbers, each as its first and last.
pub(super) fn runs(set: Set) -> Vec<(u8, u8)> {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for value in set.values() {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == value => *last = value,
            _ => runs.push((value, value)),
        }
    }
    runs
}

/// `2nd`, `3rd`, `4th`, up to 20.
fn ordinal(number: u8) -> String {
    match number {
        2 => "2nd".to_owned(),
        3 => "3rd".to_owned(),
        other => format!("{other}th"),
    }
}
