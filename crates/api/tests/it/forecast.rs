//! The forecast of the load, and proposals that spread it.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_testkit::jobs::every_seconds;

use crate::app::App;

const FORECAST: &str = "/v1/forecast";
const SPREAD: &str = "/v1/forecast/spread";
const DAY: &str = "from=2999-03-01T00:00:00Z&to=2999-03-02T00:00:00Z";

async fn forecast(app: &App, query: &str) -> Value {
    app.get(&format!("{FORECAST}?{query}")).await.expect(200)
}

async fn cron(app: &App, expression: &str, host: &str, more: &Value) -> String {
    let mut job = json!({
        "kind": "cron", "schedule": { "cron": expression }, "request": { "url": format!("https://{host}:8443/{{{{job_id}}}}") },
    });
    for (name, value) in more.as_object().unwrap() {
        job[name] = value.clone();
    }
    app.job(&job).await
}

fn fires(forecast: &Value) -> Vec<u64> {
    forecast["buckets"].as_array().unwrap().iter().map(|bucket| bucket["fires"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_fires_of_all_active_jobs_are_counted() {
    let app = App::new().await;
    let none = json!({});
    for (expression, host) in
        [("0 4 * * *", "b.example"), ("0 4 * * *", "b.example"), ("30 4,5 * * *", "a.example")]
    {
        cron(&app, expression, host, &none).await;
    }
    cron(&app, "0 4 * * *", "b.example", &json!({ "state": "paused" })).await;
    cron(&app, "0 4 * * *", "b.example", &json!({ "state": "draft" })).await;
    let once = json!({ "kind": "scheduled", "schedule": { "run_at": "2999-03-01T05:30:10Z" } });
    app.job(&once).await;
    app.db.job(app.db.workspace("theirs").await, &every_seconds(60, "https://b.example/")).await;

    let shown = forecast(&app, DAY).await;
    assert_eq!((&shown["jobs"], &shown["is_complete"]), (&json!(4), &json!(true)));
    assert_eq!((&shown["from"], &shown["step_seconds"]), (&json!("2999-03-01T00:00:00.000Z"), &json!(3600)));
    let counted = fires(&shown);
    assert_eq!((counted.len(), counted.iter().sum::<u64>()), (24, 5));
    let expected = json!({
        "at": "2999-03-01T04:00:00.000Z", "fires": 3,
        "peak": { "at": "2999-03-01T04:00:00.000Z", "fires": 2 },
        "hosts": [{ "host": "b.example", "fires": 2 }, { "host": "a.example", "fires": 1 }],
    });
    assert_eq!(shown["buckets"][4], expected);
    assert_eq!(shown["buckets"][5]["peak"], json!({ "at": "2999-03-01T05:30:00.000Z", "fires": 2 }));
    assert_eq!(
        shown["buckets"][6],
        json!({ "at": "2999-03-01T06:00:00.000Z", "fires": 0, "peak": null, "hosts": [] })
    );
}

/// The forecast of a job is its preview.
#[tokio::test]
async fn it_is_the_sum_of_the_previews() {
    let app = App::new().await;
    let (mut expected, expressions) = (0, ["*/15 * * * *", "30 2 * * *", "0 9 * * MON", "17 */2 1-10 3 *"]);
    for expression in expressions {
        let schedule = json!({ "cron": expression, "timezone": "Europe/Berlin" });
        app.job(&json!({ "kind": "cron", "schedule": schedule })).await;
        // A preview has the fires after its start.
        let preview =
            json!({ "kind": "cron", "schedule": schedule, "from": "2999-03-30T23:59:59Z", "count": 100 });
        let shown = app.post("/v1/schedules/preview", &preview).await.expect(200);
        let ats =
            shown["fires"].as_array().unwrap().iter().map(|fire| fire["at"].as_str().unwrap().to_owned());
        expected += ats.filter(|at| at.as_str() < "2999-04-01T00:00:00.000Z").count() as u64;
    }
    let shown =
        forecast(&app, "from=2999-03-31T00:00:00Z&to=2999-04-01T00:00:00Z&step=60&timezone=Europe/Berlin")
            .await;
    assert_eq!((fires(&shown).len(), fires(&shown).iter().sum::<u64>()), (1440, expected));
}

#[tokio::test]
async fn filters_select_jobs() {
    let app = App::new().await;
    for (host, tag) in [("a.example", "x"), ("a.example", "y"), ("b.example", "x")] {
        cron(&app, "0 * * * *", host, &json!({ "tags": [tag] })).await;
    }
    for (filter, jobs) in
        [("", 3), ("&host=a.example", 2), ("&host=A.Example", 2), ("&tag=x", 2), ("&host=b.example&tag=y", 0)]
    {
        let shown = forecast(&app, &format!("{DAY}{filter}")).await;
        assert_eq!((&shown["jobs"], fires(&shown)), (&json!(jobs), vec![jobs; 24]), "{filter}");
    }
}

#[tokio::test]
async fn buckets_begin_with_the_days_of_the_zone() {
    let app = App::new().await;
    app.job(&json!({})).await;
    let query = "from=2999-03-01T10:00:30Z&to=2999-03-03T10:00:00Z&step=86400&timezone=asia/kolkata";
    let shown = forecast(&app, query).await;
    let starts: Vec<&str> =
        shown["buckets"].as_array().unwrap().iter().map(|bucket| bucket["at"].as_str().unwrap()).collect();
    assert_eq!(starts, ["2999-03-01T10:00:00.000Z", "2999-03-01T18:30:00.000Z", "2999-03-02T18:30:00.000Z"]);
    // A day from now, by the hour.
    let by_default = forecast(&app, "").await;
    assert!((24..=25).contains(&fires(&by_default).len()));
    let all: u64 = fires(&by_default).iter().sum();
    assert!((287..=288).contains(&all), "every five minutes, from five minutes after its creation: {all}");
    let longest = forecast(&app, "from=2999-03-01T10:00:30Z&to=2999-03-09T10:00:30Z&step=60").await;
    assert_eq!(fires(&longest).len(), 8 * 1440);
}

#[tokio::test]
async fn every_invalid_parameter_is_reported() {
    let app = App::new().await;
    for (query, pointer, code) in [
        ("from=yesterday", "?from", "instant_invalid"),
        ("from=1900-01-01T00:00:00Z", "?from", "out_of_range"),
        ("from=2999-01-01T00:00:00Z&to=2999-01-01T00:00:00Z", "?to", "window_empty"),
        ("from=2999-01-01T00:00:00Z&to=2999-01-09T00:00:01Z", "?to", "window_too_long"),
        ("step=x", "?step", "parameter_invalid"),
        ("step=0", "?step", "out_of_range"),
        ("step=90", "?step", "out_of_range"),
        ("step=420", "?step", "out_of_range"),
        ("step=172800", "?step", "out_of_range"),
        ("timezone=Nowhere", "?timezone", "timezone_unknown"),
        ("host=a/b", "?host", "host_invalid"),
        ("host=a.example:8443", "?host", "host_invalid"),
    ] {
        let errors = app.get(&format!("{FORECAST}?{query}")).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())], "{query}");
    }
    let all =
        app.get(&format!("{FORECAST}?from=1900-01-01T00:00:00Z&step=1&timezone=Nowhere")).await.errors();
    let pointers: Vec<&str> = all.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["?from", "?step", "?timezone"]);
}

