//! Conversions: what the response has, that its jobs can be created, and every value that is refused.

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::app::App;

const CONVERT: &str = "/v1/jobs/convert";
const ARN: &str = "arn:aws:lambda:x:f";

async fn convert(app: &App, body: &Value) -> Value {
    app.post(CONVERT, body).await.expect(200)
}

fn codes(conversion: &Value) -> Vec<(&str, &str, &str)> {
    let findings = conversion["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let of = |field: &str| finding[field].as_str().unwrap();
            (of("level"), of("place"), of("code"))
        })
        .collect()
}

#[tokio::test]
async fn a_crontab_with_commands_becomes_bodies_of_jobs() {
    let app = App::new().await;
    let source = "CRON_TZ=Europe/Berlin\n# nightly report\n0 3 * * 1-5 curl -fsSL -H 'Authorization: Bearer abcdefgh' https://example.com/report >/dev/null\n\
                  0 4 * * * /root/backup.sh\nMAILTO=me@example.com";
    let conversion = convert(&app, &json!({ "source": source, "options": { "prefix": "shop-" } })).await;
    assert_eq!(conversion["format"], "crontab");
    let mut job = conversion["jobs"]["shop-nightly-report"].clone();
    let next: DateTime<Utc> = job["next_run_at"].take().as_str().unwrap().parse().unwrap();
    assert!(next > app.db.now().await);
    let expected = json!({
        "line": 3,
        "text": "0 3 * * 1-5 curl -fsSL -H 'Authorization: Bearer abcdefgh' https://example.com/report >/dev/null",
        "job": {
            "name": "nightly report", "kind": "cron", "schedule": { "cron": "0 3 * * 1-5", "timezone": "Europe/Berlin" },
            "request": {
                "url": "https://example.com/report", "method": "GET", "timeout_seconds": 300, "success_statuses": ["2xx"],
                "headers": { "Authorization": "Bearer secret://shop-nightly-report-authorization" },
            },
            "retry_policy": { "max_attempts": 1 },
        },
        "schedule_in_words": "at 03:00 from Monday to Friday, Europe/Berlin time",
        "next_run_at": null,
        "credentials": [{ "pointer": "/request/headers/Authorization", "suggested_name": "shop-nightly-report-authorization" }],
        "left_out": [
            { "place": "line 3", "text": ">/dev/null", "why": "TrigRun keeps the response with the execution." },
            { "place": "line 3", "text": "--fail", "why": "A status that is not 2xx is a failure here." },
            { "place": "line 3", "text": "--silent", "why": "It says nothing about the request." },
            { "place": "line 3", "text": "--show-error", "why": "It says nothing about the request." },
            { "place": "line 3", "text": "--location", "why": "--location: TrigRun does not follow redirects. Use the final URL." },
        ],
    });
    let by_text = |left_out: &Value| {
        let mut parts = left_out.as_array().unwrap().clone();
        parts.sort_by_key(|part| part["text"].to_string());
        Value::from(parts)
    };
    assert_eq!(by_text(&job["left_out"]), by_text(&expected["left_out"]));
    job["left_out"] = expected["left_out"].clone();
    assert_eq!(job, expected);
    let expected = json!([{ "name": "shop-nightly-report-authorization", "value": "abcdefgh" }]);
    assert_eq!(conversion["secrets"], expected);
    assert_eq!(
        codes(&conversion),
        [
            ("lost", "line 3", "option_lost"),
            ("secret", "line 3", "credential"),
            ("refused", "line 4", "command_program"),
            ("lost", "line 5", "mailto"),
        ]
    );
    assert_eq!(conversion["findings"][0]["key"], "shop-nightly-report");
    assert_eq!(conversion["findings"][2]["line"], 4);
    assert_eq!(conversion["findings"][2]["key"], Value::Null);
    assert_eq!(conversion["meaningless"], 4);
}

/// The samples are also the corpus of a fuzz target.
#[tokio::test]
async fn every_converted_job_can_be_created() {
    let app = App::new().await;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/convert");
    let (mut formats, mut jobs) = (Vec::new(), 0);
    for entry in fs::read_dir(corpus).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let source = String::from_utf8_lossy(bytes.split(|byte| *byte == 0xff).next().unwrap()).into_owned();
        let options = json!({ "base_url": "https://example.com", "map": { ARN: "https://example.com/f" } });
        let response = app.post(CONVERT, &json!({ "source": source, "options": options })).await;
        if response.status == 422 {
            continue;
        }
        let conversion = response.expect(200);
        formats.push(conversion["format"].as_str().unwrap().to_owned());
        for (key, converted) in conversion["jobs"].as_object().unwrap() {
            let response = app.post("/v1/jobs", &converted["job"]).await;
            assert_eq!(response.status, 201, "{key}: {converted} {}", response.text);
            jobs += 1;
        }
    }
    formats.sort();
    formats.dedup();
    assert_eq!(formats.len(), 10, "{formats:?}");
    assert!(jobs > 20, "{jobs}");
}

