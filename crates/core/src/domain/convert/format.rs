//! The formats, and how they are told apart.

use serde_json::Value;

use super::command;
use crate::domain::{string_enum::string_enum, wording::one_of};

// The first is the default of the macro only: a request names a format, or its content tells.
string_enum! {
    /// A format that can be converted.
    Format {
        Curl = "curl",
        Crontab = "crontab",
        Url = "url",
        Http = "http",
        CronJobOrg = "cron-job-org",
        Gcp = "gcp",
        Eventbridge = "eventbridge",
        Qstash = "qstash",
        Vercel = "vercel",
        Kubernetes = "kubernetes",
    }
}

/// What a request names so that the content tells.
pub const AUTO: &str = "auto";

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

impl Format {
    /// Whether the source is a JSON document; otherwise it is a text.
    pub fn is_json(self) -> bool {
        !matches!(self, Self::Curl | Self::Crontab | Self::Url | Self::Http)
    }

    /// All names, in words.
    pub(super) fn names() -> String {
        one_of(Self::ALL.iter().map(|format| format.as_str()))
    }

    /// By the fields of the document, or of the first item of a list.
    pub(super) fn of_document(root: &Value) -> Option<Self> {
        let one = root.as_array().map_or(Some(root), |items| items.first())?;
        let has = |name: &str| one.get(name).is_some();
        let is_kubernetes = matches!(one["kind"].as_str(), Some("CronJob" | "List" | "CronJobList"));
        [
            (is_kubernetes, Self::Kubernetes),
            (has("ScheduleExpression") || has("Schedules"), Self::Eventbridge),
            (has("jobDetails") || has("extendedData") || has("requestMethod"), Self::CronJobOrg),
            (one["jobs"][0]["requestMethod"].is_number(), Self::CronJobOrg),
            (has("httpTarget") || has("pubsubTarget") || has("appEngineHttpTarget"), Self::Gcp),
            (has("scheduleId") || (has("destination") && has("cron")), Self::Qstash),
            (has("crons") || has("schedules"), Self::Vercel),
        ]
        .into_iter()
        .find_map(|(is_it, format)| is_it.then_some(format))
    }

    /// By the first line that says something.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let is_http_variable = |line: &str| line.strip_prefix('@').is_some_and(is_variable);
        let says = |line: &&str| !line.starts_with('#') && !is_http_variable(line);
        if lines.clone().find(says).is_some_and(is_request_line)
            || lines.clone().next().is_some_and(is_http_variable)
        {
            return Some(Self::Http);
        }
        let mut variables = lines.clone().filter(|line| is_variable(line));
        let Some(first) = lines.find(|line| !line.starts_with('#') && !is_variable(line)) else {
            return variables.next().map(|_| Self::Crontab);
        };
        let is_url = |line: &str| line.contains("://") && !line.contains(char::is_whitespace);
        if is_url(first) {
            return Some(if lines.all(|line| is_url(line) || line.starts_with('#')) {
                Self::Url
            } else {
                Self::Http
            });
        }
        let starts_expression = first.starts_with(|char: char| char.is_ascii_digit() || "*@?".contains(char));
        if starts_expression {
            return Some(Self::Crontab);
        }
        let command = first.strip_prefix("$ ").unwrap_or(first);
        command::is_command(command).then_some(Self::Curl)
    }
}

/// `NAME=value` alone: not in front of a command, and not in a URL.
fn is_variable(line: &str) -> bool {
    line.split_once('=').is_some_and(|(name, value)| {
        let is_name = !name.trim().contains(|char: char| char.is_whitespace() || ":/".contains(char));
        is_name && !name.starts_with('@') && !value.contains("curl ") && !value.contains("wget ")
    })
}

/// `GET https://example.com HTTP/1.1`
fn is_request_line(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(method, url)| METHODS.contains(&method) && !url.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_content_tells_the_format() {
        for (text, format) in [
            ("curl https://e.com", Some(Format::Curl)),
            ("$ sudo curl https://e.com", Some(Format::Curl)),
            ("TOKEN=x curl https://e.com", Some(Format::Curl)),
            ("# nightly\n0 3 * * * curl https://e.com", Some(Format::Crontab)),
            ("MAILTO=\"\"\n@daily https://e.com", Some(Format::Crontab)),
            ("### Billing\n@daily curl https://e.com/?a=b", Some(Format::Crontab)),
            ("TOKEN='x'\ncurl https://e.com", Some(Format::Curl)),
            ("https://e.com/a?b=c", Some(Format::Url)),
            ("https://e.com/a\nhttps://e.com/b", Some(Format::Url)),
            ("### first\nGET https://e.com", Some(Format::Http)),
            ("@host = e.com\nGET https://{{host}}", Some(Format::Http)),
            ("POST https://e.com HTTP/1.1", Some(Format::Http)),
            ("https://e.com\nAccept: */*", Some(Format::Http)),
            ("hello world", None),
            ("", None),
        ] {
            assert_eq!(Format::of_text(text), format, "{text}");
        }
        for (root, format) in [
            (json!({ "crons": [] }), Some(Format::Vercel)),
            (json!([{ "httpTarget": {} }]), Some(Format::Gcp)),
            (json!({ "jobs": [{ "requestMethod": 0 }] }), Some(Format::CronJobOrg)),
            (json!({ "kind": "List", "items": [] }), Some(Format::Kubernetes)),
            (json!([{ "scheduleId": "s" }]), Some(Format::Qstash)),
            (json!({ "ScheduleExpression": "x" }), Some(Format::Eventbridge)),
            (json!([]), None),
            (json!({ "a": 1 }), None),
        ] {
            assert_eq!(Format::of_document(&root), format, "{root}");
        }
    }
}
