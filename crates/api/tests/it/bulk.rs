//! Many executions replayed or cancelled in one call.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_api::Plan;
use trigrun_core::domain::access::Scope;

use crate::{
    app::{Api, App, Response},
    executions::{attempt, failed},
};

const PATH: &str = "/v1/executions/bulk";
const ABSENT: &str = "exe_01h455vb4pex5vsknk084sn02q";

async fn run(app: &App, job: &str) -> String {
    let run = app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
    run["id"].as_str().unwrap().to_owned()
}

/// Executions of a job that have failed, oldest first.
async fn failures(app: &App, job: &str, count: usize) -> Vec<String> {
    let mut executions = Vec::new();
    for _ in 0..count {
        let execution = run(app, job).await;
        let (outcome, disposition) = failed();
        attempt(app, &execution, outcome, disposition).await;
        executions.push(execution);
    }
    executions
}

async fn keyed(app: &App, key: &str, body: &Value) -> Response {
    app.send(Method::POST, PATH, &[("idempotency-key", key)], &body.to_string()).await
}

fn ids(response: &Value, field: &str) -> Vec<String> {
    let executions = response["executions"].as_array().unwrap();
    executions.iter().map(|execution| execution[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn executions_are_replayed_by_id_oldest_first_and_once_for_a_key() {
    let app = App::new().await;
    let (job, draft) = (app.job(&json!({})).await, app.job(&json!({})).await);
    let originals = failures(&app, &job, 3).await;
    let of_draft = failures(&app, &draft, 1).await.remove(0);
    app.patch(&format!("/v1/jobs/{draft}"), &json!({ "state": "draft" })).await.expect(200);
    let body =
        json!({ "action": "replay", "ids": [originals[2], originals[0], ABSENT, of_draft, originals[0]] });
    let dry =
        app.post(PATH, &json!({ "action": "replay", "ids": body["ids"], "dry_run": true })).await.expect(200);
    assert_eq!((&dry["matched"], &dry["done"], ids(&dry, "id").len()), (&json!(3), &json!(0), 3));
    assert_eq!(app.db.count("select count(*) from runs").await, 0);

    let first = keyed(&app, "one", &body).await.expect(200);
    assert_eq!((&first["matched"], &first["done"], &first["more"]), (&json!(3), &json!(2), &json!(false)));
    assert_eq!((&first["next_cursor"], &first["retry_after_seconds"]), (&Value::Null, &Value::Null));
    assert_eq!(ids(&first, "replay_of"), [originals[0].clone(), originals[2].clone()]);
    assert_eq!(
        (&first["executions"][0]["status"], &first["executions"][0]["source"]),
        (&json!("queued"), &json!("replay"))
    );
    let codes = json!([{ "id": ABSENT, "code": "not_found" }, { "id": of_draft, "code": "job_is_draft" }]);
    assert_eq!(first["failed"], codes);
    let due = "select replay_of::text from runs order by due_at";
    let by_due = app.db.lines(due).await;
    assert_eq!(
        by_due,
        app.db.lines("select replay_of::text from runs order by replay_of").await,
        "oldest first"
    );

    // The same key replays each of them once, also together with others, and a single replay has its own keys.
    let again = json!({ "action": "replay", "ids": originals });
    let again = keyed(&app, "one", &again).await.expect(200);
    assert_eq!((&again["done"], app.db.count("select count(*) from runs").await), (&json!(3), 3));
    assert!(ids(&first, "id").iter().all(|id| ids(&again, "id").contains(id)), "{again}");
    let single = format!("/v1/executions/{}/replay", originals[0]);
    app.send(Method::POST, &single, &[("idempotency-key", "one")], "").await.expect(202);
    app.post(PATH, &json!({ "action": "replay", "ids": originals })).await.expect(200);
    assert_eq!(app.db.count("select count(*) from runs").await, 7, "without a key, they are replayed again");
}

#[tokio::test]
async fn executions_are_cancelled_by_filter() {
    let app = App::new().await;
    let (job, other) = (app.job(&json!({})).await, app.job(&json!({})).await);
    let failed = failures(&app, &job, 1).await;
    let open = [run(&app, &job).await, run(&app, &job).await];
    run(&app, &other).await;
    let from = "2020-01-01T00:00:00Z";
    let body = json!({ "action": "cancel", "filter": { "from": from, "job_id": job } });
    let dry = json!({ "action": "cancel", "filter": { "from": from, "job_id": job }, "dry_run": true });
    assert_eq!(ids(&app.post(PATH, &dry).await.expect(200), "id"), open);
    let cancelled = app.post(PATH, &body).await.expect(200);
    assert_eq!(
        (&cancelled["matched"], &cancelled["done"], ids(&cancelled, "id")),
        (&json!(2), &json!(2), open.to_vec())
    );
    assert!(
        cancelled["executions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|execution| execution["status"] == "cancelled")
    );
    assert_eq!(app.db.count("select count(*) from runs").await, 1);
    let by_id = json!({ "action": "cancel", "ids": [failed[0], open[0]] });
    let by_id = app.post(PATH, &by_id).await.expect(200);
    assert_eq!(by_id["failed"], json!([{ "id": failed[0], "code": "execution_ended" }]));
    assert_eq!(ids(&by_id, "id"), [open[0].clone()], "cancelling is idempotent");
}

#[tokio::test]
async fn a_filter_continues_where_the_last_call_stopped() {
    let app = App::new().await;
    let job = app.job(&json!({ "tags": ["bulk"] })).await;
    let original = failures(&app, &job, 1).await.remove(0);
    // More than one call takes.
    let copy = "insert into executions (id, workspace_id, job_id, version, attempt_count, status, source, scheduled_for, finished_at,
                                        error_class, attempt_status, status_code)
        select (lpad(to_hex((extract(epoch from scheduled_for) * 1000)::bigint - 10000 - n), 12, '0') || right(replace(id::text, '-', ''), 20))::uuid,
               workspace_id, job_id, version, 1, status, source, scheduled_for - (10000 + n) * interval '1 ms', finished_at, error_class,
               attempt_status, status_code
        from executions, generate_series(1, 1099) n";
    app.db.execute(copy).await;
    let filter = json!({ "from": "2020-01-01T00:00:00Z", "status": ["failed"], "status_code": "4xx", "tag": "bulk", "min_attempts": 1 });
    let body = json!({ "action": "replay", "filter": filter });
    let first = app.post(PATH, &body).await.expect(200);
    assert_eq!((&first["matched"], &first["more"]), (&json!(1000), &json!(true)), "{}", first["failed"]);
    let (mut done, mut page) = (first["done"].as_u64().unwrap(), first);
    while page["more"] == true {
        let next = json!({ "action": "replay", "filter": filter, "cursor": page["next_cursor"] });
        page = app.post(PATH, &next).await.expect(200);
        done += page["done"].as_u64().unwrap();
    }
    assert_eq!((done, page["next_cursor"].is_null()), (1100, true));
    assert_eq!(app.db.count("select count(distinct replay_of) from runs").await, 1100);
    assert_eq!(ids(&page, "replay_of").last(), Some(&original), "the newest comes last");
    let other = json!({ "action": "replay", "filter": { "from": "2021-01-01T00:00:00Z" }, "cursor": "0" });
    assert_eq!(app.post(PATH, &other).await.errors(), [("/cursor".to_owned(), "cursor_invalid".to_owned())]);
}

#[tokio::test]
async fn replays_keep_to_the_plan() {
    let mut app = App::new().await;
    app.api = Api::start_with(app.db.settings(), |settings| {
        settings.plans.insert("small".into(), Plan { executions_per_minute: 5, ..Plan::default() });
    })
    .await;
    let job = app.job(&json!({})).await;
    let originals = failures(&app, &job, 8).await;
    app.db.execute("update workspaces set plan = 'small'").await;
    let body = json!({ "action": "replay", "filter": { "from": "2020-01-01T00:00:00Z" } });
    let part = app.post(PATH, &body).await.expect(200);
    let done = part["done"].as_u64().unwrap() as usize;
    // One more for each twelve seconds that the call took.
    assert!((5..8).contains(&done), "{part}");
    assert_eq!((&part["matched"], &part["more"]), (&json!(8), &json!(true)));
    assert!((1..=60).contains(&part["retry_after_seconds"].as_u64().unwrap()), "{part}");
    assert_eq!(ids(&part, "replay_of"), originals[..done]);
    app.db.execute("update workspaces set plan = 'default'").await;
    let next = json!({ "action": "replay", "filter": { "from": "2020-01-01T00:00:00Z" }, "cursor": part["next_cursor"] });
    let rest = app.post(PATH, &next).await.expect(200);
    assert_eq!((ids(&rest, "replay_of"), &rest["more"]), (originals[done..].to_vec(), &json!(false)));
}

#[tokio::test]
async fn a_filter_needs_the_scope_that_lists_need() {
    let app = App::new().await;
    let token = app.token_of(app.workspace, &[Scope::JobsRun]).await;
    let send = async |body: Value| app.send_as(&token, Method::POST, PATH, &[], &body.to_string()).await;
    let filter = json!({ "action": "cancel", "filter": { "from": "2020-01-01T00:00:00Z" } });
    assert_eq!(send(filter).await.problem(403), "scope_missing");
    send(json!({ "action": "cancel", "ids": [ABSENT] })).await.expect(200);
}

#[tokio::test]
async fn everything_that_is_refused() {
    let app = App::new().await;
    let errors = async |body: Value| app.post(PATH, &body).await.errors();
    let one = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    let from = "2020-01-01T00:00:00Z";
    let many: Vec<&str> = vec![ABSENT; 1001];
    for (body, pointer, code) in [
        (json!({ "ids": [ABSENT] }), "/action", "required"),
        (json!({ "action": "delete", "ids": [ABSENT] }), "/action", "not_one_of"),
        (json!({ "action": "replay" }), "/ids", "required"),
        (json!({ "action": "replay", "ids": [] }), "/ids", "out_of_range"),
        (json!({ "action": "replay", "ids": many }), "/ids", "out_of_range"),
        (json!({ "action": "replay", "ids": [ABSENT, "job_1"] }), "/ids/1", "id_invalid"),
        (
            json!({ "action": "replay", "ids": [ABSENT], "filter": { "from": from } }),
            "/filter",
            "not_with_ids",
        ),
        (json!({ "action": "replay", "ids": [ABSENT], "cursor": "x" }), "/cursor", "not_with_ids"),
        (json!({ "action": "replay", "ids": [ABSENT], "dry_run": 1 }), "/dry_run", "wrong_type"),
        (json!({ "action": "replay", "filter": {} }), "/filter/from", "required"),
        (json!({ "action": "replay", "filter": { "from": "x" } }), "/filter/from", "instant_invalid"),
        (
            json!({ "action": "replay", "filter": { "from": from, "to": "x" } }),
            "/filter/to",
            "instant_invalid",
        ),
        (
            json!({ "action": "replay", "filter": { "from": from, "status": ["done"] } }),
            "/filter/status/0",
            "not_one_of",
        ),
        (
            json!({ "action": "replay", "filter": { "from": from, "status_code": 99 } }),
            "/filter/status_code",
            "status_invalid",
        ),
        (
            json!({ "action": "replay", "filter": { "from": from, "min_attempts": 11 } }),
            "/filter/min_attempts",
            "out_of_range",
        ),
        (
            json!({ "action": "replay", "filter": { "from": from, "source": "cron" } }),
            "/filter/source",
            "not_one_of",
        ),
        (
            json!({ "action": "replay", "filter": { "from": from, "job_id": "X" } }),
            "/filter/job_id",
            "id_invalid",
        ),
        (
            json!({ "action": "replay", "filter": { "from": from, "host": "a/b" } }),
            "/filter/host",
            "host_invalid",
        ),
        (
            json!({ "action": "replay", "filter": { "from": from, "limit": 3 } }),
            "/filter/limit",
            "unknown_field",
        ),
        (
            json!({ "action": "replay", "filter": { "from": from }, "cursor": "x" }),
            "/cursor",
            "cursor_invalid",
        ),
    ] {
        assert_eq!(errors(body.clone()).await, one(pointer, code), "{body}");
    }
    let several = json!({ "action": "x", "filter": { "status": ["done", "failed", "lost"], "host": "a/b" } });
    assert_eq!(errors(several).await.len(), 5);
}
