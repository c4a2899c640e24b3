//! Imports of crontabs: each line becomes a job, all in one transaction.

use chrono::{DateTime, Timelike, Utc};
use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::domain::access::Scope;

use crate::app::App;

const IMPORT: &str = "/v1/jobs/import";

/// Twelve realistic lines.
const CRONTAB: &str = "\
# reports
MAILTO=ops@example.com

0 9 * * MON-FRI https://example.com/report
@daily https://example.com/cleanup
CRON_TZ=Europe/Berlin
30 4 1 * * https://example.com/invoices?month=last
61 * * * * https://example.com/never
  # the old server
*/5 * * * * http://10.0.0.1/health
@reboot https://example.com/start
15 0 * * *";

async fn import(app: &App, fields: &Value) -> Value {
    let response = app.post(IMPORT, fields).await;
    assert!(response.status.is_success(), "{}", response.text);
    response.json()
}

fn column(list: &Value, field: &str) -> Vec<Value> {
    list.as_array().unwrap().iter().map(|one| one.pointer(field).unwrap_or(&Value::Null).clone()).collect()
}

async fn count(app: &App) -> i64 {
    app.db.count("select count(*) from jobs").await
}

#[tokio::test]
async fn each_line_is_a_job_or_an_error() {
    let app = App::new().await;
    let response = app.post(IMPORT, &json!({ "crontab": CRONTAB })).await;
    let import = response.expect(201);
    assert_eq!(import["dry_run"], false);
    let created = &import["created"];
    assert_eq!(column(created, "/line"), [4, 5, 7].map(Value::from));
    assert_eq!(created[2]["text"], "30 4 1 * * https://example.com/invoices?month=last");
    let names = ["GET example.com/report", "GET example.com/cleanup", "GET example.com/invoices"];
    assert_eq!(column(created, "/job/name"), names.map(Value::from));
    assert_eq!(column(created, "/job/schedule/timezone"), ["UTC", "UTC", "Europe/Berlin"].map(Value::from));
    let errors = &import["errors"];
    let codes = [
        (2, "crontab_variable"),
        (8, "cron_out_of_range"),
        (10, "url_address_refused"),
        (11, "cron_reboot"),
        (12, "crontab_url_missing"),
    ];
    assert_eq!(column(errors, "/line"), codes.map(|(line, _)| json!(line)));
    assert_eq!(column(errors, "/code"), codes.map(|(_, code)| json!(code)));
    assert_eq!(errors[2]["text"], "*/5 * * * * http://10.0.0.1/health");
    for error in errors.as_array().unwrap() {
        assert!(error["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{error}");
    }
    assert_eq!(errors[0]["hint"], "Only CRON_TZ and TZ are supported.");
}

#[tokio::test]
async fn created_jobs_match_the_response() {
    let app = App::new().await;
    let import =
        import(&app, &json!({ "crontab": CRONTAB, "default_url": "https://example.com/other" })).await;
    let created = import["created"].as_array().unwrap();
    assert_eq!(created.len(), 4);
    for line in created {
        let job = app.get(&format!("/v1/jobs/{}", line["job"]["id"].as_str().unwrap())).await.expect(200);
        for (field, value) in line["job"].as_object().unwrap() {
            assert_eq!(job[field], *value, "{field}");
        }
        let next: DateTime<Utc> = job["next_run_at"].as_str().unwrap().parse().unwrap();
        let made: DateTime<Utc> = job["created_at"].as_str().unwrap().parse().unwrap();
        assert!(next > made);
    }
    let berlin = &created[2]["job"];
    let next: DateTime<Utc> = berlin["next_run_at"].as_str().unwrap().parse().unwrap();
    let local = trigrun_core::domain::schedule::Cron::parse("30 4 1 * *", "Europe/Berlin").unwrap();
    assert_eq!(local.next_after(app.db.now().await), Ok(Some(next)));
    assert!([2, 3].contains(&next.hour()), "04:30 in Berlin: {next}");
    assert_eq!(created[3]["job"]["request"]["url"], "https://example.com/other");
    assert_eq!(created[3]["job"]["name"], "GET example.com/other");
    assert_eq!(app.db.count("select count(*) from job_timers").await, 4);
    assert_eq!(app.db.count("select count(*) from job_versions where version = 1").await, 4);
    let list = app.get("/v1/jobs?kind=cron").await.expect(200);
    let mut ids = column(&import["created"], "/job/id");
    ids.reverse();
    assert_eq!(column(&list["data"], "/id"), ids, "newest first, and the last line is the newest");
}

#[tokio::test]
async fn an_imported_job_equals_a_created_one() {
    let app = App::new().await;
    let line =
        import(&app, &json!({ "crontab": "0 9 * * * https://example.com" })).await["created"][0].clone();
    let body = json!({
        "name": "GET example.com",
        "kind": "cron",
        "schedule": { "cron": "0 9 * * *" },
        "request": { "url": "https://example.com" },
    });
    let created = app.post("/v1/jobs", &body).await.expect(201);
    let mut job = app.get(&format!("/v1/jobs/{}", line["job"]["id"].as_str().unwrap())).await.expect(200);
    for field in ["id", "created_at", "updated_at"] {
        job[field] = created[field].clone();
    }
    assert_eq!(job, created);
}

/// Names go to Slack, Discord, webhooks and mail; the query of a URL often holds a token.
#[tokio::test]
async fn a_name_holds_no_token_of_a_url() {
    let app = App::new().await;
    let body = json!({
        "crontab": "0 9 * * * https://shop.example/cron.php?cron_key=KEY\n@daily",
        "default_url": "https://shop.example/hook?cron_key=KEY",
        "request": { "method": "POST" },
    });
    let import = import(&app, &body).await;
    let names = ["POST shop.example/cron.php", "POST shop.example/hook"].map(Value::from);
    assert_eq!(column(&import["created"], "/job/name"), names);
    assert_eq!(app.db.count("select count(*) from jobs where name like '%KEY%'").await, 0);
    assert_eq!(app.db.count("select count(*) from job_versions where name like '%KEY%'").await, 0);
}

#[tokio::test]
async fn shared_settings_apply_to_all_jobs() {
    let app = App::new().await;
    let body = r#"{ "crontab": "@daily\n@hourly https://example.com/b", "default_url": "https://example.com/a", "timezone": "asia/kolkata",
        "request": { "method": "POST", "headers": { "X-A": "1" }, "body": {"b": 1.0,  "a":1}, "timeout_seconds": 5, "success_statuses": [200] },
        "retry_policy": { "max_attempts": 1, "retry_on_statuses": [] } }"#;
    let response = app.post_text(IMPORT, body).await;
    let created = response.expect(201)["created"].clone();
    assert_eq!(column(&created, "/job/request/url"), ["https://example.com/a", "https://example.com/b"]);
    assert_eq!(response.text.matches(r#""body":{"b": 1.0,  "a":1}"#).count(), 2, "unchanged");
    for line in created.as_array().unwrap() {
        let request = &line["job"]["request"];
        assert_eq!((&request["method"], &request["headers"]), (&json!("POST"), &json!({ "X-A": "1" })));
        assert_eq!((&request["timeout_seconds"], &request["success_statuses"]), (&json!(5), &json!([200])));
        assert_eq!(line["job"]["retry_policy"], json!({ "max_attempts": 1, "retry_on_statuses": [] }));
        assert_eq!(line["job"]["schedule"]["timezone"], "Asia/Kolkata");
        assert_eq!(line["job"]["state"], "active");
    }
}

#[tokio::test]
async fn variables_and_secrets_work_as_in_a_job() {
    let app = App::new().await;
    app.post("/v1/secrets", &json!({ "name": "known", "value": "v" })).await.expect(201);
    let body = json!({
        "crontab": "@daily https://example.com/{{job_id}}\n@daily https://{{job_id}}.example.com",
        "request": { "headers": { "X-A": "secret://known", "X-B": "Bearer secret://unknown" } },
    });
    let import = import(&app, &body).await;
    assert_eq!(import["created"][0]["job"]["request"]["url"], "https://example.com/{{job_id}}");
    assert_eq!(column(&import["errors"], "/code"), ["url_host"]);
    let warnings = import["warnings"].as_array().unwrap();
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("unknown"), "{warnings:?}");
}

#[tokio::test]
async fn drafts_and_paused_jobs_do_not_run() {
    let app = App::new().await;
    for state in ["draft", "paused"] {
        let import = import(&app, &json!({ "crontab": CRONTAB, "state": state })).await;
        assert_eq!(column(&import["created"], "/job/state"), vec![json!(state); 3]);
        assert_eq!(column(&import["created"], "/job/next_run_at"), vec![Value::Null; 3]);
        let list = app.get(&format!("/v1/jobs?state={state}")).await.expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), 3);
    }
    assert_eq!(app.db.count("select count(*) from job_timers").await, 0);
    let draft = app.get("/v1/jobs?state=draft").await.expect(200)["data"][0].clone();
    let resumed = format!("/v1/jobs/{}/resume", draft["id"].as_str().unwrap());
    let resumed = app.send(Method::POST, &resumed, &[], "").await.expect(200);
    assert!(resumed["next_run_at"].is_string());
}

