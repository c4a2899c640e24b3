//! The fields of responses that tables show. Fields that are not here are never read.

use anstyle::Style;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    exit::{DIM, GREEN, RED, YELLOW},
    output::Row,
    table::Cell,
    times,
};

/// The colour of a state or status.
pub fn style_of(word: &str) -> Style {
    match word {
        "active" | "succeeded" | "success" | "well" => GREEN,
        "failed" | "failing" | "http_error" | "timeout" | "connection_error" | "blocked" => RED,
        "paused" | "retrying" | "interrupted" | "running" | "queued" => YELLOW,
        "draft" | "completed" | "cancelled" | "skipped" => DIM,
        _ => Style::new(),
    }
}

fn styled(word: &str) -> Cell {
    Cell::Styled(word.to_owned(), style_of(word))
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct JobRow {
    pub id: String,
    pub key: Option<String>,
    pub name: String,
    pub state: String,
    pub schedule_in_words: String,
    pub next_run_at: Option<Timestamp>,
    pub last_execution: Option<LastExecution>,
    pub version: i64,
    pub stack: Option<String>,
    pub tags: Vec<String>,
    pub execution_id: Option<String>,
    pub warnings: Vec<String>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct LastExecution {
    pub id: String,
    pub status: String,
    pub scheduled_for: Option<Timestamp>,
}

impl JobRow {
    /// The key or, without one, the id.
    pub fn handle(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.id)
    }
}

impl Row for JobRow {
    const HEADER: &'static [&'static str] = &["KEY", "NAME", "STATE", "SCHEDULE", "NEXT", "LAST"];

    fn id(&self) -> &str {
        self.handle()
    }

    fn cells(&self) -> Vec<Cell> {
        let last = self.last_execution.as_ref().map_or_else(
            || Cell::from(""),
            |last| Cell::StyledAt(last.status.clone(), style_of(&last.status), last.scheduled_for),
        );
        vec![
            self.handle().into(),
            self.name.clone().into(),
            styled(&self.state),
            self.schedule_in_words.clone().into(),
            Cell::Time(self.next_run_at),
            last,
        ]
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ExecutionRow {
    pub id: String,
    pub job_id: String,
    pub job_name: String,
    pub job_version: i64,
    pub status: String,
    pub source: String,
    pub scheduled_for: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub next_attempt_at: Option<Timestamp>,
    pub waiting_for: Option<String>,
    pub lateness_ms: Option<f64>,
    pub duration_ms: Option<f64>,
    pub attempt_count: i64,
    pub status_code: Option<u16>,
    pub error: Option<String>,
    pub error_class: Option<String>,
    pub replay_of: Option<String>,
    pub attempts: Vec<AttemptRow>,
}

impl Row for ExecutionRow {
    const HEADER: &'static [&'static str] =
        &["ID", "JOB", "STATUS", "CODE", "SOURCE", "SCHEDULED", "DURATION", "ATTEMPTS", "ERROR"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.clone().into(),
            self.job_name.clone().into(),
            styled(&self.status),
            self.status_code.map(|code| code.to_string()).unwrap_or_default().into(),
            self.source.clone().into(),
            Cell::Time(self.scheduled_for),
            self.duration_ms.map(times::milliseconds).unwrap_or_default().into(),
            self.attempt_count.to_string().into(),
            self.error.clone().unwrap_or_default().into(),
        ]
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct AttemptRow {
    pub number: i64,
    pub status: String,
    pub status_code: Option<u16>,
    pub error: Option<String>,
    pub started_at: Option<Timestamp>,
    pub timing: Timing,
    pub remote_address: Option<String>,
    pub http_version: Option<String>,
    pub response_headers: Vec<ResponseHeader>,
    pub response_bytes: i64,
    pub body_preview: String,
    pub body_encoding: String,
    pub body_truncated: bool,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Timing {
    pub dns_ms: Option<f64>,
    pub connect_ms: Option<f64>,
    pub tls_ms: Option<f64>,
    pub first_byte_ms: Option<f64>,
    pub body_ms: Option<f64>,
    pub total_ms: f64,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ResponseHeader {
    pub name: String,
    pub value: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct SecretRow {
    pub name: String,
    pub version: i64,
    pub updated_at: Option<Timestamp>,
    pub used_by: Vec<SecretUser>,
    pub warnings: Vec<String>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct SecretUser {
    pub job_id: String,
    pub name: String,
}

impl Row for SecretRow {
    const HEADER: &'static [&'static str] = &["NAME", "VERSION", "UPDATED"];

    fn id(&self) -> &str {
        &self.name
    }

    fn cells(&self) -> Vec<Cell> {
        vec![self.name.clone().into(), self.version.to_string().into(), Cell::Time(self.updated_at)]
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ChannelRow {
    pub id: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub config: serde_json::Value,
}

impl Row for ChannelRow {
    const HEADER: &'static [&'static str] = &["ID", "NAME", "TYPE", "TO"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self) -> Vec<Cell> {
        let to = match (&self.config["url"], &self.config["to"]) {
            (serde_json::Value::String(url), _) => url.clone(),
            (_, serde_json::Value::Array(to)) => {
                to.iter().filter_map(|to| to.as_str()).collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        };
        vec![self.id.clone().into(), self.name.clone().into(), self.kind.clone().into(), to.into()]
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct TokenRow {
    pub id: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub token: Option<String>,
}

impl Row for TokenRow {
    const HEADER: &'static [&'static str] = &["ID", "NAME", "SCOPES", "EXPIRES", "LAST USED"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.clone().into(),
            self.name.clone().into(),
            self.scopes.join(" ").into(),
            Cell::Time(self.expires_at),
            Cell::Time(self.last_used_at),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::{fs, path::Path};

    fn document() -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    fn check<T: Serialize + Default>(document: &Value, schema: &str) {
        let properties = &document["components"]["schemas"][schema]["properties"];
        let row = serde_json::to_value(T::default()).unwrap();
        for field in row.as_object().unwrap().keys() {
            assert!(properties.get(field).is_some(), "the API's {schema} has no field {field}");
        }
    }

    #[test]
    fn every_field_that_is_read_is_in_the_document_of_the_api() {
        let document = document();
        check::<JobRow>(&document, "Job");
        check::<LastExecution>(&document, "LastExecution");
        check::<ExecutionRow>(&document, "Execution");
        check::<AttemptRow>(&document, "Attempt");
        check::<Timing>(&document, "PhaseTimings");
        check::<ResponseHeader>(&document, "ResponseHeader");
        check::<SecretRow>(&document, "Secret");
        check::<SecretUser>(&document, "SecretUser");
        check::<ChannelRow>(&document, "Channel");
        check::<TokenRow>(&document, "Token");
    }

    /// `/v1/jobs/{job}/pause` in the code is `/v1/jobs/{id}/pause` in the document.
    fn shape(path: &str) -> String {
        let mut shape = String::new();
        let mut in_name = false;
        for c in path.chars() {
            match c {
                '{' => {
                    in_name = true;
                    shape.push('*');
                }
                '}' => in_name = false,
                _ if in_name => {}
                _ => shape.push(c),
            }
        }
        shape
    }

    fn sources(folder: &Path, texts: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, texts);
            } else if !path.ends_with("rows.rs") {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn every_path_that_is_called_is_in_the_document_of_the_api() {
        let document = document();
        let known: Vec<String> =
            document["paths"].as_object().unwrap().keys().map(|path| shape(path)).collect();
        let mut texts = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
        let mut count = 0;
        for text in &texts {
            for rest in text.split("\"/v1/").skip(1) {
                let path = rest.split(['"', '?']).next().unwrap();
                count += 1;
                assert!(known.contains(&shape(&format!("/v1/{path}"))), "the API has no path /v1/{path}");
            }
        }
        assert!(count > 20, "{count}");
    }
}
