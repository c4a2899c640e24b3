//! Mistakes that users make: what is answered names the field and the reason, and says what to write instead.

use hyper::Method;
use serde_json::{Value, json};

use crate::app::{App, job};

/// The one error of a refused body: the pointer, the detail and the hint.
fn refused(response: &crate::app::Response) -> (String, String, String) {
    response.errors();
    let problem = response.json();
    let [error] = problem["errors"].as_array().unwrap().as_slice() else { panic!("{problem}") };
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let (pointer, detail, hint) = (text("pointer"), text("detail"), text("hint"));
    // Many clients show nothing else.
    let all = problem["detail"].as_str().unwrap();
    let field = pointer.trim_start_matches(['/', '?']).replace('/', ".");
    assert!(all.starts_with(&format!("{field}: {detail}")) && all.contains(&hint), "{problem}");
    (pointer, detail, hint)
}

async fn expect(app: &App, path: &str, body: &Value, pointer: &str, detail: &str, hint: &str) {
    let found = refused(&app.post(path, body).await);
    assert_eq!(found, (pointer.to_owned(), detail.to_owned(), hint.to_owned()), "{body}");
}

fn cron(expression: &str, timezone: &str) -> Value {
    job(&json!({ "kind": "cron", "schedule": { "cron": expression, "timezone": timezone } }))
}

#[tokio::test]
async fn several_errors_are_named_in_the_detail() {
    let app = App::new().await;
    let detail = async |body: &Value| app.post("/v1/jobs", body).await.json()["detail"].clone();
    let three =
        job(&json!({ "name": "", "kind": "cron", "schedule": { "cron": "60 * * * *" }, "request": {} }));
    assert_eq!(detail(&three).await, "3 fields are invalid: name, schedule.cron, request.url.");
    assert_eq!(
        detail(&cron("60 * * * *", "UTC")).await,
        "schedule.cron: The minute field takes 0 to 59, not 60."
    );
    let many: serde_json::Map<String, Value> = (0..12).map(|n| (format!("x{n:02}"), json!(1))).collect();
    let detail = detail(&Value::Object(many)).await;
    assert!(detail.as_str().unwrap().ends_with(", x09 and 5 more."), "{detail}");
}

#[tokio::test]
async fn fields_in_the_wrong_place_or_by_another_name() {
    let app = App::new().await;
    let unknown = |name: &str| format!("`{name}` is not a known field.");
    for (field, hint) in [
        ("timezone", "`timezone` belongs inside `schedule`."),
        ("cron", "`cron` belongs inside `schedule`."),
        ("every_n_minutes", "`every_n_minutes` belongs inside `schedule`."),
        ("run_at", "`run_at` belongs inside `schedule`."),
        ("url", "`url` belongs inside `request`."),
        ("method", "`method` belongs inside `request`."),
        ("headers", "`headers` belongs inside `request`."),
        ("body", "`body` belongs inside `request`."),
        ("timeout_seconds", "`timeout_seconds` belongs inside `request`."),
        ("max_attempts", "`max_attempts` belongs inside `retry_policy`."),
        ("payload", "Use `request.body`."),
        ("enabled", "Use `state`: active or paused."),
        ("colour", ""),
    ] {
        let pointer = format!("/{field}");
        expect(&app, "/v1/jobs", &job(&json!({ field: 1 })), &pointer, &unknown(field), hint).await;
    }
    for (object, field, hint) in [
        ("request", "timezone", "`timezone` belongs inside `schedule`."),
        ("request", "json", "Did you mean body?"),
        ("request", "data", "Did you mean body?"),
        ("schedule", "interval", "Did you mean every_n_minutes?"),
        ("schedule", "at", "Did you mean run_at?"),
        ("schedule", "every_n_seconds", "The shortest interval is 1 minute: use `every_n_minutes`."),
        ("retry_policy", "retries", "Use `retry_policy.max_attempts`, which counts the first attempt too."),
    ] {
        let mut body = job(&json!({}));
        body[object][field] = json!(1);
        expect(&app, "/v1/jobs", &body, &format!("/{object}/{field}"), &unknown(field), hint).await;
    }
    let preview = json!({ "kind": "one_time", "cron": "0 9 * * *" });
    let hint = "`cron` belongs inside `schedule`.";
    expect(&app, "/v1/schedules/preview", &preview, "/cron", &unknown("cron"), hint).await;
    // An import has its time zone at the top level.
    let import = json!({ "crontab": "@daily https://example.com", "request": { "timezone": "UTC" } });
    let hint = "`timezone` belongs at the top level of the body.";
    expect(&app, "/v1/jobs/import", &import, "/request/timezone", &unknown("timezone"), hint).await;
    let slack = json!({ "name": "a", "type": "slack", "config": { "webhook_url": "https://example.com/" } });
    let slack = app.post("/v1/notification-channels", &slack).await;
    assert!(slack.text.contains("Did you mean url?"), "{}", slack.text);
}

