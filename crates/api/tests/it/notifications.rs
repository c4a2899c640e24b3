//! Channels, rules and the log of notifications.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::app::{App, refills};

const CHANNELS: &str = "/v1/notification-channels";

impl App {
    async fn channel(&self, body: &Value) -> Value {
        self.post(CHANNELS, body).await.expect(201)
    }

    async fn hook(&self, name: &str) -> String {
        let hook = json!({ "name": name, "type": "webhook", "config": { "url": "https://example.com/hook?key=t0p" } });
        self.channel(&hook).await["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn destinations_are_sealed() {
    let app = App::new().await;
    let made = app
        .channel(&json!({ "name": "hook", "type": "slack", "config": { "url": "https://hooks.slack.com/services/T0P/S3CRET" } }))
        .await;
    assert_eq!(made["config"], json!({ "url": "https://hooks.slack.com/…" }));
    let path = format!("{CHANNELS}/{}", made["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.expect(200), made);
    let changed = app
        .patch(&path, &json!({ "config": { "url": "https://example.org/services/S3CRET" } }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["config"]["url"], &changed["name"]),
        (&json!("https://example.org/…"), &json!("hook"))
    );
    let renamed = app.patch(&path, &json!({ "name": "other" })).await.expect(200);
    assert_eq!((&renamed["config"], &renamed["name"]), (&changed["config"], &json!("other")));
    let mail = app
        .channel(&json!({ "name": "mail", "type": "email", "config": { "to": ["Ops@Example.com"] } }))
        .await;
    assert_eq!(mail["config"], json!({ "to": ["ops@example.com"] }));
    let list = app.get(CHANNELS).await.expect(200);
    assert_eq!(list["data"], json!([mail, renamed]));
    for table in ["channels", "notifications"] {
        let kept = format!("select count(*) from {table} t where t::text like '%S3CRET%'");
        assert_eq!(app.db.count(&kept).await, 0, "{table}");
    }
}

#[tokio::test]
async fn invalid_channels() {
    let app = App::new().await;
    let config = json!({ "url": "https://example.com/" });
    for (body, pointer, code) in [
        (json!({ "type": "webhook", "config": config }), "/name", "required"),
        (json!({ "name": "a", "config": config }), "/type", "required"),
        (json!({ "name": "a", "type": "pager", "config": config }), "/type", "not_one_of"),
        (json!({ "name": "a", "type": "webhook" }), "/config", "required"),
        (json!({ "name": "a", "type": "webhook", "config": [] }), "/config", "wrong_type"),
        (json!({ "name": "a", "type": "webhook", "config": {} }), "/config/url", "required"),
        (
            json!({ "name": "a", "type": "slack", "config": { "url": "gopher://example.com/" } }),
            "/config/url",
            "url_scheme",
        ),
        (
            json!({ "name": "a", "type": "email", "config": { "to": ["nonsense"] } }),
            "/config/to",
            "email_invalid",
        ),
        (json!({ "name": "a", "type": "email", "config": { "to": "a@b.c" } }), "/config/to", "wrong_type"),
        (
            json!({ "name": "a", "type": "email", "config": { "to": ["a@b.c"], "url": "https://example.com/" } }),
            "/config/url",
            "unknown_field",
        ),
    ] {
        let errors = app.post(CHANNELS, &body).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())], "{body}");
    }
    let id = app.hook("a").await;
    let again = json!({ "name": "a", "type": "webhook", "config": config });
    assert_eq!(app.post(CHANNELS, &again).await.problem(409), "channel_exists");
    app.hook("b").await;
    let path = format!("{CHANNELS}/{id}");
    assert_eq!(app.patch(&path, &json!({ "name": "b" })).await.problem(409), "channel_exists");
}

#[tokio::test]
async fn rules_of_a_job() {
    let app = App::new().await;
    let (job, hook) = (app.job(&json!({})).await, app.hook("a").await);
    let path = format!("/v1/jobs/{job}/notification-rules");
    let body = json!({ "channel_id": hook, "event": "on_failure", "after_failures": 3 });
    let made = app.post(&path, &body).await.expect(201);
    assert_eq!((&made["event"], &made["after_failures"]), (&json!("on_failure"), &json!(3)));
    assert_eq!(app.get(&path).await.expect(200)["data"], json!([made]));
    assert_eq!(app.post(&path, &body).await.problem(409), "rule_exists");
    for (change, pointer, code) in [
        (json!({ "channel_id": null }), "/channel_id", "required"),
        (json!({ "channel_id": "a" }), "/channel_id", "id_invalid"),
        (json!({ "channel_id": "chn_01h455vb4pex5vsknk084sn02q" }), "/channel_id", "channel_unknown"),
        (json!({ "event": null }), "/event", "required"),
        (json!({ "event": "on_monday" }), "/event", "not_one_of"),
        (json!({ "after_failures": 0 }), "/after_failures", "out_of_range"),
        (json!({ "after_failures": 1.5 }), "/after_failures", "wrong_type"),
        (json!({ "event": "on_success" }), "/after_failures", "not_with_event"),
        (json!({ "job_id": job }), "/job_id", "unknown_field"),
    ] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(app.post(&path, &body).await.errors(), [(pointer.to_owned(), code.to_owned())], "{body}");
    }
    let channel = format!("{CHANNELS}/{hook}");
    let refused = app.send(Method::DELETE, &channel, &[], "").await;
    assert_eq!(refused.problem(409), "channel_in_use");
    assert!(refused.text.contains(&job), "the detail names the jobs");
    let other = app.job(&json!({})).await;
    let elsewhere = format!("/v1/jobs/{other}/notification-rules/{}", made["id"].as_str().unwrap());
    assert_eq!(app.send(Method::DELETE, &elsewhere, &[], "").await.problem(404), "not_found");
    app.send(Method::DELETE, &format!("{channel}?force=true"), &[], "").await.expect(204);
    assert_eq!(app.get(&path).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn the_log_has_filters() {
    let app = App::new().await;
    let (a, b) = (app.hook("a").await, app.hook("b").await);
    let mut made = Vec::new();
    for channel in [&a, &b] {
        let test = app.send(Method::POST, &format!("{CHANNELS}/{channel}/test"), &[], "").await;
        let location = test.header("location").unwrap().to_owned();
        let notification = test.expect(202);
        assert_eq!((&notification["event"], &notification["status"]), (&json!("test"), &json!("queued")));
        assert_eq!(app.get(&location).await.expect(200), notification);
        made.push(notification);
    }
    let list =
        async |query: &str| app.get(&format!("/v1/notifications{query}")).await.expect(200)["data"].clone();
    assert_eq!(list("").await, json!([made[1], made[0]]));
    assert_eq!(list(&format!("?channel_id={a}")).await, json!([made[0]]));
    assert_eq!(list("?status=succeeded").await, json!([]));
    assert_eq!(list("?job_id=job_01h455vb4pex5vsknk084sn02q").await, json!([]));
    let first = app.get("/v1/notifications?limit=1").await.expect(200);
    assert_eq!((&first["data"], &first["has_more"]), (&json!([made[1]]), &json!(true)));
    let next = format!("?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(list(&next).await, json!([made[0]]));
    for query in
        ["?status=lost", "?channel_id=a", "?execution_id=job_01h455vb4pex5vsknk084sn02q", "?event=test"]
    {
        assert_eq!(
            app.get(&format!("/v1/notifications{query}")).await.problem(422),
            "validation_failed",
            "{query}"
        );
    }
}

#[tokio::test]
async fn tests_of_channels_are_limited() {
    let app = App::new().await;
    let test = format!("{CHANNELS}/{}/test", app.hook("a").await);
    let started = Instant::now();
    let responses = join_all((0..15).map(|_| app.send(Method::POST, &test, &[], ""))).await;
    let allowed = responses.iter().filter(|response| response.status == 202).count();
    // Ten at once, and one more for each six seconds that the requests took.
    assert!((10..=10 + refills(started, Duration::from_secs(6))).contains(&allowed), "{allowed}");
    // All requests ran at the same time, and the API ends each after 10 s: at most two more were allowed.
    let refused = responses.iter().find(|response| response.status != 202).expect("one is refused");
    assert_eq!(refused.problem(429), "rate_limited");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() <= 60);
}
