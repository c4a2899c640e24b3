//! A JSON document from which readers take fields. What no reader takes remains, and is reported: so nothing is dropped silently,
//! whatever a reader forgets.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    builder::Builder,
    finding::{Part, Place},
    output::Output,
};
use crate::domain::invalid::Invalid;

/// A small value takes several times as much memory as its text.
const MAX_VALUES: usize = 200_000;

pub(super) struct Document {
    root: Value,
    /// The objects and lists into which a reader has looked, by their pointers.
    opened: RefCell<BTreeSet<String>>,
}

/// A value of the document that is not yet taken.
pub(super) struct Node<'d> {
    value: &'d mut Value,
    pointer: String,
    opened: &'d RefCell<BTreeSet<String>>,
}

/// The fields of an object that are not yet taken.
pub(super) struct Fields<'d> {
    map: &'d mut Map<String, Value>,
    pointer: String,
    opened: &'d RefCell<BTreeSet<String>>,
}

impl Document {
    /// # Errors
    /// `source_invalid`: it is not JSON, or a field is given twice, of which one would be lost. `source_too_large`: it has too many values.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let (left, mut reader) = (Cell::new(MAX_VALUES), serde_json::Deserializer::from_str(text));
        let root = Unique(&left).deserialize(&mut reader);
        let root = root.and_then(|root| reader.end().map(|()| root)).map_err(unreadable)?;
        Ok(Self { root, opened: RefCell::default() })
    }

    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    pub(super) fn node(&mut self) -> Node<'_> {
        Node { value: &mut self.root, pointer: String::new(), opened: &self.opened }
    }

    /// The pointers of what remains: whole objects and lists into which no reader has looked, and single fields of the others.
    pub(super) fn remaining(&self) -> Vec<String> {
        let mut found = Vec::new();
        remaining(&self.root, String::new(), &self.opened.borrow(), &mut found);
        found
    }
}

fn unreadable(error: serde_json::Error) -> Invalid {
    let text = error.to_string();
    if text.starts_with(TOO_MANY) {
        let detail = format!("The source has more than {MAX_VALUES} values.");
        return Invalid::new("source_too_large", detail).hint("Convert it in parts.");
    }
    let what = if text.starts_with(TWICE) { "a field is given twice" } else { "the text is not JSON" };
    let (line, column) = (error.line(), error.column());
    let detail = format!("The source cannot be read: {what}, at line {line}, column {column}.");
    Invalid::new("source_invalid", detail)
}

/// Nothing is lost with null, or with an empty object or list.
fn remaining(value: &Value, pointer: String, opened: &BTreeSet<String>, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(map) if map.is_empty() => {}
        Value::Array(list) if list.is_empty() => {}
        Value::Object(map) if opened.contains(&pointer) => {
            map.iter().for_each(|(name, value)| remaining(value, join(&pointer, name), opened, found));
        }
        Value::Array(list) if opened.contains(&pointer) => {
            let items = list.iter().enumerate();
            items.for_each(|(at, value)| remaining(value, format!("{pointer}/{at}"), opened, found));
        }
        _ => found.push(pointer),
    }
}

/// RFC 6901 §3.
fn join(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl<'d> Node<'d> {
    pub(super) fn place(&self) -> Place {
        Place::Pointer(self.pointer.clone())
    }

    pub(super) fn fields(self) -> Option<Fields<'d>> {
        let Self { value, pointer, opened } = self;
        let map = value.as_object_mut()?;
        opened.borrow_mut().insert(pointer.clone());
        Some(Fields { map, pointer, opened })
    }

    /// The items of a list, or the value itself.
    pub(super) fn items(self) -> Vec<Node<'d>> {
        let Self { value, pointer, opened } = self;
        if !value.is_array() {
            return vec![Node { value, pointer, opened }];
        }
        opened.borrow_mut().insert(pointer.clone());
        let items = value.as_array_mut().into_iter().flatten().enumerate();
        items.map(|(at, value)| Node { value, pointer: format!("{pointer}/{at}"), opened }).collect()
    }

    /// The items of a list, of an object with the list in this field, or the value itself. `envelope`: what else such an object has.
    pub(super) fn items_in(self, name: &str, envelope: &[&str], output: &mut Output<'_>) -> Vec<Node<'d>> {
        let is_in = self.value.get(name).is_some_and(Value::is_array);
        if !is_in {
            return self.items();
        }
        let Some(mut fields) = self.fields() else { return Vec::new() };
        for name in envelope {
            if let Some(place) = fields.part(name).place.filter(|_| fields.take(name).is_some()) {
                output.no_meaning(place, name, "It is about the list, and not about a job.");
            }
        }
        let Fields { map, pointer, opened } = fields;
        let value = map.get_mut(name).into_iter();
        value.flat_map(|value| Node { value, pointer: join(&pointer, name), opened }.items()).collect()
    }
}

