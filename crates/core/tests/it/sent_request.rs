//! The command that sends a request again: a shell passes to curl what TrigRun has sent, whatever characters it has.

use chrono::DateTime;
use proptest::prelude::*;
use std::process::Command;
use trigrun_core::domain::{
    address::EgressPolicy,
    id::{ExecutionId, JobId},
    request::{Body, Headers, Method, Request},
    sent_request::{AGENT, MAX_SHOWN_BODY_BYTES, SentAttempt, SentRequest},
};
use uuid::Uuid;

fn sent(url: &str, headers: &[(&str, &str)], body: Option<Body>) -> SentRequest {
    let pairs = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = Request {
        url: url.to_owned(),
        method: Method::Post,
        headers: Headers::from_stored(pairs),
        body,
        timeout_seconds: 30,
        success_statuses: [200].into(),
    };
    let attempt = SentAttempt {
        execution: ExecutionId::from_uuid(Uuid::from_u128(1)),
        job: JobId::from_uuid(Uuid::from_u128(2)),
        scheduled_for: DateTime::from_timestamp_millis(1_800_000_000_123).unwrap(),
        depth: 1,
        number: 2,
        http_version: None,
        request,
    };
    attempt.request(&EgressPolicy::default())
}

/// The arguments that a shell passes to curl.
fn arguments(command: &str) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\000' \"$@\"; }}\n{command}\n");
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn variables_have_their_values_and_secrets_have_not() {
    let headers = [
        ("Authorization", "Bearer secret://key-1, {{job_id}}"),
        ("X-Empty", ""),
        ("accept", "text/{{timestamp}}"),
    ];
    let body = Body::Json(r#"{"at": "{{scheduled_for}}", "who": "{{unknown}}"}"#.into());
    let request = sent("https://example.com/{{execution_id}}?t={{ timestamp }}", &headers, Some(body));
    let (execution, job) = ("exe_00000000000000000000000001", "job_00000000000000000000000002");
    assert_eq!(request.url, format!("https://example.com/{execution}?t=1800000000"));
    assert_eq!(request.body.as_deref(), Some(r#"{"at": "2027-01-15T08:00:00.123Z", "who": "{{unknown}}"}"#));
    let lines: Vec<_> =
        request.headers.iter().map(|header| format!("{}: {}", header.name, header.value)).collect();
    let expected = [
        format!("User-Agent: {AGENT}"),
        "Content-Type: application/json".into(),
        format!("Authorization: Bearer secret://key-1, {job}"),
        "X-Empty: ".into(),
        "accept: text/1800000000".into(),
        format!("TrigRun-Job-Id: {job}"),
        format!("TrigRun-Execution-Id: {execution}"),
        "TrigRun-Attempt: 2".into(),
        "TrigRun-Depth: 2".into(),
        "TrigRun-Scheduled-For: 2027-01-15T08:00:00.123Z".into(),
        format!("webhook-id: {execution}"),
    ];
    assert_eq!(lines, expected);
    let secrets: Vec<_> = request.headers.iter().map(|header| header.secrets.as_slice()).collect();
    assert_eq!(secrets[2], ["key-1"]);
    assert!(secrets.iter().enumerate().all(|(index, names)| index == 2 || names.is_empty()));
    let mut arguments = arguments(&request.curl().unwrap());
    assert_eq!(arguments.split_off(arguments.len() - 2), ["--data-raw".to_owned(), request.body.unwrap()]);
    let of_headers = expected.iter().map(|line| if line == "X-Empty: " { "X-Empty;" } else { line });
    let of_headers: Vec<&str> = of_headers.flat_map(|line| ["-H", line]).collect();
    assert_eq!(arguments[..4], ["--globoff", "-X", "POST", &request.url]);
    assert_eq!(arguments[4..], of_headers);
}

#[test]
fn a_long_body_is_cut_between_characters() {
    let long = "é".repeat(MAX_SHOWN_BODY_BYTES / 2);
    let whole = sent("https://example.com/", &[], Some(Body::Text(long.clone())));
    assert!(!whole.body_truncated && whole.curl().is_some());
    assert_eq!(arguments(&whole.curl().unwrap()).pop().unwrap(), long, "a shell accepts so long an argument");
    let cut = sent("https://example.com/", &[], Some(Body::Text(format!("a{long}"))));
    assert_eq!((cut.body_truncated, cut.curl()), (true, None));
    assert_eq!(cut.body.unwrap().len(), MAX_SHOWN_BODY_BYTES - 1);
    assert_eq!(sent("https://example.com/", &[], None).body, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_shell_passes_any_text_unchanged(
        body in "[ -~\n\t'\"\\\\$`!*{}é]{0,60}",
        value in "[ -~'\"\\\\$`!*]{1,30}",
        query in "[a-z'$&;()*\\[\\]{}!]{0,20}",
    ) {
        prop_assume!(!value.trim().is_empty() && !body.contains("{{") && !value.contains("{{"));
        let headers = [("X-Value", value.as_str())];
        let request = sent(&format!("https://example.com/?{query}"), &headers, Some(Body::Text(body.clone())));
        let arguments = arguments(&request.curl().unwrap());
        prop_assert_eq!(arguments.last().unwrap(), &body);
        prop_assert!(arguments.contains(&request.url));
        let line = format!("X-Value: {value}");
        prop_assert!(arguments.contains(&line));
        let count = 4 + 2 * request.headers.len() + 2;
        prop_assert_eq!(arguments.len(), count);
    }
}
