//! Reads YAML into nodes. It refuses what makes files surprising: keys that are there twice, merge keys, tags, aliases without end.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, SpannedEventReceiver};
use std::{collections::HashMap, rc::Rc};

use crate::node::{Entry, Node, Place, Value};

/// With all copies that aliases make.
const MAX_NODES: usize = 200_000;
const MAX_DEPTH: usize = 64;

/// Why a file is not read.
#[derive(Debug)]
pub struct Error {
    pub place: Place,
    pub text: String,
}

/// The documents of a file that have content.
pub fn documents(file: &str, text: &str) -> Result<Vec<Node>, Error> {
    let mut reader = Reader { file: Rc::from(file), ..Reader::default() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = Parser::new_from_str(text).load(&mut reader, true);
    if let Some(error) = reader.error {
        return Err(error);
    }
    if let Err(error) = parsed {
        let marker = error.marker();
        let place = Place { file: reader.file, line: marker.line(), column: marker.col() + 1 };
        return Err(Error { place, text: error.info().to_owned() });
    }
    Ok(reader.documents)
}

#[derive(Default)]
struct Reader {
    file: Rc<str>,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    error: Option<Error>,
}

/// A list or map that is being read.
struct Open {
    place: Place,
    anchor: usize,
    content: Content,
    nodes_before: usize,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Place)> },
}

impl Reader {
    fn place(&self, span: Span) -> Place {
        Place { file: Rc::clone(&self.file), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn fail(&mut self, place: Place, text: impl Into<String>) {
        self.error.get_or_insert(Error { place, text: text.into() });
    }

    fn start(&mut self, span: Span, anchor: usize, content: Content) {
        let place = self.place(span);
        if self.open.len() >= MAX_DEPTH {
            self.fail(place.clone(), format!("The file nests more than {MAX_DEPTH} levels."));
        }
        self.open.push(Open { place, anchor, content, nodes_before: self.nodes });
    }

    fn end(&mut self) {
        let Some(Open { place, anchor, content, nodes_before }) = self.open.pop() else { return };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { value, place: Some(place.clone()) };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - nodes_before + 1));
        }
        self.add(node, place);
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, span: Span) {
        let place = self.place(span);
        let is_key = matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }));
        if is_key {
            self.key(text.to_owned(), style, place);
            return;
        }
        let value = match style {
            ScalarStyle::Plain => match plain(text) {
                Some(value) => value,
                None => return self.fail(place, format!("{text} is not a number that JSON has.")),
            },
            _ => Value::String(text.to_owned()),
        };
        let node = Node { value, place: Some(place.clone()) };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), 1));
        }
        self.add(node, place);
    }

    fn key(&mut self, text: String, style: ScalarStyle, place: Place) {
        if text == "<<" && style == ScalarStyle::Plain {
            return self.fail(place, "Merge keys (<<) are not supported. Use defaults.");
        }
        let Some(Open { content: Content::Map { entries, key }, .. }) = self.open.last_mut() else { return };
        let first = entries.iter().find(|entry| entry.key == text).and_then(|entry| entry.place.clone());
        match first {
            Some(first) => self.fail(place, format!("{text} is already there, at {first}.")),
            None => *key = Some((text, place)),
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) {
        let place = self.place(span);
        match self.anchors.get(&anchor).cloned() {
            Some((node, size)) => {
                self.nodes = self.nodes.saturating_add(size);
                // The error of an alias is at its use.
                self.add(Node { place: Some(place.clone()), ..node }, place);
            }
            None => self.fail(place, "An alias refers to a value that contains it."),
        }
    }

    fn add(&mut self, node: Node, place: Place) {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            return self.fail(place, format!("The file has more than {MAX_NODES} values."));
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open { content: Content::List(items), .. }) => items.push(node),
            Some(Open { content: Content::Map { entries, key }, .. }) => match key.take() {
                Some((key, at)) => entries.push(Entry { key, place: Some(at), value: node }),
                None => self.fail(place, "A key must be a word or a text."),
            },
        }
    }
}

impl<'input> SpannedEventReceiver<'input> for Reader {
    fn on_event(&mut self, event: Event<'input>, span: Span) {
        if self.error.is_some() {
            return;
        }
        if let Event::Scalar(.., Some(tag))
        | Event::SequenceStart(_, Some(tag))
        | Event::MappingStart(_, Some(tag)) = &event
        {
            let text = format!("The tag {}{} is not supported.", tag.handle, tag.suffix);
            return self.fail(self.place(span), text);
        }
        match event {
            Event::Scalar(text, style, anchor, _) => self.scalar(&text, style, anchor, span),
            Event::SequenceStart(anchor, _) => self.start(span, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.start(span, anchor, Content::Map { entries: Vec::new(), key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, span),
            // An empty document is a null, which is not one of jobs.
            Event::DocumentEnd => {
                self.anchors.clear();
                self.documents.pop_if(|node| node.value == Value::Null);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
    }
}

/// A plain scalar by the core schema of YAML 1.2: `on` and `no` are words. `None` for infinity and what is not a number.
fn plain(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if matches!(text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str(), ".inf" | ".nan") => {
            return None;
        }
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    })
}

/// A number as JSON writes it.
fn number(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let radix =
        |digits: &str, radix| i64::from_str_radix(digits, radix).ok().map(|number| number.to_string());
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    if !is_number {
        return None;
    }
    if serde_json::from_str::<serde_json::Number>(text).is_ok() {
        return Some(text.to_owned());
    }
    if unsigned.chars().all(|c| c.is_ascii_digit()) {
        return text.parse::<i64>().ok().map(|number| number.to_string());
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| format!("{number:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        match documents("f", text) {
            Ok(documents) => documents.iter().map(Node::to_json).collect::<Vec<_>>().join(" "),
            Err(Error { place, text }) => format!("{place} {text}"),
        }
    }

    #[test]
    fn scalars_follow_yaml_1_2() {
        for (yaml, expected) in [
            ("[on, no, Yes, true, ~, null]", r#"["on","no","Yes",true,null,null]"#),
            ("[1, 012, +3, -4, 0x1F, 0o17, 1.10, .5, 1e3]", "[1,12,3,-4,31,15,1.10,0.5,1e3]"),
            ("['1', \"2\", 1.2.3, 12:30, 1-2, '']", r#"["1","2","1.2.3","12:30","1-2",""]"#),
            ("{a: {b: 1}, c: [x]}", r#"{"a":{"b":1},"c":["x"]}"#),
            ("a: 1\n---\n---\nb: 2\n", r#"{"a":1} {"b":2}"#),
            ("a: &x {b: 1}\nc: *x\n", r#"{"a":{"b":1},"c":{"b":1}}"#),
            ("200: ok\n", r#"{"200":"ok"}"#),
            ("a: .inf", "f:1:4 .inf is not a number that JSON has."),
            ("a: 1\nb: 2\na: 3\n", "f:3:1 a is already there, at f:1:1."),
            ("<<: {a: 1}\n", "f:1:1 Merge keys (<<) are not supported. Use defaults."),
            ("a: !!binary x\n", "f:1:4 The tag tag:yaml.org,2002:binary is not supported."),
        ] {
            assert_eq!(json(yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn aliases_cannot_multiply_without_end() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, before) in "bcdefgh".chars().zip("abcdefg".chars()) {
            bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", ")));
        }
        assert!(json(&bomb).contains("The file has more than 200000 values."), "{}", json(&bomb));
    }
}