impl<'d> Fields<'d> {
    pub(super) fn place(&self) -> Place {
        Place::Pointer(self.pointer.clone())
    }

    /// A field, to report something about it.
    pub(super) fn part(&self, name: &str) -> Part {
        Part { place: Some(Place::Pointer(join(&self.pointer, name))), text: name.to_owned() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// The names of the fields that are not yet taken.
    pub(super) fn names(&self) -> Vec<String> {
        self.map.keys().cloned().collect()
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn take_if<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = read(self.map.get(name)?)?;
        self.map.remove(name);
        Some(value)
    }

    /// A text that remains.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.map.get(name)?.as_str()
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take_if(name, |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take_if(name, Value::as_bool)
    }

    pub(super) fn integer(&mut self, name: &str) -> Option<i64> {
        self.take_if(name, Value::as_i64)
    }

    pub(super) fn integers(&mut self, name: &str) -> Option<Vec<i64>> {
        self.take_if(name, |value| value.as_array()?.iter().map(Value::as_i64).collect())
    }

    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        self.take_if(name, |value| {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        })
    }

    pub(super) fn object(&mut self, name: &str) -> Option<Fields<'_>> {
        let pointer = join(&self.pointer, name);
        Node { value: self.map.get_mut(name)?, pointer, opened: self.opened }.fields()
    }

    /// The items of a list; none if there is no list.
    pub(super) fn list(&mut self, name: &str) -> Vec<Node<'_>> {
        let pointer = join(&self.pointer, name);
        let value = self.map.get_mut(name).filter(|value| value.is_array());
        value.map_or_else(Vec::new, |value| Node { value, pointer, opened: self.opened }.items())
    }

    /// The fields of an object whose values are texts.
    pub(super) fn pairs(&mut self, name: &str) -> Vec<(String, String)> {
        let Some(mut fields) = self.object(name) else { return Vec::new() };
        let names = fields.names().into_iter();
        names.filter_map(|name| fields.text(&name).map(|value| (name, value))).collect()
    }

    /// Takes fields that say nothing about a job here.
    pub(super) fn no_meaning(&mut self, job: &mut Builder, names: &[&str], why: &str) {
        for name in names {
            let part = self.part(name);
            if self.take(name).is_some() {
                job.no_meaning(part, why);
            }
        }
    }

    /// Takes fields that the job should have and cannot have.
    pub(super) fn lost(&mut self, job: &mut Builder, names: &[&str], why: &Invalid) {
        for name in names {
            let part = self.part(name);
            if self.take(name).is_some() {
                job.lost(part, why.clone());
            }
        }
    }

    /// A text without which there is no job.
    pub(super) fn required(&mut self, name: &str) -> Result<String, Invalid> {
        self.text(name).ok_or_else(|| {
            Invalid::new("field_missing", format!("The field {name} is missing, or is not a string."))
        })
    }
}

const TWICE: &str = "duplicate field";
const TOO_MANY: &str = "too many values";

/// Reads a value in which no object has a name twice, and counts down the values that there may be.
#[derive(Clone, Copy)]
struct Unique<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.set(self.0.get().checked_sub(1).ok_or_else(|| de::Error::custom(TOO_MANY))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if map.insert(name, entries.next_value_seed(self)?).is_some() {
                return Err(de::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_remains() {
        let text = r#"{"a": "x", "b": {"c": 1, "d": "y", "e": null}, "f": [{"g": 1}, 2], "h": {"i": {}}, "j/k": true, "l": []}"#;
        let mut document = Document::parse(text).unwrap();
        let mut fields = document.node().fields().unwrap();
        assert_eq!(fields.text("a").as_deref(), Some("x"));
        assert_eq!(fields.object("b").unwrap().integer("c"), Some(1));
        // Of another type than expected: not taken.
        assert_eq!(fields.text("j/k"), None);
        assert_eq!(fields.list("f").len(), 2);
        assert_eq!(document.remaining(), ["/b/d", "/f/0", "/f/1", "/h", "/j~1k"]);
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        for text in ["{\"a\": 1, \"a\": 2}", "[{\"a\": {\"b\": 1, \"b\": 1}}]", "{", "", "1e999", "{} x"] {
            assert_eq!(Document::parse(text).err().unwrap().code, "source_invalid", "{text}");
        }
        assert!(Document::parse("[]").is_ok());
    }
}