#[tokio::test]
async fn values_that_have_another_form() {
    let app = App::new().await;
    let with = |change: Value| job(&change);
    let request = |change: Value| {
        let mut body = job(&json!({ "request": { "url": "https://example.com/" } }));
        for (name, value) in change.as_object().unwrap() {
            body["request"][name] = value.clone();
        }
        body
    };
    let kinds = "`kind` must be recurring, cron, scheduled or one_time.";
    let once = "Use one_time to run once, immediately, or scheduled to run once at `schedule.run_at`.";
    for (body, pointer, detail, hint) in [
        (with(json!({ "kind": "Cron" })), "/kind", kinds, "Did you mean cron?"),
        (with(json!({ "kind": "interval" })), "/kind", kinds, "Did you mean recurring?"),
        (with(json!({ "kind": "once" })), "/kind", kinds, once),
        (
            with(json!({ "state": "disabled" })),
            "/state",
            "`state` must be active, paused or draft.",
            "Did you mean paused?",
        ),
        (with(json!({ "tags": vec!["a"; 21] })), "/tags", "`tags` has 21 tags; at most 20 are allowed.", ""),
        (
            with(json!({ "schedule": { "every_n_minutes": 0.5 } })),
            "/schedule/every_n_minutes",
            "`every_n_minutes` must be a whole number.",
            "The shortest interval is 1 minute.",
        ),
        (
            with(json!({ "schedule": { "every_n_minutes": 10080 } })),
            "/schedule/every_n_minutes",
            "`every_n_minutes` must be from 1 to 1440 minutes.",
            "For a longer interval use kind cron, such as `0 0 * * SUN` for every week.",
        ),
        (
            with(json!({ "kind": "scheduled", "schedule": { "run_at": "2030-01-01T09:00:00" } })),
            "/schedule/run_at",
            "`run_at` must be a date and time with an offset.",
            "Example: 2027-01-01T09:00:00+01:00",
        ),
        (
            with(json!({ "kind": "scheduled", "schedule": { "run_at": 1_893_456_000 } })),
            "/schedule/run_at",
            "`run_at` must be a string.",
            "Example: \"2027-01-01T09:00:00+01:00\"",
        ),
        (
            request(json!({ "headers": ["X-Api-Key: a"] })),
            "/request/headers",
            "`headers` must be an object.",
            "Example: {\"X-Api-Key\": \"…\"}",
        ),
        (
            request(json!({ "timeout_seconds": "30" })),
            "/request/timeout_seconds",
            "`timeout_seconds` must be a whole number.",
            "Write the number without quotes.",
        ),
        (
            request(json!({ "url": "https://{{host}}/x" })),
            "/request/url",
            "The host contains a variable.",
            "Variables are allowed in the path and the query only.",
        ),
        (
            request(json!({ "headers": { "X-A": "Bearer secret://STRIPE_KEY" } })),
            "/request/headers/X-A",
            "`X-A` must have the name of a secret after secret://, of lower-case letters, digits, - and _.",
            "Example: Bearer secret://stripe-key",
        ),
    ] {
        expect(&app, "/v1/jobs", &body, pointer, detail, hint).await;
    }
    for (field, value) in
        [("url", json!("https://example.com/?key=secret://k9")), ("body", json!({ "key": "secret://k9" }))]
    {
        let (pointer, detail, hint) = refused(&app.post("/v1/jobs", &request(json!({ field: value }))).await);
        assert_eq!(pointer, format!("/request/{field}"));
        assert!(detail.contains("values of headers only") && hint.contains("Bearer secret://"), "{detail}");
    }
    let zone = job(&json!({ "schedule": { "every_n_minutes": 5, "cron": "@daily" } }));
    let detail = "`cron` is only for kind cron; this job is recurring.";
    expect(&app, "/v1/jobs", &zone, "/schedule/cron", detail, "").await;
}