#[tokio::test]
async fn an_atomic_import_creates_all_or_nothing() {
    let app = App::new().await;
    let refused = app.post(IMPORT, &json!({ "crontab": CRONTAB, "atomic": true })).await;
    let expected = [
        ("/crontab/10", "url_address_refused"),
        ("/crontab/11", "cron_reboot"),
        ("/crontab/12", "crontab_url_missing"),
        ("/crontab/2", "crontab_variable"),
        ("/crontab/8", "cron_out_of_range"),
    ];
    assert_eq!(refused.errors(), expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    let pointers = column(&refused.json()["errors"], "/pointer");
    assert_eq!(pointers[..2], [json!("/crontab/2"), json!("/crontab/8")], "in the order of the lines");
    assert_eq!(count(&app).await, 0);
    let dry = app.post(IMPORT, &json!({ "crontab": CRONTAB, "atomic": true, "dry_run": true })).await;
    assert_eq!(dry.errors().len(), 5, "a dry run gets the response of the import");
    let right =
        json!({ "crontab": "@daily https://example.com\n@hourly https://example.com", "atomic": true });
    let import = app.post(IMPORT, &right).await.expect(201);
    assert_eq!((column(&import["created"], "/line").len(), &import["errors"]), (2, &json!([])));
    assert_eq!(count(&app).await, 2);
}

#[tokio::test]
async fn a_dry_run_returns_the_jobs_and_creates_nothing() {
    let app = App::new().await;
    let body = |dry_run: bool| json!({ "crontab": CRONTAB, "dry_run": dry_run });
    let mut dry = app.post(IMPORT, &body(true)).await.expect(200);
    assert_eq!((&dry["dry_run"], count(&app).await), (&json!(true), 0));
    assert_eq!(column(&dry["created"], "/job/id"), vec![Value::Null; 3]);
    let mut real = app.post(IMPORT, &body(false)).await.expect(201);
    for import in [&mut dry, &mut real] {
        import["dry_run"] = Value::Null;
        for line in import["created"].as_array_mut().unwrap() {
            line["job"]["id"] = Value::Null;
        }
    }
    assert_eq!(dry, real, "equal except for the ids");
}

/// A script that checks the status would otherwise take it for a success.
#[tokio::test]
async fn an_import_without_a_usable_line_is_refused() {
    let app = App::new().await;
    for crontab in ["", "\n\n# nothing\n", "CRON_TZ=Europe/Berlin"] {
        for dry_run in [false, true] {
            let empty = app.post(IMPORT, &json!({ "crontab": crontab, "dry_run": dry_run })).await;
            assert_eq!(empty.errors(), [("/crontab".to_owned(), "crontab_empty".to_owned())]);
        }
    }
    let crontab = "MAILTO=x\n@reboot https://example.com\n61 * * * * https://example.com";
    for fields in [json!({}), json!({ "dry_run": true }), json!({ "atomic": true })] {
        let mut body = fields.clone();
        body["crontab"] = json!(crontab);
        let expected = [
            ("/crontab/1", "crontab_variable"),
            ("/crontab/2", "cron_reboot"),
            ("/crontab/3", "cron_out_of_range"),
        ];
        let errors = app.post(IMPORT, &body).await.errors();
        assert_eq!(errors, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())), "{fields}");
    }
    assert_eq!(count(&app).await, 0);
}

