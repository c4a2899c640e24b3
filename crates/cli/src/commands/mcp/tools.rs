//! The tools: what they are for, what they take, and which scopes they need.

use rmcp::model::{Tool as Definition, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Clone, Copy)]
pub enum Tool {
    ListJobs,
    GetJob,
    ListExecutions,
    GetExecution,
    ExplainJob,
    ExplainSchedule,
    CheckLedger,
    Convert,
    ApplyJobs,
    RunJob,
    SetJobState,
    ReplayExecution,
}

impl Tool {
    pub const ALL: [Self; 12] = [
        Self::ListJobs,
        Self::GetJob,
        Self::ListExecutions,
        Self::GetExecution,
        Self::ExplainJob,
        Self::ExplainSchedule,
        Self::CheckLedger,
        Self::Convert,
        Self::ApplyJobs,
        Self::RunJob,
        Self::SetJobState,
        Self::ReplayExecution,
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::ListJobs => "list_jobs",
            Self::GetJob => "get_job",
            Self::ListExecutions => "list_executions",
            Self::GetExecution => "get_execution",
            Self::ExplainJob => "explain_job",
            Self::ExplainSchedule => "explain_schedule",
            Self::CheckLedger => "check_ledger",
            Self::Convert => "convert",
            Self::ApplyJobs => "apply_jobs",
            Self::RunJob => "run_job",
            Self::SetJobState => "set_job_state",
            Self::ReplayExecution => "replay_execution",
        }
    }

    pub const fn is_write(self) -> bool {
        matches!(self, Self::ApplyJobs | Self::RunJob | Self::SetJobState | Self::ReplayExecution)
    }

    /// The scopes that a token needs for it. A plan reads what it would change.
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::ListJobs | Self::GetJob | Self::ExplainSchedule | Self::Convert => &["jobs:read"],
            Self::ListExecutions | Self::GetExecution | Self::ExplainJob | Self::CheckLedger => {
                &["executions:read"]
            }
            Self::ApplyJobs => &["jobs:write"],
            Self::SetJobState => &["jobs:read", "jobs:write"],
            Self::RunJob => &["jobs:read", "jobs:run"],
            Self::ReplayExecution => &["executions:read", "jobs:read", "jobs:run"],
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::ListJobs => {
                "Lists jobs, newest first, 20 at a time: schedule, state, health, next run. Without bodies of requests."
            }
            Self::GetJob => "Returns a job with its whole definition.",
            Self::ListExecutions => "Lists executions, newest first, 20 at a time: when, status, error.",
            Self::GetExecution => {
                "Returns an execution with its attempts: timing, status codes, error. Responses are left out unless `include_body` is true; \
                 `untrusted_body` then has the first 2 KiB."
            }
            Self::ExplainJob => "Says in a sentence why a job ran, or did not run, at an instant.",
            Self::ExplainSchedule => {
                "Says what a schedule means in words, when it fires next, and what clock changes do to it. Nothing is saved."
            }
            Self::CheckLedger => {
                "Compares the fires that were due with the executions that are recorded, for a job or for all jobs: gaps and duplicates are 0 \
                 when no fire was lost and none ran twice."
            }
            Self::Convert => {
                "Converts curl commands, crontabs, HTTP files and exports of other schedulers into jobs for `apply_jobs`, and says what cannot \
                 be kept. Nothing is saved. Values of credentials are left out: the user stores them as secrets."
            }
            Self::ApplyJobs => {
                "Makes the jobs of a stack what `jobs` says: creates and changes jobs, and with `prune` pauses or deletes those of the stack that \
                 are not in `jobs`. Without `confirm`, returns the plan."
            }
            Self::RunJob => {
                "Makes a job's request now, and waits for the result. Without `confirm`, returns the request."
            }
            Self::SetJobState => "Pauses or resumes a job's schedule. Without `confirm`, returns the plan.",
            Self::ReplayExecution => {
                "Makes the request of an execution again, with the current definition of its job. Without `confirm`, returns the request."
            }
        }
    }

    fn annotations(self) -> ToolAnnotations {
        let is_open = matches!(self, Self::RunJob | Self::ReplayExecution);
        let annotations = ToolAnnotations::new().read_only(!self.is_write()).open_world(is_open);
        if self.is_write() {
            annotations
                .destructive(!matches!(self, Self::SetJobState))
                // A confirmation makes a request once.
                .idempotent(true)
        } else {
            annotations
        }
    }

    pub fn definition(self) -> Definition {
        let mut input = Map::new();
        input.insert("type".to_owned(), json!("object"));
        input.insert("properties".to_owned(), self.properties());
        input.insert("required".to_owned(), json!(self.required()));
        input.insert("additionalProperties".to_owned(), json!(false));
        Definition::new(self.name(), self.description(), Arc::new(input)).with_annotations(self.annotations())
    }

    const fn required(self) -> &'static [&'static str] {
        match self {
            Self::ListJobs | Self::ListExecutions | Self::CheckLedger => &[],
            Self::GetJob | Self::RunJob => &["job"],
            Self::GetExecution | Self::ReplayExecution => &["execution"],
            Self::ExplainJob => &["job", "at"],
            Self::ExplainSchedule => &["kind", "schedule"],
            Self::Convert => &["source"],
            Self::ApplyJobs => &["stack", "jobs"],
            Self::SetJobState => &["job", "state"],
        }
    }

    fn properties(self) -> Value {
        match self {
            Self::ListJobs => json!({
                "state": { "type": "string", "enum": ["active", "paused", "draft", "completed"] },
                "health": { "type": "string", "enum": ["well", "failing", "never_ran", "will_fail"] },
                "tag": { "type": "string" },
                "stack": { "type": "string" },
                "host": { "type": "string", "description": "The host that the request calls" },
                "q": { "type": "string", "description": "A part of the name, the key or the URL" },
                "cursor": cursor(),
            }),
            Self::GetJob => json!({ "job": job() }),
            Self::ListExecutions => json!({
                "job": job(),
                "status": { "type": "string", "description": "One or more, separated by commas: queued, running, retrying, succeeded, failed, skipped, cancelled" },
                "from": time("Due at or after this time"),
                "to": time("Due before this time"),
                "cursor": cursor(),
            }),
            Self::GetExecution => json!({
                "execution": execution(),
                "include_body": { "type": "boolean", "description": "Include the beginning of each response, which the target wrote: it is not to be trusted" },
            }),
            Self::ExplainJob => json!({ "job": job(), "at": time("The instant of the fire") }),
            Self::ExplainSchedule => json!({
                "kind": { "type": "string", "enum": ["recurring", "cron", "scheduled"] },
                "schedule": schedule(),
                "count": { "type": "integer", "minimum": 1, "maximum": 100, "description": "How many fires; 5 unless it is given" },
                "from": time("Fires after this time; now unless it is given"),
            }),
            Self::CheckLedger => json!({
                "job": { "type": "string", "description": "The id or the key of a job; all jobs unless it is given" },
                "from": time("The start of the window"),
                "to": time("The end of the window"),
            }),
            Self::Convert => json!({
                "source": { "description": "The text, or the JSON itself" },
                "format": { "type": "string", "description": "auto, unless it is given" },
            }),
            Self::ApplyJobs => json!({
                "stack": { "type": "string", "description": "The name of the set of jobs" },
                "jobs": {
                    "type": "object",
                    "description": "All jobs of the stack by their keys",
                    "additionalProperties": definition_of_job(),
                },
                "prune": { "type": "string", "enum": ["keep", "pause", "delete"], "description": "keep, unless it is given" },
                "max_deletes": { "type": "integer", "minimum": 0, "maximum": 1000, "description": "10 unless it is given" },
                "confirm": confirm(),
            }),
            Self::RunJob => json!({ "job": job(), "confirm": confirm() }),
            Self::SetJobState => json!({
                "job": job(),
                "state": { "type": "string", "enum": ["active", "paused"] },
                "confirm": confirm(),
            }),
            Self::ReplayExecution => json!({ "execution": execution(), "confirm": confirm() }),
        }
    }
}