#[tokio::test]
async fn a_job_that_cannot_be_created_is_refused() {
    let app = App::new().await;
    let source = "@daily curl -u me:password http://10.0.0.1/\n@daily curl https://example.com/\n@daily http://10.0.0.2/";
    let conversion = convert(&app, &json!({ "source": source })).await;
    assert_eq!(conversion["jobs"].as_object().unwrap().len(), 1);
    let refused =
        [("refused", "line 1", "url_address_refused"), ("refused", "line 3", "url_address_refused")];
    assert_eq!(codes(&conversion), refused);
    assert_eq!(conversion["secrets"], json!([]), "no job uses it");
}

#[tokio::test]
async fn a_conversion_stores_nothing() {
    let app = App::new().await;
    let source = "@daily curl -H 'X-Token: abcdefgh' https://example.com/";
    convert(&app, &json!({ "source": source })).await;
    for table in ["jobs", "secrets"] {
        assert_eq!(app.db.count(&format!("select count(*) from {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn json_is_read_as_text_and_as_itself() {
    let app = App::new().await;
    let source =
        json!({ "name": "a", "schedule": "0 4 * * *", "httpTarget": { "uri": "https://example.com/" } });
    let as_itself = convert(&app, &json!({ "source": source })).await;
    let as_text = convert(&app, &json!({ "source": source.to_string(), "format": "gcp" })).await;
    assert_eq!(as_itself["jobs"]["a"]["job"], as_text["jobs"]["a"]["job"]);
    assert_eq!(as_itself["jobs"]["a"]["line"], Value::Null);
    let once = convert(&app, &json!({ "source": "curl https://example.com/" })).await;
    let once = &once["jobs"]["get-example.com"];
    assert_eq!((&once["next_run_at"], &once["job"]["state"]), (&Value::Null, &json!("draft")));
}

#[tokio::test]
async fn refused_values() {
    let app = App::new().await;
    let crontab = "@daily https://example.com/";
    let vercel = json!({ "crons": [{ "path": "/a", "schedule": "0 4 * * *" }] });
    let with = |options: Value| json!({ "source": crontab, "options": options });
    for (body, pointer, code) in [
        (json!({}), "/source", "required"),
        (json!({ "source": 5 }), "/source", "wrong_type"),
        (json!({ "source": crontab, "format": "cron" }), "/format", "not_one_of"),
        (json!({ "source": crontab, "timezone": "UTC" }), "/timezone", "unknown_field"),
        (json!({ "source": "hello" }), "/format", "format_unknown"),
        (json!({ "source": "{", "format": "gcp" }), "/source", "source_invalid"),
        (json!({ "source": {}, "format": "curl" }), "/source", "source_invalid"),
        (json!({ "source": "# nothing", "format": "crontab" }), "/source", "source_invalid"),
        (json!({ "source": vercel }), "/options/base_url", "required"),
        (json!({ "source": "@daily https://example.com/\n".repeat(1001) }), "/source", "too_many_jobs"),
        (with(json!({ "timezone": "Europe/Berlinn" })), "/options/timezone", "timezone_unknown"),
        (with(json!({ "base_url": "ftp://example.com" })), "/options/base_url", "url_scheme"),
        (with(json!({ "prefix": "Shop" })), "/options/prefix", "key_invalid"),
        (with(json!({ "prefix": "-" })), "/options/prefix", "key_invalid"),
        (with(json!({ "prefix": "x".repeat(51) })), "/options/prefix", "key_invalid"),
        (with(json!({ "map": { "a/b": "http://10.0.0.1/" } })), "/options/map/a~1b", "url_address_refused"),
    ] {
        let response = app.post(CONVERT, &body).await;
        assert_eq!(response.errors(), [(pointer.to_owned(), code.to_owned())], "{pointer} {code}");
    }
    let many: serde_json::Map<String, Value> =
        (0..1001).map(|n| (n.to_string(), json!("https://example.com/"))).collect();
    let errors = app.post(CONVERT, &with(json!({ "map": many }))).await.errors();
    assert_eq!(errors, [("/options/map".to_owned(), "too_many".to_owned())]);
}

#[tokio::test]
async fn a_body_may_have_four_mebibytes() {
    let app = App::new().await;
    let large =
        |bytes: usize| json!({ "source": format!("#{}\n@daily https://example.com/", "x".repeat(bytes)) });
    assert_eq!(convert(&app, &large(3 * 1024 * 1024)).await["jobs"].as_object().unwrap().len(), 1);
    assert_eq!(app.post(CONVERT, &large(4 * 1024 * 1024)).await.problem(413), "body_too_large");
}