#[tokio::test]
async fn every_url_is_checked() {
    let app = App::new().await;
    let urls = [
        ("http://user:pass@example.com/", "url_userinfo"),
        ("ftp://example.com/", "url_scheme"),
        ("/usr/local/bin/backup.sh", "url_scheme"),
        ("https://example.com/#part", "url_fragment"),
        ("https://example.com:0/", "url_port"),
    ];
    let crontab: String = urls.iter().map(|(url, _)| format!("@daily {url}\n")).collect();
    let refused = app.post(IMPORT, &json!({ "crontab": crontab })).await;
    refused.errors();
    assert_eq!(column(&refused.json()["errors"], "/code"), urls.map(|(_, code)| json!(code)));
    assert_eq!(count(&app).await, 0);
}

#[tokio::test]
async fn a_long_name_is_truncated() {
    let app = App::new().await;
    let url = format!("https://example.com/{}", "ü".repeat(300));
    let import = import(&app, &json!({ "crontab": format!("@daily {url}") })).await;
    let job = &import["created"][0]["job"];
    let expected: String = format!("GET example.com/{}", "%C3%BC".repeat(300)).chars().take(200).collect();
    assert_eq!(job["name"], json!(expected));
    assert!(job["request"]["url"].as_str().unwrap().ends_with("%C3%BC"), "the URL is complete");
}

