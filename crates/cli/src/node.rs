//! A tree of values as a file has them: in order, numbers as they are written, and each with its place.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{fmt, rc::Rc};

/// A place in a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: Rc<str>,
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    /// `None` if it comes from a response or an option.
    pub place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// As JSON writes it.
    Number(String),
    String(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub place: Option<Place>,
    pub value: Node,
}

impl Node {
    pub const fn new(value: Value) -> Self {
        Self { value, place: None }
    }

    pub fn string(text: impl Into<String>) -> Self {
        Self::new(Value::String(text.into()))
    }

    pub fn number(number: impl ToString) -> Self {
        Self::new(Value::Number(number.to_string()))
    }

    pub const fn bool(value: bool) -> Self {
        Self::new(Value::Bool(value))
    }

    pub const fn map() -> Self {
        Self::new(Value::Map(Vec::new()))
    }

    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::new(Value::List(items.into_iter().collect()))
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Sets an entry of a map. Another value than a map becomes one.
    pub fn set(&mut self, key: &str, value: Self) {
        let entries = self.entries_mut();
        match entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.value = value,
            None => {
                let place = value.place.clone();
                entries.push(Entry { key: key.to_owned(), place, value });
            }
        }
    }

    /// Sets a value at a path, and makes the maps on the way.
    pub fn set_at(&mut self, path: &[&str], value: Self) {
        let Some((last, parents)) = path.split_last() else { return };
        let mut node = self;
        for key in parents {
            let entries = node.entries_mut();
            let at = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
                entries.push(Entry { key: (*key).to_owned(), place: None, value: Self::map() });
                entries.len() - 1
            });
            node = &mut entries[at].value;
        }
        node.set(last, value);
    }

    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else { return None };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at))
    }

    fn entries_mut(&mut self) -> &mut Vec<Entry> {
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        match &mut self.value {
            Value::Map(entries) => entries,
            _ => unreachable!("it was made a map above"),
        }
    }

    /// Lays this under `over`: maps are merged, and everything else of `over` wins.
    #[must_use]
    pub fn under(&self, over: &Self) -> Self {
        if !matches!((&self.value, &over.value), (Value::Map(_), Value::Map(_))) {
            return over.clone();
        }
        let mut merged = over.clone();
        for entry in self.entries() {
            match over.get(&entry.key) {
                Some(value) => merged.set(&entry.key, entry.value.under(value)),
                None => merged.entries_mut().push(entry.clone()),
            }
        }
        merged
    }

    /// The place of a JSON pointer: of the key or item itself or, if it is missing, of what should contain it.
    pub fn place_of(&self, pointer: &str) -> Option<Place> {
        let (mut node, mut place) = (self, self.place.clone());
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let next = match &node.value {
                Value::Map(entries) => entries
                    .iter()
                    .find(|entry| entry.key == token)
                    .map(|entry| (&entry.value, entry.value.place.as_ref().or(entry.place.as_ref()))),
                Value::List(items) => token
                    .parse::<usize>()
                    .ok()
                    .and_then(|at| items.get(at))
                    .map(|item| (item, item.place.as_ref())),
                _ => None,
            };
            let Some((value, of_value)) = next else { break };
            node = value;
            place = of_value.cloned().or(place);
        }
        place
    }

    /// Calls `visit` for each string value, not for keys.
    pub fn strings_mut(&mut self, visit: &mut impl FnMut(&mut String, Option<&Place>)) {
        match &mut self.value {
            Value::String(text) => visit(text, self.place.as_ref()),
            Value::List(items) => items.iter_mut().for_each(|item| item.strings_mut(visit)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| entry.value.strings_mut(visit)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Reads JSON.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let text = json.trim();
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let Fields(fields) = serde_json::from_str(text)?;
                let entry = |(key, value): (String, &RawValue)| {
                    Ok(Entry { key, place: None, value: Self::from_json(value.get())? })
                };
                Value::Map(fields.into_iter().map(entry).collect::<Result<_, serde_json::Error>>()?)
            }
            Some(b'[') => {
                let Items(items) = serde_json::from_str(text)?;
                let items = items.into_iter().map(|item| Self::from_json(item.get()));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::String(serde_json::from_str(text)?),
            _ => match serde_json::from_str::<serde_json::Value>(text)? {
                serde_json::Value::Null => Value::Null,
                serde_json::Value::Bool(value) => Value::Bool(value),
                _ => Value::Number(text.to_owned()),
            },
        };
        Ok(Self::new(value))
    }

    /// Writes JSON.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }

    fn write_json(&self, json: &mut String) {
        match &self.value {
            Value::Null => json.push_str("null"),
            Value::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => json.push_str(number),
            Value::String(text) => json.push_str(&quoted(text)),
            Value::List(items) => {
                json.push('[');
                for (at, item) in items.iter().enumerate() {
                    json.push_str(if at == 0 { "" } else { "," });
                    item.write_json(json);
                }
                json.push(']');
            }
            Value::Map(entries) => {
                json.push('{');
                for (at, entry) in entries.iter().enumerate() {
                    json.push_str(if at == 0 { "" } else { "," });
                    json.push_str(&quoted(&entry.key));
                    json.push(':');
                    entry.value.write_json(json);
                }
                json.push('}');
            }
        }
    }
}

/// A string as JSON writes it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Fields<'a>(Vec<(String, &'a RawValue)>);
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_order_and_its_numbers() {
        let json = r#"{"z":1.10,"a":[1e3,-0,"\n",null,true],"m":{}}"#;
        assert_eq!(Node::from_json(json).unwrap().to_json(), json);
    }

    #[test]
    fn defaults_lie_under_a_job() {
        let [defaults, job, expected] = [
            r#"{"tags":["a"],"request":{"timeout_seconds":5,"headers":{"A":"1"}}}"#,
            r#"{"tags":[],"request":{"url":"x","headers":{"B":"2"}}}"#,
            r#"{"tags":[],"request":{"url":"x","headers":{"B":"2","A":"1"},"timeout_seconds":5}}"#,
        ]
        .map(|json| Node::from_json(json).unwrap());
        assert_eq!(defaults.under(&job), expected);
    }
}
