//! Writes nodes as YAML. A string is plain only if no reader could take it for something else.

use crate::node::{Node, Value, quoted};

/// The document, with a line feed at its end.
pub fn to_yaml(node: &Node) -> String {
    let mut yaml = String::new();
    write(node, 0, &mut yaml);
    if !yaml.ends_with('\n') {
        yaml.push('\n');
    }
    yaml.trim_start_matches('\n').to_owned()
}

/// Writes a value after its key, or at the start of the document.
fn write(node: &Node, indent: usize, yaml: &mut String) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                line(indent, yaml);
                yaml.push_str(&scalar(&entry.key));
                yaml.push(':');
                nested(&entry.value, indent + 2, yaml);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for item in items {
                line(indent, yaml);
                yaml.push('-');
                let start = yaml.len();
                nested(item, indent + 2, yaml);
                // A map or list begins on the line of its hyphen.
                let break_and_indent = format!("\n{}", " ".repeat(indent + 2));
                if yaml[start..].starts_with(&break_and_indent) {
                    yaml.replace_range(start..start + break_and_indent.len(), " ");
                }
            }
        }
        Value::String(text) => yaml.push_str(&scalar(text)),
        _ => yaml.push_str(&node.to_json()),
    }
}

fn nested(node: &Node, indent: usize, yaml: &mut String) {
    let is_flow = matches!(&node.value, Value::List(items) if items.iter().all(is_short));
    match &node.value {
        Value::List(items) if is_flow && !items.is_empty() => {
            let items: Vec<String> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_json(), scalar)).collect();
            yaml.push_str(&format!(" [{}]", items.join(", ")));
        }
        Value::Map(entries) if !entries.is_empty() => write(node, indent, yaml),
        Value::List(items) if !items.is_empty() => write(node, indent, yaml),
        Value::String(text) if is_block(text) => block(text, indent, yaml),
        _ => {
            yaml.push(' ');
            write(node, indent, yaml);
        }
    }
}

fn is_short(node: &Node) -> bool {
    match &node.value {
        Value::String(text) => text.len() < 40 && !(is_plain(text) && text.contains(',')),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::List(_) | Value::Map(_) => false,
    }
}

fn line(indent: usize, yaml: &mut String) {
    yaml.push('\n');
    yaml.push_str(&" ".repeat(indent));
}

/// Text of several lines that a block shows as it is.
fn is_block(text: &str) -> bool {
    let is_shown = |c: char| {
        c == '\n'
            || (!c.is_control() && c != '\u{feff}' && c != '\u{85}' && c != '\u{2028}' && c != '\u{2029}')
    };
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && text.chars().all(is_shown)
}

fn block(text: &str, indent: usize, yaml: &mut String) {
    yaml.push_str(if text.ends_with('\n') { " |" } else { " |-" });
    for content in text.trim_end_matches('\n').split('\n') {
        if content.is_empty() {
            yaml.push('\n');
        } else {
            line(indent, yaml);
            yaml.push_str(content);
        }
    }
}

fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

fn is_plain(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-./ @+=~:,()'%$".contains(c);
    let is_start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let is_reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    is_start
        && !is_reserved
        && text.chars().all(is_word)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !text.contains(" #")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::documents;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let json = r##"{"stack":"web","jobs":{"a":{"schedule":{"cron":"30 4 * * *","timezone":"Europe/Berlin"},"n":1.10,
            "tags":["a","team:b","no","1","",null,true,2],"body":"one\ntwo\n\n three\n","other":"\n x","list":[{"k":"v","l":[1,[2,["x"]]]},[],{}],
            "url":"https://e.com/?a=b#c","t":"a: b","c":"x #y","e":{},"s":" x ","u":"ü\u0001","z":"a\nb","d":"- x","q":"it's","k:":"x","last":"a\n\nb"}}}"##;
        let node = Node::from_json(json).unwrap();
        let yaml = to_yaml(&node);
        let read =
            documents("f", &yaml).unwrap_or_else(|error| panic!("{}: {}\n{yaml}", error.place, error.text));
        assert_eq!(read.len(), 1, "{yaml}");
        assert_eq!(read[0].to_json(), node.to_json(), "{yaml}");
    }
}
