//! The options that describe a job, and the body that they make.

use clap::Args;
use trigrun_client::Call;

use crate::{
    context::Context,
    exit::Failure,
    node::{Node, Value},
    prompt, times,
};

/// The definition of a job.
#[derive(Args, Default)]
pub struct Definition {
    /// The URL to call
    #[arg(long, help_heading = "Request")]
    url: Option<String>,
    /// The method
    #[arg(short = 'X', long, value_name = "METHOD", help_heading = "Request")]
    method: Option<String>,
    /// A header, as 'Name: value'; a value may contain secret://NAME
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header, help_heading = "Request")]
    headers: Vec<(String, String)>,
    /// The body: a text, @FILE, or - for standard input; an object or array of JSON is sent as JSON
    #[arg(short = 'd', long = "data", value_name = "BODY", help_heading = "Request")]
    data: Option<String>,
    /// Take the request from a curl command in a file, or - for standard input
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    curl: Option<String>,
    /// How long an attempt may take, such as 20s
    #[arg(long, value_name = "DURATION", value_parser = times::seconds, help_heading = "Request")]
    timeout: Option<u64>,
    /// The statuses that count as success, such as 200,2xx
    #[arg(long, value_name = "STATUSES", value_delimiter = ',', help_heading = "Request")]
    success: Vec<String>,
    /// Run at the times of a cron expression
    #[arg(long, value_name = "EXPRESSION", group = "schedule", help_heading = "Schedule")]
    cron: Option<String>,
    /// The time zone of the cron expression, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", help_heading = "Schedule")]
    tz: Option<String>,
    /// Run every so many minutes, such as 15m or 2h
    #[arg(long, value_name = "DURATION", value_parser = times::minutes, group = "schedule", help_heading = "Schedule")]
    every: Option<u64>,
    /// Run once, at this time (RFC 3339)
    #[arg(long, value_name = "TIME", group = "schedule", help_heading = "Schedule")]
    at: Option<String>,
    /// Run once, now
    #[arg(long, group = "schedule", help_heading = "Schedule")]
    now: bool,
    /// What happens to fires that TrigRun missed: fire_once, skip or catch_up
    #[arg(long, value_name = "POLICY", help_heading = "Schedule")]
    misfire: Option<String>,
    /// How many missed fires catch_up runs
    #[arg(long, value_name = "NUMBER", help_heading = "Schedule")]
    catch_up_limit: Option<u32>,
    /// How many attempts an execution has at most
    #[arg(long, value_name = "NUMBER", help_heading = "Execution")]
    attempts: Option<u32>,
    /// The statuses that are tried again, such as 429,5xx
    #[arg(long, value_name = "STATUSES", value_delimiter = ',', help_heading = "Execution")]
    retry_on: Vec<String>,
    /// How many executions of the job may run at once
    #[arg(long, value_name = "NUMBER", help_heading = "Execution")]
    concurrency: Option<u32>,
    /// What happens at this limit: queue or skip
    #[arg(long, value_name = "POLICY", help_heading = "Execution")]
    overlap: Option<String>,
    /// at_least_once or at_most_once
    #[arg(long, value_name = "GUARANTEE", help_heading = "Execution")]
    delivery: Option<String>,
    /// The name; the key, unless it is given
    #[arg(long, help_heading = "Job")]
    name: Option<String>,
    /// A tag; can be given several times
    #[arg(long = "tag", value_name = "TAG", help_heading = "Job")]
    tags: Vec<String>,
    /// The stack of jobs that are applied together
    #[arg(long, help_heading = "Job")]
    stack: Option<String>,
    /// Do not run by the schedule until the job is resumed
    #[arg(long, group = "wanted_state", help_heading = "Job")]
    paused: bool,
    /// Do not run at all until the job is activated
    #[arg(long, group = "wanted_state", help_heading = "Job")]
    draft: bool,
}

/// The names of options, and the fields that they set.
pub const FIELDS: [(&str, &[&str]); 20] = [
    ("url", &["request", "url"]),
    ("method", &["request", "method"]),
    ("headers", &["request", "headers"]),
    ("data", &["request", "body"]),
    ("timeout", &["request", "timeout_seconds"]),
    ("success", &["request", "success_statuses"]),
    ("cron", &["schedule", "cron"]),
    ("tz", &["schedule", "timezone"]),
    ("every", &["schedule", "every_n_minutes"]),
    ("at", &["schedule", "run_at"]),
    ("misfire", &["misfire_policy"]),
    ("catch-up-limit", &["catch_up_limit"]),
    ("attempts", &["retry_policy", "max_attempts"]),
    ("retry-on", &["retry_policy", "retry_on_statuses"]),
    ("concurrency", &["concurrency_limit"]),
    ("overlap", &["overlap_policy"]),
    ("delivery", &["delivery"]),
    ("name", &["name"]),
    ("tag", &["tags"]),
    ("stack", &["stack"]),
];

