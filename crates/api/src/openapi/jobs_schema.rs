//! The JSON Schema of a file of jobs, for editors: the body of `POST /v1/jobs/apply` and what it refers to.

use serde_json::{Map, Value, json};

use super::each_object;

const ROOT: &str = "ApplyInput";
const COMPONENTS: &str = "#/components/schemas/";

pub fn of(document: &Value) -> Value {
    let all = document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut definitions = Map::new();
    let mut needed = vec![ROOT.to_owned()];
    while let Some(name) = needed.pop() {
        let Some(mut schema) = all.get(&name).filter(|_| !definitions.contains_key(&name)).cloned() else {
            continue;
        };
        each_object(&mut schema, &mut |object| needed.extend(refer_to_definition(object)));
        definitions.insert(name, schema);
    }
    let mut schema = definitions.remove(ROOT).unwrap_or_default();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("TrigRun jobs");
    schema["$defs"] = Value::Object(definitions);
    schema
}

/// Returns the name of the schema to which the object refers.
fn refer_to_definition(object: &mut Map<String, Value>) -> Option<String> {
    let Some(Value::String(reference)) = object.get_mut("$ref") else { return None };
    let name = reference.strip_prefix(COMPONENTS)?.to_owned();
    *reference = format!("#/$defs/{name}");
    Some(name)
}
