//! `${NAME}` in texts, after the file has been read: a variable cannot change the structure of a file.

use crate::{
    environment,
    node::{Node, Place},
};

/// Replaces the variables in all texts. Returns those that are not set, with their places.
pub fn substitute(node: &mut Node) -> Vec<(Option<Place>, String)> {
    let mut missing = Vec::new();
    node.strings_mut(&mut |text, place| {
        if text.contains('$') {
            let replaced = replace(text, environment::defined, &mut |name| {
                missing.push((
                    place.cloned(),
                    format!("The variable {name} is not set. Set it, or write ${{{name}:-default}}."),
                ));
            });
            *text = replaced;
        }
    });
    missing
}

fn replace(text: &str, value: impl Fn(&str) -> Option<String>, missing: &mut impl FnMut(&str)) -> String {
    let (mut replaced, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        replaced.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            replaced.push('$');
            rest = after;
            continue;
        }
        let inner = rest.strip_prefix("${").and_then(|after| after.split_once('}'));
        let Some((inner, after)) =
            inner.filter(|(inner, _)| is_name(inner.split(":-").next().unwrap_or_default()))
        else {
            replaced.push('$');
            rest = &rest[1..];
            continue;
        };
        let (name, default) =
            inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
        // As in a shell, the default also stands for an empty value.
        match (value(name).filter(|value| default.is_none() || !value.is_empty()), default) {
            (Some(value), _) => replaced.push_str(&value),
            (None, Some(default)) => replaced.push_str(default),
            (None, None) => missing(name),
        }
        rest = after;
    }
    replaced + rest
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Writes all texts of a tree so that reading them as a file changes nothing.
pub fn escape(node: &mut Node) {
    node.strings_mut(&mut |text, _| {
        if text.contains("$$") || text.contains("${") {
            *text = text.replace('$', "$$");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_once() {
        let value = |name: &str| match name {
            "A" => Some("${B}".to_owned()),
            "E" => Some(String::new()),
            _ => None,
        };
        for (text, expected, names) in [
            ("x${A}y", "x${B}y", &[][..]),
            ("${N:-else}${E:-empty}${E}", "elseempty", &[]),
            ("$$ $${A} $5 ${a b} ${", "$ ${A} $5 ${a b} ${", &[]),
            ("{{uuid}} secret://a ${N} ${M}", "{{uuid}} secret://a  ", &["N", "M"]),
        ] {
            let mut missing = Vec::new();
            assert_eq!(replace(text, value, &mut |name| missing.push(name.to_owned())), expected);
            assert_eq!(missing, names);
        }
    }

    #[test]
    fn what_is_escaped_is_read_as_it_was() {
        for text in ["$", "$5", "$$", "${A}", "a$${A:-x}$", "$$$"] {
            let mut node = Node::string(text);
            escape(&mut node);
            let read = replace(node.as_str().unwrap(), |_| None, &mut |name| panic!("{name}"));
            assert_eq!(read, text);
        }
    }
}
