//! The repetitions of each measurement, by name, in the order of their first one.

use serde::Serialize;
use serde_json::{Map, Value, json};
use trigrun_testkit::stats::median;

/// Named numbers of one measurement, for a comparison of builds.
pub type Figures = Vec<(String, f64)>;

#[derive(Clone, Debug)]
pub struct Series<T>(pub Vec<Row<T>>);

#[derive(Clone, Debug)]
pub struct Row<T> {
    pub name: String,
    pub repetitions: Vec<T>,
}

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Series<T> {
    pub fn add(&mut self, name: &str, repetition: T) {
        match self.0.iter_mut().find(|row| row.name == name) {
            Some(row) => row.repetitions.push(repetition),
            None => self.0.push(Row { name: name.to_owned(), repetitions: vec![repetition] }),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Row<T>> {
        self.0.iter().find(|row| row.name == name)
    }
}

impl<T> Row<T> {
    pub fn median(&self, value: impl Fn(&T) -> f64) -> f64 {
        median(self.repetitions.iter().map(value)).unwrap_or(f64::NAN)
    }
}

impl<T: Serialize> Series<T> {
    /// All repetitions, and the medians of their numbers.
    pub fn json(&self) -> anyhow::Result<Value> {
        let row = |row: &Row<T>| {
            let repetitions: Vec<Value> =
                row.repetitions.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
            let median = medians(&repetitions.iter().collect::<Vec<_>>());
            Ok(json!({ "name": row.name, "median": median, "repetitions": repetitions }))
        };
        self.0.iter().map(row).collect()
    }
}

/// Of numbers the median, of objects the medians of their members; of lists nothing.
fn medians(values: &[&Value]) -> Option<Value> {
    if let Some(Value::Object(first)) = values.first() {
        let of =
            |name: &String| medians(&values.iter().filter_map(|value| value.get(name)).collect::<Vec<_>>());
        let members = first.keys().filter_map(|name| Some((name.clone(), of(name)?)));
        return Some(Value::Object(members.collect::<Map<_, _>>()));
    }
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.as_f64()).collect();
    numbers.and_then(median).map(|median| json!(median))
}

pub const PROTOTYPE: &str = "prototype, ";

/// The name of the prototype's measurement under the same load.
pub fn of_prototype(load: &str) -> String {
    format!("{PROTOTYPE}{load}")
}

/// Whether it is a variant of another load: of the prototype, or under other circumstances. Only the tables show these.
pub fn is_variant(name: &str) -> bool {
    name.contains(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_numbers_have_medians() {
        let mut series = Series::default();
        for value in [3, 1, 2] {
            series.add("row", json!({ "a": value, "b": { "c": value * 10 }, "list": [value], "none": null }));
        }
        let json = series.json().unwrap();
        assert_eq!(json[0]["median"], json!({ "a": 2.0, "b": { "c": 20.0 } }));
        assert_eq!(json[0]["repetitions"].as_array().unwrap().len(), 3);
    }
}