#[tokio::test]
async fn a_proposal_spreads_jobs_and_changes_nothing() {
    let app = App::new().await;
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(cron(&app, "0 4 * * *", "a.example", &json!({ "tags": ["nightly"] })).await);
    }
    let busy = cron(&app, "0,1 4 * * *", "a.example", &json!({ "name": "busy" })).await;
    let question = json!({ "from": "2999-03-01T04:00:00Z", "filter": { "host": "a.example" } });
    let proposal = app.post(SPREAD, &question).await.expect(200);
    assert_eq!((&proposal["before"]["peak"], &proposal["before"]["minutes"][0]), (&json!(21), &json!(21)));
    assert!(proposal["after"]["peak"].as_u64().unwrap() < 10, "{proposal}");
    assert_eq!(proposal["after"]["minutes"].as_array().unwrap().len(), 60);
    let kept = proposal["kept"].as_array().unwrap();
    assert!(kept.contains(&json!({ "job_id": busy, "reason": "several_minutes" })), "{kept:?}");
    assert_eq!(
        app.post(SPREAD, &question).await.expect(200),
        proposal,
        "the same question gets the same answer"
    );
    for change in proposal["changes"].as_array().unwrap() {
        let (id, before) = (change["job_id"].as_str().unwrap(), &change["before"]);
        assert!(jobs.iter().any(|job| job == id) && before == "0 4 * * *" && change["name"] == "report");
        let job = app.get(&format!("/v1/jobs/{id}")).await.expect(200);
        assert_eq!(
            (&job["schedule"]["cron"], &job["version"]),
            (before, &change["version"]),
            "nothing has changed"
        );
        let patch = json!({ "schedule": { "cron": change["after"] } }).to_string();
        let version = format!("\"{}\"", change["version"]);
        app.send(Method::PATCH, &format!("/v1/jobs/{id}"), &[("if-match", &version)], &patch)
            .await
            .expect(200);
    }
    let again = app.post(SPREAD, &question).await.expect(200);
    assert_eq!((&again["before"], &again["changes"]), (&proposal["after"], &json!([])));
}

