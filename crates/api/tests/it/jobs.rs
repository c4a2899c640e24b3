//! Jobs: created, listed, read, changed, paused, run and deleted.

use hyper::Method;
use serde_json::{Value, json};

use crate::app::{App, Response, job};

/// Replaces values that differ in each run.
fn redact(mut job: Value) -> Value {
    for field in ["id", "created_at", "updated_at", "next_run_at", "execution_id"] {
        if job.get(field).is_some_and(Value::is_string) {
            job[field] = json!(format!("[{field}]"));
        }
    }
    job
}

/// The response to a create is not read from the database: it must equal what is read later.
#[tokio::test]
async fn the_response_to_a_create_equals_a_later_read() {
    let app = App::new().await;
    let everything = json!({
        "tags": ["b", "a"], "concurrency_limit": 2, "overlap_policy": "skip", "misfire_policy": "skip", "catch_up_limit": 3,
        "delivery": "at_most_once", "retry_policy": { "max_attempts": 2, "retry_on_statuses": [500] },
        "request": {
            "url": "https://example.com/{{job.name}}?n=1", "method": "PUT", "headers": { "X-Two": "2", "x-one": "secret://none" },
            "body": { "b": [1, null], "a": "\u{e9}" }, "timeout_seconds": 5, "success_statuses": [204],
        },
    });
    let far = "2100-01-01T00:00:00.123456789Z";
    for change in [
        json!({}),
        everything,
        json!({ "request": { "url": "https://example.com", "method": "POST", "body": "plain" } }),
        json!({ "state": "draft" }),
        json!({ "state": "paused" }),
        json!({ "kind": "cron", "schedule": { "cron": "30 4 * * 1-5", "timezone": "Europe/Berlin" } }),
        json!({ "kind": "scheduled", "schedule": { "run_at": far } }),
        json!({ "kind": "one_time", "schedule": {}, "state": "draft" }),
    ] {
        let created = app.post("/v1/jobs", &job(&change)).await;
        let mut response = created.expect(201);
        response.as_object_mut().unwrap().remove("warnings");
        let read = app.get(&format!("/v1/jobs/{}", response["id"].as_str().unwrap())).await;
        assert_eq!(response, read.expect(200), "{change}");
        assert_eq!(created.header("etag"), read.header("etag"));
    }
}

