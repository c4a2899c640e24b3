//! Each format by a sample with one unknown field, and the bounds that all formats share.

use super::*;
use serde_json::{Value, json};

mod documents;
mod texts;

fn now() -> DateTime<Utc> {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

fn convert_with(source: &str, map: &BTreeMap<String, String>, base_url: Option<&str>) -> Conversion {
    let options = Options { timezone: "UTC", base_url, prefix: "", map, now: now() };
    convert(None, Source::Text(source), &options).unwrap_or_else(|error| panic!("{source}: {error:?}"))
}

fn converted(source: &str) -> Conversion {
    convert_with(source, &BTreeMap::new(), None)
}

fn job(conversion: &Conversion) -> Value {
    assert_eq!(conversion.jobs.len(), 1, "{conversion:?}");
    serde_json::to_value(&conversion.jobs[0].draft).unwrap()
}

/// Level, place and code of each finding.
fn findings(conversion: &Conversion) -> Vec<String> {
    let of =
        |finding: &Finding| format!("{} {} {}", finding.level.as_str(), finding.place, finding.invalid.code);
    conversion.findings.iter().map(of).collect()
}

#[test]
fn a_credential_becomes_a_secret() {
    let source = "curl -H 'Authorization: Bearer abc' -H 'X-Api-Key: k' https://e.com/a?token=t\n\
                  curl -H 'Authorization: Bearer abc' https://e.com/b";
    let conversion = converted(source);
    let headers = |at: usize| conversion.jobs[at].draft.request.headers.clone();
    let authorization = ("Authorization".to_owned(), "Bearer secret://get-e-com-a-authorization".to_owned());
    assert_eq!(headers(0)[0], authorization);
    assert_eq!(headers(0)[1].1, "secret://get-e-com-a-x-api-key");
    assert_eq!(headers(1), [authorization], "one secret for one value");
    let secrets: Vec<_> = conversion.secrets.iter().map(|secret| secret.value.as_str()).collect();
    assert_eq!(secrets, ["abc", "k"]);
    assert_eq!(conversion.jobs[0].credentials[1].pointer, "/request/headers/X-Api-Key");
    let codes: Vec<_> = conversion.findings.iter().map(|finding| finding.invalid.code).collect();
    assert_eq!(codes, ["credential", "credential", "credential_in_url", "credential"]);
}

#[test]
fn a_source_that_cannot_be_read_has_one_error() {
    let options = Options { timezone: "UTC", base_url: None, prefix: "", map: &BTreeMap::new(), now: now() };
    let error = |format, source| {
        let error = convert(format, source, &options).unwrap_err();
        (error.pointer, error.invalid.code)
    };
    let unknown = ("/format".to_owned(), "format_unknown");
    let invalid = ("/source".to_owned(), "source_invalid");
    assert_eq!(error(None, Source::Text("hello")), unknown);
    assert_eq!(error(None, Source::Json("{}")), unknown);
    assert_eq!(error(None, Source::Text("{\"crons\"")), invalid);
    assert_eq!(error(Some(Format::Gcp), Source::Text("x")), invalid);
    assert_eq!(error(Some(Format::Crontab), Source::Json("{}")), invalid);
    assert_eq!(error(Some(Format::Crontab), Source::Text("# nothing")), invalid);
    let vercel = r#"{"crons": [{"path": "/a", "schedule": "0 4 * * *"}]}"#;
    assert_eq!(error(None, Source::Json(vercel)), ("/options/base_url".to_owned(), "required"));
    let lines = "@daily https://e.com\n".repeat(1001);
    assert_eq!(error(None, Source::Text(&lines)).1, "too_many_jobs");
    let fields: String = (0..6000).map(|n| format!("\"f{n}\": 1,")).collect();
    let text = format!(r#"{{{fields}"httpTarget": {{"uri": "https://e.com"}}, "schedule": "* * * * *"}}"#);
    assert_eq!(error(None, Source::Json(&text)).1, "too_many_findings");
    let plain = "0 3 * * * curl -fsS -m 20 https://e.com >/dev/null 2>&1\n".repeat(1000);
    assert_eq!(converted(&plain).jobs.len(), 1000);
    let value = "x".repeat(9000);
    let lines = format!("A={value}\n{}", "@daily curl -d $A$A$A$A$A$A https://e.com\n".repeat(300));
    assert_eq!(error(None, Source::Text(&lines)).1, "source_too_large");
    let blank = "\n".repeat(50_001);
    assert_eq!(error(None, Source::Text(&blank)).1, "source_too_large");
    let values = format!("{{\"crons\": [{}1]}}", "1,".repeat(200_000));
    assert_eq!(error(None, Source::Json(&values)).1, "source_too_large");
    let long = format!("curl {} https://e.com", "-s ".repeat(6000));
    assert_eq!(converted(&long).findings[0].invalid.code, "shell_too_long");
    let many = format!("curl {} https://e.com", "-s ".repeat(600));
    assert_eq!(converted(&many).findings[0].invalid.code, "too_many_findings");
}