#[tokio::test]
async fn all_errors_of_the_body_are_reported_together() {
    let app = App::new().await;
    let ok = "@daily https://example.com";
    let too_many = format!("{ok}\n").repeat(1001);
    let cases = [
        (json!({}), "/crontab", "required"),
        (json!({ "crontab": too_many }), "/crontab", "crontab_too_many_lines"),
        (json!({ "crontab": ok, "timezone": "Europe/Berln" }), "/timezone", "timezone_unknown"),
        (json!({ "crontab": ok, "default_url": "http://10.0.0.1/" }), "/default_url", "url_address_refused"),
        (json!({ "crontab": ok, "default_url": "" }), "/default_url", "url_empty"),
        (json!({ "crontab": ok, "state": "completed" }), "/state", "not_one_of"),
        (json!({ "crontab": ok, "atomic": "yes" }), "/atomic", "wrong_type"),
        (json!({ "crontab": ok, "dry_run": 1 }), "/dry_run", "wrong_type"),
        (json!({ "crontab": ok, "request": [] }), "/request", "wrong_type"),
        (json!({ "crontab": ok, "request": { "url": 5 } }), "/request/url", "not_here"),
        (json!({ "crontab": ok, "request": { "uri": "x" } }), "/request/uri", "unknown_field"),
        (json!({ "crontab": ok, "request": { "method": "FETCH" } }), "/request/method", "method_unknown"),
        (
            json!({ "crontab": ok, "request": { "headers": { "Host": "x" } } }),
            "/request/headers/Host",
            "header_reserved",
        ),
        (
            json!({ "crontab": ok, "retry_policy": { "max_attempts": 0 } }),
            "/retry_policy/max_attempts",
            "out_of_range",
        ),
        (json!({ "crontab": ok, "name": "x" }), "/name", "unknown_field"),
        (json!({ "crontab": ok, "schedule": {} }), "/schedule", "unknown_field"),
    ];
    for (body, pointer, code) in cases {
        let errors = app.post(IMPORT, &body).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())], "{}", body["request"]);
    }
    let all = json!({
        "timezone": "Mars/Phobos", "state": "gone", "default_url": "x", "surprise": 1,
        "request": { "url": "https://example.com", "timeout_seconds": 0 }, "retry_policy": { "max_attempts": 99 },
    });
    let all = app.post(IMPORT, &all).await.errors();
    let pointers: Vec<&str> = all.iter().map(|(pointer, _)| pointer.as_str()).collect();
    let expected = [
        "/crontab",
        "/default_url",
        "/request/timeout_seconds",
        "/request/url",
        "/retry_policy/max_attempts",
        "/state",
        "/surprise",
        "/timezone",
    ];
    assert_eq!(pointers, expected);
    assert_eq!(app.post_text(IMPORT, "[]").await.problem(422), "validation_failed");
    assert_eq!(app.send(Method::GET, IMPORT, &[], "").await.problem(404), "not_found");
    assert_eq!(count(&app).await, 0);
}