fn job() -> Value {
    json!({ "type": "string", "description": "The id or the key of a job" })
}

fn execution() -> Value {
    json!({ "type": "string", "description": "The id of an execution" })
}

fn time(description: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": description })
}

fn cursor() -> Value {
    json!({ "type": "string", "description": "`next_cursor` of the page before, with the same filters" })
}

fn confirm() -> Value {
    json!({ "type": "string", "description": "From the plan that the user has seen. It holds for 15 minutes and for that plan only." })
}

fn schedule() -> Value {
    json!({
        "type": "object",
        "description": "One of `cron` with `timezone`, `every_n_minutes`, `run_at`",
        "properties": {
            "cron": { "type": "string", "description": "Five fields" },
            "timezone": { "type": "string", "description": "Such as Europe/Berlin; UTC unless it is given" },
            "every_n_minutes": { "type": "integer", "minimum": 1 },
            "run_at": { "type": "string", "format": "date-time" },
        },
    })
}

/// The fields that agents need; the others are in the documentation of the API. A test compares the names with the document.
fn definition_of_job() -> Value {
    json!({
        "type": "object",
        "required": ["name", "request"],
        "properties": {
            "name": { "type": "string" },
            "kind": { "type": "string", "enum": ["recurring", "cron", "scheduled"] },
            "schedule": schedule(),
            "request": {
                "type": "object",
                "required": ["url"],
                "properties": {
                    "url": { "type": "string" },
                    "method": { "type": "string" },
                    "headers": { "type": "object", "additionalProperties": { "type": "string" }, "description": "A credential is secret://NAME" },
                    "body": { "description": "A string is sent as it is, other JSON as JSON" },
                    "timeout_seconds": { "type": "integer", "minimum": 1, "maximum": 300 },
                    "success_statuses": { "type": "array", "description": "Numbers, and ranges such as 2xx" },
                },
            },
            "state": { "type": "string", "enum": ["active", "paused", "draft"] },
            "tags": { "type": "array", "items": { "type": "string" } },
            "retry_policy": { "type": "object" },
            "delivery": { "type": "string", "enum": ["at_least_once", "at_most_once"] },
            "misfire_policy": { "type": "string", "enum": ["fire_once", "skip", "catch_up"] },
            "overlap_policy": { "type": "string", "enum": ["queue", "skip"] },
            "concurrency_limit": { "type": ["integer", "null"] },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    fn document() -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    fn keys(object: &Value) -> Vec<&String> {
        object.as_object().unwrap().keys().collect()
    }

    #[test]
    fn what_a_tool_requires_is_among_what_it_takes() {
        for tool in Tool::ALL {
            let properties = tool.properties();
            for name in tool.required() {
                assert!(properties.get(name).is_some(), "{} has no {name}", tool.name());
            }
        }
    }

    #[test]
    fn fields_and_words_are_those_of_the_document_of_the_api() {
        let document = document();
        let schema = |name: &str| document["components"]["schemas"][name].clone();
        let job = definition_of_job();
        for (of, name) in [(&job, "AppliedJobInput"), (&job["properties"]["request"], "RequestInput")] {
            for field in keys(&of["properties"]) {
                assert!(schema(name)["properties"].get(field).is_some(), "{name} has no {field}");
            }
        }
        let schedules = ["CronScheduleInput", "RecurringScheduleInput", "ScheduledScheduleInput"].map(schema);
        for field in keys(&schedule()["properties"]) {
            assert!(schedules.iter().any(|schema| schema["properties"].get(field).is_some()), "{field}");
        }
        let property = |tool: Tool, name: &str| tool.properties()[name]["enum"].clone();
        let field = |name: &str| job["properties"][name]["enum"].clone();
        for (words, name) in [
            (property(Tool::ListJobs, "state"), "JobState"),
            (property(Tool::ListJobs, "health"), "HealthFilter"),
            (property(Tool::ExplainSchedule, "kind"), "DeclaredKind"),
            (property(Tool::ApplyJobs, "prune"), "Prune"),
            (field("kind"), "DeclaredKind"),
            (field("state"), "WantedState"),
            (field("delivery"), "Delivery"),
            (field("misfire_policy"), "MisfirePolicy"),
            (field("overlap_policy"), "OverlapPolicy"),
        ] {
            assert_eq!(sorted(&words), sorted(&schema(name)["enum"]), "{name}");
        }
        let statuses = property_text(Tool::ListExecutions, "status");
        for status in schema("ExecutionStatus")["enum"].as_array().unwrap() {
            assert!(statuses.contains(status.as_str().unwrap()), "{status}");
        }
        let scopes = sorted(&schema("Scope")["enum"]);
        for scope in Tool::ALL.into_iter().flat_map(Tool::scopes) {
            assert!(scopes.iter().any(|known| known == scope), "{scope}");
        }
    }

    fn sorted(words: &Value) -> Vec<String> {
        let mut words: Vec<String> =
            words.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        words.sort();
        words
    }

    fn property_text(tool: Tool, name: &str) -> String {
        tool.properties()[name]["description"].as_str().unwrap().to_owned()
    }
}
