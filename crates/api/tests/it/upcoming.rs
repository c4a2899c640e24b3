//! The next fires of all jobs.

use serde_json::{Value, json};
use trigrun_testkit::jobs::every_seconds;

use crate::app::App;

const UPCOMING: &str = "/v1/upcoming";

async fn upcoming(app: &App, query: &str) -> Value {
    app.get(&format!("{UPCOMING}?{query}")).await.expect(200)
}

/// A job that runs once, at a minute of the first hour of the year 2999.
async fn once(app: &App, minute: u32, more: &Value) -> String {
    let mut job =
        json!({ "kind": "scheduled", "schedule": { "run_at": format!("2999-01-01T00:{minute:02}:00Z") } });
    for (name, value) in more.as_object().unwrap() {
        job[name] = value.clone();
    }
    app.job(&job).await
}

fn jobs(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|fire| fire["job_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn fires_are_listed_in_order_page_by_page() {
    let app = App::new().await;
    app.db.job(app.db.workspace("theirs").await, &every_seconds(60, "https://example.com/")).await;
    let mut expected = Vec::new();
    for minute in [3, 1, 2, 2, 1] {
        expected.push((minute, once(&app, minute, &json!({})).await));
    }
    once(&app, 9, &json!({ "state": "paused" })).await;
    expected.sort();
    let (mut listed, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = upcoming(&app, &query).await;
        listed.extend(jobs(&page).into_iter().map(str::to_owned));
        assert_eq!(page["has_more"], json!(!page["next_cursor"].is_null()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=2&cursor={cursor}");
    }
    assert_eq!(listed, expected.iter().map(|(_, job)| job.clone()).collect::<Vec<_>>());
    let first = &upcoming(&app, "limit=1").await["data"][0];
    let fire = json!({
        "at": "2999-01-01T00:01:00.000Z", "local": "2999-01-01T00:01:00+00:00", "job_id": expected[0].1, "job_name": "report",
        "host": "example.com", "note": null, "will_fail": null,
    });
    assert_eq!(*first, fire);
}

#[tokio::test]
async fn a_job_is_listed_with_each_of_its_fires() {
    let app = App::new().await;
    // The last Sundays of March and October are among them.
    let schedule = json!({ "cron": "30 2 * 3,10 SUN", "timezone": "Europe/Berlin" });
    let job = app.job(&json!({ "kind": "cron", "schedule": schedule })).await;
    app.job(&json!({})).await;
    let preview = json!({ "kind": "cron", "schedule": schedule, "count": 100 });
    let preview = app.post("/v1/schedules/preview", &preview).await.expect(200);
    let page = upcoming(&app, &format!("job_id={job}&limit=100")).await;
    let shown: Vec<Value> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fire| json!({ "at": fire["at"], "local": fire["local"], "note": fire["note"] }))
        .collect();
    assert_eq!(json!(shown), preview["fires"]);
    assert!(shown.iter().any(|fire| fire["note"].is_string()) && page["has_more"] == true);
}

#[tokio::test]
async fn filters_select_fires() {
    let app = App::new().await;
    let of = |host: &str, tag: &str| json!({ "request": { "url": format!("https://{host}:8443/") }, "tags": [tag] });
    let a = once(&app, 1, &of("a.example", "x")).await;
    let b = once(&app, 2, &of("b.example", "x")).await;
    let c = once(&app, 3, &of("a.example", "y")).await;
    for (query, expected) in [
        ("host=a.example".to_owned(), vec![&a, &c]),
        ("tag=x".to_owned(), vec![&a, &b]),
        ("to=2999-01-01T00:02:00Z".to_owned(), vec![&a]),
        (format!("job_id={b}"), vec![&b]),
        (format!("job_id={b}&host=a.example"), vec![]),
        (format!("job_id={b}&tag=y"), vec![]),
        ("job_id=job_01h455vb4pex5vsknk084sn02q".to_owned(), vec![]),
    ] {
        assert_eq!(jobs(&upcoming(&app, &query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn a_missing_secret_is_foreseen() {
    let app = App::new().await;
    let request =
        json!({ "url": "https://example.com/", "headers": { "Authorization": "Bearer secret://absent" } });
    once(&app, 1, &json!({ "request": request })).await;
    once(&app, 2, &json!({})).await;
    let page = upcoming(&app, "").await;
    let expected = json!({
        "code": "secret_missing",
        "detail": "The secret absent does not exist. Until it does, executions fail and send nothing.",
    });
    assert_eq!((&page["data"][0]["will_fail"], &page["data"][1]["will_fail"]), (&expected, &Value::Null));
    app.post("/v1/secrets", &json!({ "name": "absent", "value": "x" })).await.expect(201);
    assert_eq!(upcoming(&app, "").await["data"][0]["will_fail"], Value::Null);
}

#[tokio::test]
async fn every_invalid_parameter_is_reported() {
    let app = App::new().await;
    for minute in [1, 2] {
        once(&app, minute, &json!({})).await;
    }
    let page = upcoming(&app, "limit=1").await;
    let of_other_filters = format!("tag=x&cursor={}", page["next_cursor"].as_str().unwrap());
    for (query, pointer, code) in [
        ("limit=0", "?limit", "out_of_range"),
        ("limit=251", "?limit", "out_of_range"),
        ("cursor=x", "?cursor", "cursor_invalid"),
        (of_other_filters.as_str(), "?cursor", "cursor_invalid"),
        ("to=x", "?to", "instant_invalid"),
        ("job_id=X", "?job_id", "parameter_invalid"),
        ("host=a/b", "?host", "host_invalid"),
    ] {
        let errors = app.get(&format!("{UPCOMING}?{query}")).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())], "{query}");
    }
    let all = app.get(&format!("{UPCOMING}?limit=0&cursor=x")).await.errors();
    assert_eq!(all.len(), 2, "{all:?}");
}