fn field(option: &str) -> &'static [&'static str] {
    FIELDS.iter().find(|(name, _)| *name == option).map_or(&[], |(_, path)| path)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| format!("{text} is not a header; write 'Name: value'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `200` is a number, `2xx` a word.
fn status(text: &str) -> Node {
    text.parse::<u16>().map_or_else(|_| Node::string(text), Node::number)
}

/// The body of a request, as `--data` gives it.
fn body(data: &str) -> Result<Node, Failure> {
    let text = match data.strip_prefix('@') {
        Some(path) => prompt::file_or_stdin(path)?,
        None if data == "-" => prompt::stdin()?,
        None => data.to_owned(),
    };
    let is_json = text.trim_start().starts_with(['{', '[']);
    match Node::from_json(&text) {
        Ok(json) if is_json => Ok(json),
        _ => Ok(Node::string(text)),
    }
}

impl Definition {
    /// The fields that were named, and no others.
    pub async fn body(&self, context: &Context) -> Result<Node, Failure> {
        let mut body = match &self.curl {
            Some(path) => from_curl(context, &prompt::file_or_stdin(path)?).await?,
            None => Node::map(),
        };
        self.set_texts(&mut body);
        self.set_numbers(&mut body);
        for (name, value) in &self.headers {
            body.set_at(&["request", "headers", name], Node::string(value));
        }
        if let Some(data) = &self.data {
            body.set_at(field("data"), self::body(data)?);
        }
        self.set_kind(&mut body);
        let state = if self.paused { Some("paused") } else { self.draft.then_some("draft") };
        if let Some(state) = state {
            body.set("state", Node::string(state));
        }
        Ok(body)
    }

    fn set_texts(&self, body: &mut Node) {
        let texts = [
            ("url", &self.url),
            ("method", &self.method),
            ("cron", &self.cron),
            ("tz", &self.tz),
            ("at", &self.at),
            ("misfire", &self.misfire),
            ("overlap", &self.overlap),
            ("delivery", &self.delivery),
            ("name", &self.name),
            ("stack", &self.stack),
        ];
        for (option, text) in texts {
            if let Some(text) = text {
                body.set_at(field(option), Node::string(text));
            }
        }
    }

    fn set_numbers(&self, body: &mut Node) {
        let numbers = [
            ("timeout", self.timeout),
            ("every", self.every),
            ("catch-up-limit", self.catch_up_limit.map(u64::from)),
            ("attempts", self.attempts.map(u64::from)),
            ("concurrency", self.concurrency.map(u64::from)),
        ];
        for (option, number) in numbers {
            if let Some(number) = number {
                body.set_at(field(option), Node::number(number));
            }
        }
        for (option, statuses) in [("success", &self.success), ("retry-on", &self.retry_on)] {
            if !statuses.is_empty() {
                body.set_at(field(option), Node::list(statuses.iter().map(|text| status(text))));
            }
        }
        if !self.tags.is_empty() {
            body.set_at(field("tag"), Node::list(self.tags.iter().map(Node::string)));
        }
    }

    /// A schedule says the kind; another one than before needs it.
    fn set_kind(&self, body: &mut Node) {
        let kinds = [
            (self.cron.is_some(), "cron"),
            (self.every.is_some(), "recurring"),
            (self.at.is_some(), "scheduled"),
            (self.now, "one_time"),
        ];
        if let Some((_, kind)) = kinds.iter().find(|(is_given, _)| *is_given) {
            body.set("kind", Node::string(*kind));
        }
    }

    pub const fn has_schedule(&self) -> bool {
        self.cron.is_some() || self.every.is_some() || self.at.is_some() || self.now
    }
}

/// The request of a curl command, as the server reads it.
async fn from_curl(context: &Context, command: &str) -> Result<Node, Failure> {
    let mut source = Node::map();
    source.set("format", Node::string("curl"));
    source.set("source", Node::string(command));
    let call = Call::post("/v1/jobs/convert").body(source.to_json()).repeatable();
    let answer = context.call("the curl command was not read", call).await?;
    let conversion = Node::from_json(&answer.text).map_err(crate::output::unreadable)?;
    for finding in conversion.get("findings").map_or(&[][..], Node::items) {
        let detail = finding.get("detail").and_then(Node::as_str).unwrap_or_default();
        if finding.get("level").and_then(Node::as_str) == Some("refused") {
            return Err(Failure::new(format!("the curl command cannot be a job: {detail}")));
        }
        context.output.warn(detail);
    }
    let [entry] = conversion.get("jobs").map_or(&[][..], Node::entries) else {
        return Err(Failure::new("the text is not one curl command"));
    };
    warn_of_secrets(context, &conversion);
    let mut body = Node::map();
    for name in ["request", "retry_policy"] {
        if let Some(value) = entry.value.at(&["job", name]) {
            body.set(name, value.clone());
        }
    }
    Ok(body)
}

fn warn_of_secrets(context: &Context, conversion: &Node) {
    for secret in conversion.get("secrets").map_or(&[][..], Node::items) {
        let name = secret.get("name").and_then(Node::as_str).unwrap_or_default();
        context.output.warn(&format!(
            "The job takes a credential from a secret. Create it: trigrun secrets set {name}"
        ));
    }
}

/// Sets fields to null, by the names of their options or their paths.
pub fn unset(body: &mut Node, fields: &[String]) -> Result<(), Failure> {
    for name in fields {
        let path = field(name);
        if !path.is_empty() {
            body.set_at(path, Node::new(Value::Null));
            continue;
        }
        let path: Vec<&str> = name.splitn(3, '.').collect();
        if path.iter().any(|part| part.is_empty()) {
            return Err(Failure::new(format!(
                "{name} is not a field; write request.headers.X-Name, for example"
            )));
        }
        body.set_at(&path, Node::new(Value::Null));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unset_by_option_or_path() {
        let mut body = Node::map();
        unset(&mut body, &["timeout".into(), "request.headers.X-A.b".into(), "stack".into()]).unwrap();
        assert_eq!(
            body.to_json(),
            r#"{"request":{"timeout_seconds":null,"headers":{"X-A.b":null}},"stack":null}"#
        );
        assert!(unset(&mut body, &["a..b".into()]).is_err());
    }

    #[test]
    fn only_objects_and_arrays_are_json() {
        for (data, expected) in
            [(r#"{"a": 1.0}"#, r#"{"a":1.0}"#), ("[1]", "[1]"), ("12", r#""12""#), ("{x", r#""{x""#)]
        {
            assert_eq!(body(data).unwrap().to_json(), expected);
        }
    }
}
