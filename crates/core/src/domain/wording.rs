//! Names in error texts: lists of them, and the one that was probably meant.

use std::fmt::Display;

/// A longer text is no misspelled name.
const MAX_NAME_CHARS: usize = 64;
/// One letter in so many may be wrong: a hint must not lead to another meaning.
const CHARS_PER_ERROR: usize = 3;
const MAX_ERRORS: usize = 2;

/// The name that was probably meant: the same but for case and separators, or very few letters apart.
pub fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if text.chars().count() > MAX_NAME_CHARS {
        return None;
    }
    let written = letters(text);
    let distance = |name: &'a str| {
        let name_letters = letters(name);
        let max = (written.len().min(name_letters.len()) / CHARS_PER_ERROR).min(MAX_ERRORS);
        let distance = strsim::generic_damerau_levenshtein(&written, &name_letters);
        (distance <= max).then_some((distance, name))
    };
    names.filter_map(distance).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|char| !matches!(char, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

pub fn did_you_mean(name: &str) -> String {
    format!("Did you mean {name}?")
}

/// "1, 7 and 12"
pub fn all_of<T: Display>(parts: impl IntoIterator<Item = T>) -> String {
    joined(parts, "and")
}

/// "1, 7 or 12"
pub fn one_of<T: Display>(parts: impl IntoIterator<Item = T>) -> String {
    joined(parts, "or")
}

fn joined<T: Display>(parts: impl IntoIterator<Item = T>, word: &str) -> String {
    let parts: Vec<String> = parts.into_iter().map(|part| part.to_string()).collect();
    match parts.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// The beginning of a text, whole characters of at most `max_bytes` in total.
pub fn beginning(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_misspelled_names_are_near() {
        let names = ["cron", "count", "timeout_seconds", "max_attempts", "tags", "url"];
        let near = |text| nearest(text, names.into_iter());
        for (text, name) in [
            ("tgas", "tags"),
            ("tag", "tags"),
            ("uri", "url"),
            ("Cron", "cron"),
            ("timeoutSeconds", "timeout_seconds"),
            ("max-atempts", "max_attempts"),
        ] {
            assert_eq!(near(text), Some(name), "{text}");
        }
        for other in ["timezone", "corn_job", "time", "at", "", "retries", "u", &"x".repeat(1000)] {
            assert_eq!(near(other), None, "{other}");
        }
    }

    #[test]
    fn a_beginning_ends_with_a_character() {
        for (bytes, expected) in [(0, ""), (1, "a"), (2, "a"), (3, "aä"), (9, "aä")] {
            assert_eq!(beginning("aä", bytes), expected);
        }
    }

    #[test]
    fn lists_in_a_sentence() {
        assert_eq!((one_of(["a"]), all_of(["a", "b"])), ("a".into(), "a and b".into()));
        assert_eq!(one_of(["a", "b", "c"]), "a, b or c");
    }
}