#[tokio::test]
async fn expressions_and_zones_of_other_schedulers() {
    let app = App::new().await;
    for (expression, hint) in [
        (
            "every 5 minutes",
            "For every 5 minutes write `*/5 * * * *`, or use kind recurring with every_n_minutes: 5.",
        ),
        ("cron(0 12 * * ? *)", "Leave out `cron( )` and the year: `0 12 * * ?`."),
        ("'0 2 * * *'", "Leave out the quotes."),
        ("0 0 * * MONDAY", "Did you mean MON?"),
    ] {
        let (pointer, _, found) = refused(&app.post("/v1/jobs", &cron(expression, "UTC")).await);
        assert_eq!((pointer.as_str(), found.as_str()), ("/schedule/cron", hint), "{expression}");
    }
    for (zone, detail, hint) in [
        (
            "GMT+2",
            "\"GMT+2\" is an offset, not a time zone: it does not say when clocks change.",
            "Name the place, such as Europe/Athens, or write Etc/GMT-2, which is UTC+2 all year.",
        ),
        ("", "The time zone is empty.", "Leave it out for UTC, or name a time zone, such as Europe/Berlin."),
        ("PST", "There is no time zone named \"PST\".", "Name the place: America/Los_Angeles."),
    ] {
        let body = cron("0 9 * * *", zone);
        expect(&app, "/v1/jobs", &body, "/schedule/timezone", detail, hint).await;
        let preview = json!({ "kind": "cron", "schedule": body["schedule"] });
        expect(&app, "/v1/schedules/preview", &preview, "/schedule/timezone", detail, hint).await;
    }
    let stored = app.post("/v1/jobs", &cron("0 9 * * *", "europe/berlin")).await.expect(201);
    assert_eq!(stored["schedule"]["timezone"], "Europe/Berlin");
}

