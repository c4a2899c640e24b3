//! POST /v1/jobs/batch: many jobs, all or none.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::domain::access::Scope;

use crate::app::{App, Response, job};

fn batch(items: &[Value]) -> Value {
    json!({ "items": items })
}

fn named(name: &str) -> Value {
    job(&json!({ "name": name }))
}

fn ids(response: &Value) -> Vec<String> {
    let created = response["created"].as_array().unwrap();
    created.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_item_becomes_the_job_that_it_would_be_alone() {
    let app = App::new().await;
    let request = json!({ "url": "https://example.com/", "method": "POST", "headers": { "X-A": "1" }, "body": { "a": 1.0 } });
    let items = [
        job(&json!({ "request": request, "tags": ["a", "b,\"c\\"], "concurrency_limit": 3 })),
        job(
            &json!({ "kind": "cron", "schedule": { "cron": "@daily", "timezone": "Europe/Berlin" }, "state": "paused" }),
        ),
        job(&json!({ "kind": "scheduled", "schedule": { "run_at": "2999-01-01T00:00:00Z" } })),
        job(&json!({ "kind": "one_time", "schedule": null })),
        job(&json!({ "state": "draft" })),
    ];
    let created = app.post("/v1/jobs/batch", &batch(&items)).await.expect(201);
    assert!(created["warnings"].is_null(), "{created}");
    let created = created["created"].as_array().unwrap();
    assert_eq!(created.len(), items.len());
    for (item, in_batch) in items.iter().zip(created) {
        let path = format!("/v1/jobs/{}", in_batch["id"].as_str().unwrap());
        let read = app.get(&path).await.expect(200);
        let alone = app.post("/v1/jobs", item).await.expect(201);
        assert_eq!(in_batch["execution_id"].is_string(), item["kind"] == "one_time", "{in_batch}");
        assert!(in_batch["request"].get("body").is_none(), "{in_batch}");
        for field in
            ["name", "kind", "schedule", "retry_policy", "state", "tags", "concurrency_limit", "version"]
        {
            assert_eq!((&in_batch[field], &read[field]), (&alone[field], &alone[field]), "{field}");
        }
        assert_eq!(read["request"], alone["request"]);
        assert_eq!(in_batch["next_run_at"].is_null(), alone["next_run_at"].is_null());
    }
    assert_eq!(created[0]["tags"], json!(["a", "b,\"c\\"]));
}

#[tokio::test]
async fn one_invalid_item_stops_all_of_them_and_all_errors_are_reported() {
    let app = App::new().await;
    let items = [
        named("good"),
        json!({ "name": "", "kind": "cron", "schedule": { "cron": "61 * * * *" }, "request": {} }),
        json!(7),
        job(&json!({ "nmae": "x", "concurrency_limit": "many" })),
        named("good, too"),
        job(&json!({ "kind": "scheduled", "schedule": { "run_at": "2020-01-01T00:00:00Z" } })),
    ];
    let errors = app.post("/v1/jobs/batch", &batch(&items)).await.errors();
    let expected = [
        ("/items/1/name", "length"),
        ("/items/1/request/url", "required"),
        ("/items/1/schedule/cron", "cron_out_of_range"),
        ("/items/2", "wrong_type"),
        ("/items/3/concurrency_limit", "wrong_type"),
        ("/items/3/nmae", "unknown_field"),
        ("/items/5/schedule/run_at", "in_the_past"),
    ];
    assert_eq!(errors, expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
    let many: Vec<Value> = (0..1000).map(|_| json!({ "name": "" })).collect();
    let errors = app.post("/v1/jobs/batch", &batch(&many)).await.errors();
    assert!((50..60).contains(&errors.len()), "{}", errors.len());
    for (items, code) in [(vec![], "out_of_range"), (vec![named("a"); 1001], "out_of_range")] {
        let errors = app.post("/v1/jobs/batch", &batch(&items)).await.errors();
        assert_eq!(errors, [("/items".to_owned(), code.to_owned())]);
    }
    let errors = app.post("/v1/jobs/batch", &json!({})).await.errors();
    assert_eq!(errors, [("/items".to_owned(), "required".to_owned())]);
    assert_eq!(app.db.count("select count(*) from jobs").await, 0);
}

#[tokio::test]
async fn a_thousand_jobs_and_eight_megabytes_are_accepted() {
    let app = App::new().await;
    let names: Vec<Value> = (0..1000).map(|number| named(&format!("job {number}"))).collect();
    let created = app.post("/v1/jobs/batch", &batch(&names)).await.expect(201);
    assert_eq!(created["created"].as_array().unwrap().len(), 1000);
    assert_eq!(created["created"][999]["name"], "job 999");
    for table in ["jobs", "job_versions", "job_timers"] {
        assert_eq!(app.db.count(&format!("select count(*) from {table}")).await, 1000, "{table}");
    }
    // Lists, which are in the order of ids, show the last item first.
    assert!(ids(&created).is_sorted());
    let large = |bodies: usize| {
        let request = json!({ "url": "https://example.com/", "method": "POST", "body": "x".repeat(260_000) });
        batch(&vec![job(&json!({ "request": request })); bodies])
    };
    app.post("/v1/jobs/batch", &large(30)).await.expect(201);
    let refused = app.post("/v1/jobs/batch", &large(33)).await;
    assert_eq!(refused.problem(413), "body_too_large");
    assert_eq!(app.db.count("select count(*) from jobs").await, 1030);
}

async fn keyed(app: &App, key: &str, body: &Value) -> Response {
    app.send(Method::POST, "/v1/jobs/batch", &[("idempotency-key", key)], &body.to_string()).await
}

#[tokio::test]
async fn a_key_creates_one_batch() {
    let app = App::new().await;
    let body = batch(&[named("a"), named("b")]);
    let sent = (0..20).map(|_| keyed(&app, "k", &body));
    let responses = futures_util::future::join_all(sent).await;
    let first = responses.iter().find(|response| response.status == 201).expect("one creates them").json();
    assert_eq!(responses.iter().filter(|response| response.status == 201).count(), 1);
    for again in responses.iter().filter(|response| response.status != 201) {
        assert_eq!(ids(&again.expect(200)), ids(&first));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.header("idempotent-request-differs"), None);
    }
    let other = keyed(&app, "k", &batch(&[named("c")])).await;
    assert_eq!(other.header("idempotent-request-differs"), Some("true"));
    let other = other.expect(200);
    assert_eq!(ids(&other), ids(&first));
    assert!(other["warnings"][0].as_str().unwrap().contains("different request"), "{other}");
    // Invalid, but the key comes first.
    keyed(&app, "k", &batch(&[json!({})])).await.expect(200);
    app.delete(&format!("/v1/jobs/{}", ids(&first)[0])).await.expect(204);
    assert_eq!(ids(&keyed(&app, "k", &body).await.expect(200)), ids(&first)[1..]);
    // The keys of batches and those of single jobs are separate.
    app.send(Method::POST, "/v1/jobs", &[("idempotency-key", "k")], &named("d").to_string())
        .await
        .expect(201);
    let theirs = app.db.workspace("theirs").await;
    let token = app.token_of(theirs, Scope::ALL).await;
    let headers = [("idempotency-key", "k")];
    app.send_as(&token, Method::POST, "/v1/jobs/batch", &headers, &body.to_string()).await.expect(201);
    assert_eq!(app.db.count("select count(*) from jobs").await, 4);
}