#[tokio::test]
async fn a_minimal_job_gets_every_default() {
    let app = App::new().await;
    let response = app.post("/v1/jobs", &job(&json!({}))).await;
    let created = response.expect(201);
    let id = created["id"].as_str().unwrap();
    assert_eq!(response.header("location"), Some(format!("/v1/jobs/{id}").as_str()));
    assert!(response.header("etag").unwrap().starts_with("\"1-"));
    insta::assert_json_snapshot!(redact(created.clone()), @r#"
    {
      "catch_up_limit": 10,
      "concurrency_limit": null,
      "created_at": "[created_at]",
      "delivery": "at_least_once",
      "health": {
        "failures_in_a_row": 0,
        "since": null,
        "state": "never_ran"
      },
      "host": "example.com",
      "id": "[id]",
      "key": null,
      "kind": "recurring",
      "last_execution": null,
      "misfire_policy": "fire_once",
      "name": "report",
      "next_run_at": "[next_run_at]",
      "overlap_policy": "queue",
      "paused": null,
      "request": {
        "body": null,
        "headers": {},
        "method": "GET",
        "success_statuses": [
          200,
          201,
          202,
          204
        ],
        "timeout_seconds": 30,
        "url": "https://example.com/report"
      },
      "retry_policy": {
        "max_attempts": 3,
        "retry_on_statuses": [
          429,
          500,
          502,
          503,
          504
        ]
      },
      "schedule": {
        "every_n_minutes": 5
      },
      "schedule_in_words": "every 5 minutes",
      "stack": null,
      "state": "active",
      "tags": [],
      "updated_at": "[updated_at]",
      "version": 1
    }
    "#);
    assert_eq!(app.get(&format!("/v1/jobs/{id}")).await.expect(200), created);
    let minutes =
        |field: &str| chrono::DateTime::parse_from_rfc3339(created[field].as_str().unwrap()).unwrap();
    assert_eq!((minutes("next_run_at") - minutes("created_at")).num_milliseconds(), 300_000);
}

#[tokio::test]
async fn a_job_with_every_field() {
    let app = App::new().await;
    let full = json!({
        "name": "nightly report ☂",
        "kind": "cron",
        "schedule": { "cron": "30 4 * * MON-FRI", "timezone": "Europe/Berlin" },
        "request": {
            "url": "https://example.com:8443/report?a=1",
            "method": "POST",
            "headers": { "Authorization": "Bearer x", "X-Empty": "" },
            "body": { "b": 1, "a": [null] },
            "timeout_seconds": 300,
            "success_statuses": ["2xx", 302],
        },
        "retry_policy": { "max_attempts": 10, "retry_on_statuses": [429, "5xx", "protocol_error"] },
        "concurrency_limit": 1,
        "overlap_policy": "skip",
        "misfire_policy": "catch_up",
        "catch_up_limit": 1000,
        "delivery": "at_most_once",
        "state": "paused",
        "tags": ["billing", "eu"],
    });
    let created = app.post("/v1/jobs", &full).await.expect(201);
    for (field, value) in full.as_object().unwrap() {
        assert_eq!(created[field], *value, "{field}");
    }
    assert_eq!(created["next_run_at"], Value::Null, "a paused job has no next run");
}

#[tokio::test]
async fn headers_keep_their_order() {
    let app = App::new().await;
    let shown = |response: Response, expected: &str| {
        assert!(response.text.contains(&format!(r#""headers":{expected}"#)), "{response:?}");
        response.json()["id"].as_str().unwrap().to_owned()
    };
    let body = r#"{ "name": "order", "kind": "one_time", "state": "draft",
        "request": { "url": "https://example.com/", "headers": { "X-B": "1", "SOAPAction": "x", "a": "2" } } }"#;
    let created = app.post_text("/v1/jobs", body).await;
    let path = format!("/v1/jobs/{}", shown(created, r#"{"X-B":"1","SOAPAction":"x","a":"2"}"#));
    shown(app.get(&path).await, r#"{"X-B":"1","SOAPAction":"x","a":"2"}"#);
    let patch = r#"{ "request": { "headers": { "SOAPAction": null, "X-B": "3", "A-Last": "4" } } }"#;
    let changed = app.send(Method::PATCH, &path, &[], patch).await;
    shown(changed, r#"{"X-B":"3","a":"2","A-Last":"4"}"#);
}

#[tokio::test]
async fn each_kind_has_its_next_run() {
    let app = App::new().await;
    let cron =
        job(&json!({ "kind": "cron", "schedule": { "cron": "0 0 1 1 *", "timezone": "Asia/Kolkata" } }));
    let next = app.post("/v1/jobs", &cron).await.expect(201)["next_run_at"].as_str().unwrap().to_owned();
    assert!(next.ends_with("-12-31T18:30:00.000Z"), "{next}");
    let scheduled =
        job(&json!({ "kind": "scheduled", "schedule": { "run_at": "2999-01-01T01:00:00.1239+01:00" } }));
    let created = app.post("/v1/jobs", &scheduled).await.expect(201);
    assert_eq!(created["next_run_at"], "2999-01-01T00:00:00.123Z");
    assert_eq!(created["schedule"]["run_at"], "2999-01-01T00:00:00.123Z");
    let one_time =
        app.post("/v1/jobs", &job(&json!({ "kind": "one_time", "schedule": null }))).await.expect(201);
    assert!(one_time["execution_id"].as_str().unwrap().starts_with("exe_"));
    let draft = json!({ "kind": "one_time", "schedule": null, "state": "draft" });
    let draft = app.post("/v1/jobs", &job(&draft)).await.expect(201);
    assert_eq!((draft.get("execution_id"), &draft["next_run_at"]), (None, &Value::Null));
}

#[tokio::test]
async fn a_body_is_stored_unchanged() {
    let app = App::new().await;
    let bodies = [
        r#"{"z": 1.0,  "a":1e2,"z":2 , "s":"\ud800", "big": 1e999, "n": -0}"#,
        "[1,  2 ,3.10]",
        "12345678901234567890.0",
        "true",
        r#""plain \u00e4 \n text""#,
    ];
    for body in bodies {
        let text = format!(
            r#"{{"name":"a","kind":"recurring","schedule":{{"every_n_minutes":1}},"request":{{"url":"https://example.com","body":{body}}}}}"#
        );
        let response = app.post_text("/v1/jobs", &text).await;
        assert_eq!(response.status, 201, "{}", response.text);
        let shown = if body.starts_with('"') {
            r#""body":"plain ä \n text""#.to_owned()
        } else {
            format!(r#""body":{body}"#)
        };
        assert!(response.text.contains(&shown), "{}", response.text);
    }
    let stored = app.db.query("select body from job_versions order by created_at, job_id").await;
    let stored: Vec<String> = stored.iter().map(|row| row.get(0)).collect();
    assert_eq!(stored[..4], bodies[..4]);
    assert_eq!(stored[4], "plain ä \n text");
}

#[tokio::test]
async fn lists_filters_and_pages() {
    let app = App::new().await;
    let cron =
        json!({ "name": "Invoices", "kind": "cron", "schedule": { "cron": "@daily" }, "tags": ["billing"] });
    let all = [
        app.job(&json!({ "name": "report", "tags": ["eu", "billing"] })).await,
        app.job(&cron).await,
        app.job(&json!({ "name": "100% reports", "state": "paused" })).await,
    ];
    let ids = async |query: &str| {
        let list = app.get(&format!("/v1/jobs{query}")).await.expect(200);
        let ids = list["data"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let of = |places: &[usize]| places.iter().map(|place| all[*place].clone()).collect::<Vec<_>>();
    assert_eq!(ids("").await, of(&[2, 1, 0]), "newest first");
    assert_eq!(ids("?state=paused").await, of(&[2]));
    assert_eq!(ids("?kind=cron").await, of(&[1]));
    assert_eq!(ids("?tag=billing").await, of(&[1, 0]));
    assert_eq!(ids("?q=REPORT").await, of(&[2, 0]));
    assert_eq!(ids("?q=%25").await, of(&[2]), "a percent sign is not a wildcard");
    assert_eq!(ids("?q=_").await, of(&[]));
    for (name, part) in [("Отчёт", "ОТЧЁТ"), ("Ετήσιος ΟΔΟΣΑ", "οδος"), ("Straße", "STRASSE"), ("ÉTÉ", "été")]
    {
        let id = app.job(&json!({ "name": name, "state": "draft" })).await;
        let part: String = part.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(ids(&format!("?q={part}")).await, std::slice::from_ref(&id), "{name}");
        let run = format!("/v1/executions?job_name={part}");
        assert_eq!(app.get(&run).await.expect(200)["data"], json!([]), "{name}");
        app.delete(&format!("/v1/jobs/{id}")).await.expect(204);
    }
    assert_eq!(ids("?tag=billing&kind=recurring&state=active").await, of(&[0]));
    let first = app.get("/v1/jobs?limit=2").await.expect(200);
    assert_eq!((first["data"].as_array().unwrap().len(), &first["has_more"]), (2, &json!(true)));
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/v1/jobs?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(
        (&rest["data"][0]["id"], &rest["has_more"], &rest["next_cursor"]),
        (&json!(all[0]), &json!(false), &Value::Null)
    );
}

#[tokio::test]
async fn a_patch_changes_only_the_given_fields() {
    let app = App::new().await;
    let request =
        json!({ "url": "https://example.com/a", "headers": { "X-A": "1", "X-B": "2" }, "body": { "a": 1 } });
    let id = app.job(&json!({ "request": request, "tags": ["a"] })).await;
    let path = format!("/v1/jobs/{id}");
    let before = app.get(&path).await.expect(200);
    let patch = json!({
        "name": "renamed", "tags": null, "concurrency_limit": 3,
        "request": { "headers": { "X-A": null, "X-C": "3" }, "body": { "b": 2 }, "method": "PUT" },
    });
    let response = app.patch(&path, &patch).await;
    let after = response.expect(200);
    assert!(response.header("etag").unwrap().starts_with("\"2-"), "{:?}", response.header("etag"));
    let mut expected = before.clone();
    expected["name"] = json!("renamed");
    expected["tags"] = json!([]);
    expected["concurrency_limit"] = json!(3);
    expected["request"]["headers"] = json!({ "X-B": "2", "X-C": "3" });
    expected["request"]["body"] = json!({ "b": 2 });
    expected["request"]["method"] = json!("PUT");
    expected["version"] = json!(2);
    expected["updated_at"] = after["updated_at"].clone();
    assert_eq!(after, expected, "the next run is unchanged");
    assert_eq!(app.get(&path).await.expect(200), after);
}

#[tokio::test]
async fn a_new_schedule_counts_from_now() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}", app.job(&json!({})).await);
    let created = app.get(&path).await.expect(200);
    let hourly = app.patch(&path, &json!({ "schedule": { "every_n_minutes": 60 } })).await.expect(200);
    let at = |job: &Value, field: &str| {
        chrono::DateTime::parse_from_rfc3339(job[field].as_str().unwrap()).unwrap()
    };
    assert_eq!((at(&hourly, "next_run_at") - at(&created, "created_at")).num_minutes(), 60, "without drift");
    let cron = json!({ "kind": "cron", "schedule": { "cron": "0 12 * * *" } });
    let cron = app.patch(&path, &cron).await.expect(200);
    assert_eq!(
        (&cron["kind"], &cron["schedule"]),
        (&json!("cron"), &json!({ "cron": "0 12 * * *", "timezone": "UTC" }))
    );
    assert!(cron["next_run_at"].as_str().unwrap().ends_with("T12:00:00.000Z"));
    let once = app.patch(&path, &json!({ "kind": "one_time" })).await.expect(200);
    assert_eq!((once.get("schedule"), &once["next_run_at"]), (Some(&Value::Null), &Value::Null));
    assert!(once["execution_id"].is_string(), "becoming one_time, it runs: {once}");
}

#[tokio::test]
async fn if_match_prevents_lost_updates() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}", app.job(&json!({})).await);
    let patch = async |tag: &str, name: &str| {
        app.send(Method::PATCH, &path, &[("if-match", tag)], &json!({ "name": name }).to_string()).await
    };
    patch("\"1\"", "first").await.expect(200);
    assert_eq!(patch("\"1\"", "second").await.problem(412), "version_mismatch");
    patch("*", "any").await.expect(200);
    assert_eq!(app.get(&path).await.expect(200)["name"], "any");
    // Without it, concurrent changes are all applied, one after the other.
    let tags = ["a", "b", "c", "d"].map(|tag| json!({ "request": { "headers": { tag: "1" } } }));
    for response in futures_util::future::join_all(tags.iter().map(|tag| app.patch(&path, tag))).await {
        response.expect(200);
    }
    let headers = app.get(&path).await.expect(200)["request"]["headers"].clone();
    assert_eq!(headers, json!({ "a": "1", "b": "1", "c": "1", "d": "1" }));
}

#[tokio::test]
async fn pause_and_resume() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}", app.job(&json!({})).await);
    let act = async |verb: &str| app.send(Method::POST, &format!("{path}/{verb}"), &[], "").await;
    let paused = act("pause").await.expect(200);
    assert_eq!((&paused["state"], &paused["next_run_at"]), (&json!("paused"), &Value::Null));
    assert_eq!(act("pause").await.expect(200)["version"], paused["version"], "pausing is idempotent");
    act("run-now").await.expect(202);
    let resumed = act("resume").await.expect(200);
    assert_eq!(resumed["state"], "active");
    assert!(resumed["next_run_at"].is_string());
    assert_eq!(app.db.count("select count(*) from job_timers").await, 1);

    let draft = format!("/v1/jobs/{}", app.job(&json!({ "state": "draft" })).await);
    for verb in ["pause", "run-now"] {
        let refused = app.send(Method::POST, &format!("{draft}/{verb}"), &[], "").await;
        assert_eq!(refused.problem(409), "job_is_draft");
    }
    app.send(Method::POST, &format!("{draft}/resume"), &[], "").await.expect(200);
}

#[tokio::test]
async fn a_deleted_job_is_deleted_with_its_executions() {
    let app = App::new().await;
    let (id, other) = (app.job(&json!({})).await, app.job(&json!({})).await);
    let path = format!("/v1/jobs/{id}");
    let run = app.send(Method::POST, &format!("{path}/run-now"), &[], "").await.expect(202);
    let response = app.delete(&path).await;
    assert_eq!((response.status.as_u16(), response.text.as_str()), (204, ""));
    assert_eq!(app.delete(&path).await.problem(404), "not_found");
    for gone in [
        path.clone(),
        format!("{path}/executions"),
        format!("/v1/executions/{}", run["id"].as_str().unwrap()),
    ] {
        assert_eq!(app.get(&gone).await.problem(404), "not_found", "{gone}");
    }
    assert_eq!(app.get("/v1/executions").await.expect(200)["data"], json!([]));
    assert_eq!(app.get("/v1/jobs").await.expect(200)["data"].as_array().unwrap().len(), 1);
    app.get(&format!("/v1/jobs/{other}")).await.expect(200);
}

#[tokio::test]
async fn a_used_key_is_replayed_whatever_the_body() {
    let app = App::new().await;
    let key = [("idempotency-key", "once")];
    let create = async |body: &Value| app.send(Method::POST, "/v1/jobs", &key, &body.to_string()).await;
    let body = job(&json!({ "kind": "one_time", "schedule": {} }));
    let first = create(&body).await;
    let made = first.expect(201);
    assert!(made["execution_id"].as_str().unwrap().starts_with("exe_"));
    // What was valid then may be invalid now: run_at passes, time zones are removed.
    let expired = job(&json!({ "kind": "scheduled", "schedule": { "run_at": "2020-01-01T00:00:00Z" } }));
    for again in [create(&body).await, create(&expired).await] {
        let replayed = again.expect(200);
        assert_eq!((&replayed["id"], &replayed["execution_id"]), (&made["id"], &made["execution_id"]));
        assert_eq!(again.header("location"), first.header("location"));
    }
    // The same value in another order and with other spaces is the same request.
    let same = serde_json::to_string_pretty(&body).unwrap();
    let same = app.send(Method::POST, "/v1/jobs", &key, &same).await;
    assert_eq!((same.status.as_u16(), same.header("idempotent-request-differs")), (200, None));
    assert_eq!(same.json().get("warnings"), None);
    let other = create(&job(&json!({ "name": "other" }))).await;
    assert_eq!(other.header("idempotent-request-differs"), Some("true"));
    let other = other.expect(200);
    assert_eq!((&other["id"], &other["name"]), (&made["id"], &made["name"]));
    assert!(other["warnings"][0].as_str().unwrap().contains("by a different request"), "{other}");
}

#[tokio::test]
async fn duplicate_fields_are_refused_at_every_level() {
    let app = App::new().await;
    let id = app.job(&json!({})).await;
    let twice = |pointer: &str| vec![(pointer.to_owned(), "field_twice".to_owned())];
    let path = format!("/v1/jobs/{id}");
    let patch = app.send(Method::PATCH, &path, &[], r#"{"name":"a","name":"b"}"#).await;
    assert_eq!(patch.errors(), twice("/name"));
    let headers = r#""url":"https://example.com/","headers":{"X-A":"1","X-A":"2"}"#;
    let create = format!(r#"{{"name":"a","kind":"one_time","request":{{{headers}}}}}"#);
    assert_eq!(app.post_text("/v1/jobs", &create).await.errors(), twice("/request/headers/X-A"));
    let body = r#"{"request":{"body":{"a":1,"a":2}}}"#;
    let patched = app.send(Method::PATCH, &path, &[], body).await;
    patched.expect(200);
    assert!(patched.text.contains(r#""body":{"a":1,"a":2}"#), "a body is the owner's: {}", patched.text);
}

#[tokio::test]
async fn if_match_is_a_list_of_strong_tags() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}", app.job(&json!({})).await);
    let patch =
        async |tags: &str| app.send(Method::PATCH, &path, &[("if-match", tags)], r#"{"name":"a"}"#).await;
    patch(r#""7", "1""#).await.expect(200);
    for stale in [r#""1""#, r#"W/"2""#, r#""of something else""#, r#""2-0000000000000000""#] {
        assert_eq!(patch(stale).await.problem(412), "version_mismatch", "{stale}");
    }
    patch("*").await.expect(200);
}

#[tokio::test]
async fn many_concurrent_patches_all_succeed() {
    let app = App::new().await;
    let path = format!("/v1/jobs/{}", app.job(&json!({})).await);
    let patch = |n: usize| {
        let (app, path) = (&app, &path);
        async move { app.patch(path, &json!({ "request": { "headers": { format!("X-{n}"): "1" } } })).await }
    };
    let responses = futures_util::future::join_all((0..20).map(patch)).await;
    responses.iter().for_each(|response| drop(response.expect(200)));
    let headers = app.get(&path).await.expect(200)["request"]["headers"].as_object().unwrap().len();
    assert_eq!(headers, 20, "and nothing is lost");
}

#[tokio::test]
async fn years_have_four_digits() {
    let app = App::new().await;
    let late = job(&json!({ "kind": "scheduled", "schedule": { "run_at": "9999-12-31T23:59:59-23:59" } }));
    assert_eq!(app.post("/v1/jobs", &late).await.errors()[0].0, "/schedule/run_at");
    let all: Vec<u16> = (100..600).collect();
    app.job(&json!({ "request": { "url": "https://example.com/", "success_statuses": all } })).await;
    let secrets = (0..33).map(|n| format!("secret://s{n}")).collect::<Vec<_>>().join(" ");
    let many = json!({ "request": { "url": "https://example.com/", "headers": { "X-A": secrets } } });
    assert_eq!(app.post("/v1/jobs", &job(&many)).await.errors()[0].1, "too_many_secrets");
}