#[tokio::test]
async fn what_is_allowed_and_may_be_unintended_is_a_warning() {
    let app = App::new().await;
    let request =
        json!({ "url": "https://example.com/{{job_name}}", "method": "get", "body": "{{ timestamp }}" });
    let created = app.post("/v1/jobs", &job(&json!({ "request": request }))).await.expect(201);
    assert_eq!(created["request"]["method"], "GET");
    let warnings = created["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().starts_with("The request is a GET with a body"), "{warnings:?}");
    assert!(warnings[1].as_str().unwrap().starts_with("{{job_name}} is not a variable"), "{warnings:?}");
    assert_eq!(warnings.len(), 2);
    let import = json!({ "crontab": "@daily https://example.com/\n@daily https://example.com/{{now}}" });
    let import = app.post("/v1/jobs/import", &import).await.expect(201);
    assert!(import["warnings"][0].as_str().unwrap().starts_with("{{now}} is not a variable"), "{import}");
}

#[tokio::test]
async fn bodies_that_are_not_json() {
    let app = App::new().await;
    let detail = async |text: &str| {
        let response = app.post_text("/v1/jobs", text).await;
        assert_eq!(response.problem(400), "json_invalid");
        response.json()["detail"].as_str().unwrap().to_owned()
    };
    for (text, expected) in [
        (" ", "The body is empty. Send a JSON object."),
        (
            r#"{"name":"x",}"#,
            "The body is not JSON: a name in double quotes is missing at line 1, column 13.",
        ),
        (r#"{"name" "x"}"#, "The body is not JSON: a colon is missing at line 1, column 9."),
        (r#"{name: "x"}"#, "The body is not JSON: a name in double quotes is missing at line 1, column 2."),
        (r#"{"name": "x""#, "The body is not JSON: the text ends too early at line 1, column 12."),
    ] {
        assert_eq!(detail(text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn ids_and_paths() {
    let app = App::new().await;
    let id = app.job(&json!({})).await;
    let run = app.send(Method::POST, &format!("/v1/jobs/{id}/run-now"), &[], "").await.expect(202);
    let run = run["id"].as_str().unwrap();
    let detail = async |method: Method, path: &str, status: u16| {
        let response = app.send(method, path, &[], "").await;
        assert_eq!(response.status, status, "{path}: {}", response.text);
        response.json()["detail"].as_str().unwrap().to_owned()
    };
    let no_job = "There is no job with this id or key in this workspace.";
    for (path, expected) in [
        ("/v1/jobs/5", no_job.to_owned()),
        (&format!("/v1/jobs/{run}"), format!("{no_job} It is the id of an execution.")),
        (
            &format!("/v1/executions/{id}"),
            "There is no execution with this id in this workspace. It is the id of a job.".into(),
        ),
        ("/v1/secrets/nothing", "There is no secret with this name in this workspace.".into()),
        (
            &format!("/v1/jobs/{id}/run"),
            "There is nothing at this path. Did you mean /v1/jobs/{id}/run-now?".into(),
        ),
        (
            &format!("/v1/jobs/{id}/trigger"),
            "There is nothing at this path. Did you mean /v1/jobs/{id}/run-now?".into(),
        ),
        ("/jobs", "There is nothing at this path. Did you mean /v1/jobs?".into()),
    ] {
        assert_eq!(detail(Method::GET, path, 404).await, expected);
    }
    let put = detail(Method::PUT, "/v1/workspace", 405).await;
    assert_eq!(put, "This path supports DELETE, GET, HEAD, PATCH. Use PATCH to change the object.");
    let secret = app.send(Method::PUT, "/v1/secrets/New%20one", &[], r#"{"value": "abcdefgh"}"#).await;
    assert_eq!(secret.errors(), [("{name}".to_owned(), "secret_name_invalid".to_owned())]);
    let slash = app.get(&format!("/v1/jobs/{id}/")).await.expect(200);
    assert_eq!(slash["id"], json!(id));
    app.get("/v1/jobs/?limit=1").await.expect(200);
    let header = ("authorization", "Bearer cron_pat_abc");
    let request = app.api.request(Method::GET, "/v1/jobs").header(header.0, header.1);
    let foreign = app.api.send(request.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!(foreign.problem(401), "unauthorized");
    assert!(foreign.text.contains("they begin with trg_"), "{}", foreign.text);
}

#[tokio::test]
async fn parameters_of_other_lists() {
    let app = App::new().await;
    let unknown = |name: &str| format!("`{name}` is not a parameter of this operation.");
    for (parameter, hint) in [
        ("page", "Send `next_cursor` of the previous page as `cursor`."),
        ("offset", "Send `next_cursor` of the previous page as `cursor`."),
        ("per_page", "Did you mean limit?"),
        ("sort", "Lists are newest first; there is no other order."),
        ("colour", ""),
    ] {
        let found = refused(&app.get(&format!("/v1/executions?{parameter}=2")).await);
        assert_eq!(found, (format!("?{parameter}"), unknown(parameter), hint.to_owned()));
    }
    let found = refused(&app.get("/v1/jobs?order_by=name").await);
    assert_eq!(found, ("?order_by".to_owned(), unknown("order_by"), "Did you mean sort?".to_owned()));
}