#[tokio::test]
async fn chosen_jobs_move_and_all_jobs_count() {
    let app = App::new().await;
    let none = json!({});
    let [one, other] = [
        cron(&app, "0 4 * * *", "a.example", &none).await,
        cron(&app, "0 4 * * *", "b.example", &none).await,
    ];
    let (recurring, elsewhere) = (app.job(&none).await, cron(&app, "0 9 * * *", "a.example", &none).await);
    let paused = cron(&app, "0 4 * * *", "a.example", &json!({ "state": "paused" })).await;
    let question = json!({
        "job_ids": [one, recurring, elsewhere, paused], "from": "2999-03-01T04:00:00Z", "window_minutes": 30,
    });
    let proposal = app.post(SPREAD, &question).await.expect(200);
    assert_eq!(proposal["before"]["minutes"].as_array().unwrap().len(), 30);
    assert!(proposal["before"]["minutes"][0].as_u64().unwrap() >= 2, "the other one counts");
    let mut reasons: Vec<(&str, &str)> = proposal["kept"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kept| (kept["job_id"].as_str().unwrap(), kept["reason"].as_str().unwrap()))
        .filter(|(job, _)| *job != one)
        .collect();
    reasons.sort_unstable();
    let mut expected = vec![
        (recurring.as_str(), "not_cron"),
        (elsewhere.as_str(), "not_in_window"),
        (paused.as_str(), "not_active"),
    ];
    expected.sort_unstable();
    assert_eq!(reasons, expected);
    assert!(proposal["changes"].as_array().unwrap().iter().all(|change| change["job_id"] != other.as_str()));
}

#[tokio::test]
async fn every_invalid_field_of_a_question_is_reported() {
    let app = App::new().await;
    let from = "2999-03-01T04:00:00Z";
    for (body, pointer, code) in [
        (json!({}), "/from", "required"),
        (json!({ "from": "x" }), "/from", "instant_invalid"),
        (json!({ "from": "1900-01-01T00:00:00Z" }), "/from", "out_of_range"),
        (json!({ "from": from, "window_minutes": 1 }), "/window_minutes", "out_of_range"),
        (json!({ "from": from, "window_minutes": 61 }), "/window_minutes", "out_of_range"),
        (json!({ "from": from, "job_ids": [] }), "/job_ids", "out_of_range"),
        (
            json!({ "from": from, "job_ids": vec!["job_01h455vb4pex5vsknk084sn02q"; 1001] }),
            "/job_ids",
            "out_of_range",
        ),
        (json!({ "from": from, "job_ids": ["X"] }), "/job_ids/0", "id_invalid"),
        (json!({ "from": from, "filter": { "host": "a/b" } }), "/filter/host", "host_invalid"),
        (json!({ "from": from, "filter": { "state": "active" } }), "/filter/state", "unknown_field"),
        (
            json!({ "from": from, "filter": {}, "job_ids": ["job_01h455vb4pex5vsknk084sn02q"] }),
            "/filter",
            "not_with_job_ids",
        ),
    ] {
        let errors = app.post(SPREAD, &body).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())], "{body}");
    }
    let all = json!({ "job_ids": ["X", "Y"], "window_minutes": 0 });
    let all = app.post(SPREAD, &all).await.errors();
    let pointers: Vec<&str> = all.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/from", "/job_ids/0", "/job_ids/1", "/window_minutes"]);
}