#[tokio::test]
async fn the_total_size_of_an_import_is_limited() {
    let app = App::new().await;
    let large = json!({ "body": "x".repeat(100 * 1024) });
    let body =
        |lines: usize| json!({ "crontab": "@daily https://example.com\n".repeat(lines), "request": large });
    let errors = app.post(IMPORT, &body(1000)).await.errors();
    assert_eq!(errors, [("/request".to_owned(), "request_too_large".to_owned())]);
    assert_eq!(count(&app).await, 0);
    app.post(IMPORT, &body(50)).await.expect(201);
}

#[tokio::test]
async fn a_thousand_lines_are_one_transaction() {
    let app = App::new().await;
    let line =
        |number: usize| format!("{} {} * * * https://example.com/{number}\n", number % 60, number % 24);
    let crontab: String = (0..1000).map(line).collect();
    // The last job cannot be stored, so none of the others may be.
    app.db
        .execute(
            "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
             create trigger refuse before insert on job_versions for each row when (new.url like '%/999') execute function refuse();",
        )
        .await;
    let body = json!({ "crontab": crontab });
    assert_eq!(app.post(IMPORT, &body).await.problem(500), "internal");
    for table in ["jobs", "job_versions", "job_timers"] {
        assert_eq!(app.db.count(&format!("select count(*) from {table}")).await, 0, "{table}");
    }
    app.db.execute("drop trigger refuse on job_versions").await;
    let import = app.post(IMPORT, &body).await.expect(201);
    assert_eq!(import["created"].as_array().unwrap().len(), 1000);
    assert_eq!(import["errors"], json!([]));
    for table in ["jobs", "job_versions", "job_timers"] {
        assert_eq!(app.db.count(&format!("select count(*) from {table}")).await, 1000, "{table}");
    }
}

#[tokio::test]
async fn other_workspaces_see_nothing_of_it() {
    let app = App::new().await;
    let import = import(&app, &json!({ "crontab": CRONTAB })).await;
    let outsider = app.token_of(app.db.workspace("theirs").await, Scope::ALL).await;
    let get = async |path: &str| app.send_as(&outsider, Method::GET, path, &[], "").await;
    assert_eq!(get("/v1/jobs").await.expect(200)["data"], json!([]));
    for id in column(&import["created"], "/job/id") {
        assert_eq!(get(&format!("/v1/jobs/{}", id.as_str().unwrap())).await.problem(404), "not_found");
    }
    let body = json!({ "crontab": "@daily https://example.com" }).to_string();
    app.send_as(&outsider, Method::POST, IMPORT, &[], &body).await.expect(201);
    assert_eq!(get("/v1/jobs").await.expect(200)["data"].as_array().unwrap().len(), 1);
    assert_eq!(app.get("/v1/jobs").await.expect(200)["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_key_creates_an_import_once() {
    let app = App::new().await;
    let crontab = "@daily https://example.com/a\nnonsense\n@hourly https://example.com/b";
    let body = json!({ "crontab": crontab }).to_string();
    let import = || app.send(Method::POST, "/v1/jobs/import", &[("idempotency-key", "nightly")], &body);
    let responses = futures_util::future::join_all((0..20).map(|_| import())).await;
    let first: Vec<_> = responses.iter().filter(|response| response.status == 201).collect();
    assert_eq!(first.len(), 1, "one request creates the jobs");
    let made = first[0].json();
    let ids =
        |import: &Value| [0, 1].map(|at| import["created"][at]["job"]["id"].as_str().unwrap().to_owned());
    for replayed in responses.iter().filter(|response| response.status != 201) {
        let import = replayed.expect(200);
        assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
        assert_eq!((ids(&import), &import["errors"]), (ids(&made), &made["errors"]));
    }
    assert_eq!(app.db.count("select count(*) from jobs").await, 2);
    let other = app.send(Method::POST, "/v1/jobs/import", &[("idempotency-key", "other")], &body).await;
    assert_ne!(ids(&other.expect(201)), ids(&made));
}

/// A used key is answered with what it created, and nothing else is created, whatever the body is now.
#[tokio::test]
async fn a_used_key_is_answered_with_the_earlier_import() {
    let app = App::new().await;
    let import = async |crontab: &str| {
        let body = json!({ "crontab": crontab }).to_string();
        app.send(Method::POST, IMPORT, &[("idempotency-key", "nightly")], &body).await
    };
    let crontab = "# a\n@daily https://example.com/a\n@hourly https://example.com/b?c=1";
    let made = import(crontab).await.expect(201);
    let ids = column(&made["created"], "/job/id");
    // No line in common, the same lines elsewhere, and fewer lines.
    for other in [
        "@weekly https://example.com/c",
        "@daily https://example.com/a\n@hourly https://example.com/b?c=1",
        "#\n@daily https://example.com/a",
    ] {
        let response = import(other).await;
        let earlier = response.expect(200);
        assert_eq!(response.header("idempotent-replayed"), Some("true"));
        assert_eq!(response.header("idempotent-request-differs"), Some("true"), "{other}");
        assert_eq!(column(&earlier["created"], "/job/id"), ids, "{other}");
        assert_eq!(column(&earlier["created"], "/line"), [2, 3].map(Value::from));
        assert_eq!(earlier["created"][1]["text"], "@hourly https://example.com/b?c=1");
        assert!(earlier["warnings"][0].as_str().unwrap().contains("by a different request"), "{earlier}");
    }
    app.delete(&format!("/v1/jobs/{}", ids[0].as_str().unwrap())).await.expect(204);
    let response = import(crontab).await;
    let rest = response.expect(200);
    assert_eq!(response.header("idempotent-request-differs"), None);
    assert_eq!(column(&rest["created"], "/job/id"), ids[1..], "a deleted job is not created again");
    assert!(rest["warnings"][0].as_str().unwrap().starts_with("1 of the jobs"), "{rest}");
    assert_eq!(count(&app).await, 1);
}

#[tokio::test]
async fn concurrent_imports_with_one_key_create_one_of_them() {
    let app = App::new().await;
    let import = |n: usize| {
        let body =
            json!({ "crontab": format!("{}@daily https://example.com/{n}", "\n".repeat(n)) }).to_string();
        let app = &app;
        async move { app.send(Method::POST, IMPORT, &[("idempotency-key", "one")], &body).await }
    };
    let responses = futures_util::future::join_all((0..10).map(import)).await;
    assert_eq!(responses.iter().filter(|response| response.status == 201).count(), 1);
    let ids: Vec<Value> = responses.iter().map(|one| one.json()["created"][0]["job"]["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(count(&app).await, 1);
}
