//! Many jobs changed, run or deleted in one call.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_api::Plan;
use trigrun_core::domain::access::Scope;

use crate::app::{Api, App};

const PATH: &str = "/v1/jobs/bulk";
const ABSENT: &str = "job_01h455vb4pex5vsknk084sn02q";

fn ids(response: &Value) -> Vec<String> {
    let jobs = response["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

async fn states(app: &App) -> Vec<String> {
    app.db.lines("select state from jobs order by id").await
}

#[tokio::test]
async fn jobs_are_paused_and_resumed_by_id_or_key() {
    let app = App::new().await;
    let one = app.job(&json!({ "key": "one" })).await;
    let two = app.job(&json!({ "state": "paused" })).await;
    let draft = app.job(&json!({ "state": "draft" })).await;
    let body = json!({ "action": "pause", "ids": [draft, two, "one", one, ABSENT, "none"], "dry_run": true });
    let dry = app.post(PATH, &body).await.expect(200);
    assert_eq!((&dry["matched"], &dry["done"], &dry["undo"]), (&json!(3), &json!(0), &Value::Null));
    assert_eq!(ids(&dry), [one.clone(), two.clone(), draft.clone()], "oldest first, each once");
    assert_eq!(states(&app).await, ["active", "paused", "draft"]);

    let body = json!({ "action": "pause", "ids": body["ids"] });
    let paused = app.post(PATH, &body).await.expect(200);
    assert_eq!((&paused["matched"], &paused["done"], &paused["more"]), (&json!(3), &json!(2), &json!(false)));
    let done = |job: &Value| (job["changed"].clone(), job["version"].clone());
    assert_eq!(done(&paused["jobs"][0]), (json!(true), json!(2)));
    assert_eq!(done(&paused["jobs"][1]), (json!(false), json!(1)), "it was paused already");
    let codes: Vec<_> =
        paused["failed"].as_array().unwrap().iter().map(|one| (&one["id"], &one["code"])).collect();
    let not_found = json!("not_found");
    assert_eq!(
        codes,
        [(&json!(ABSENT), &not_found), (&json!("none"), &not_found), (&json!(draft), &json!("job_is_draft"))]
    );
    let undo = json!({ "action": "resume", "ids": [one], "versions": { &one: 2 } });
    assert_eq!(paused["undo"], undo, "only what was changed");
    assert_eq!(states(&app).await, ["paused", "paused", "draft"]);

    let undone = app.post(PATH, &undo).await.expect(200);
    assert_eq!((ids(&undone), states(&app).await[0].as_str()), (vec![one.clone()], "active"));
    let stale = app.post(PATH, &undo).await.expect(200);
    assert_eq!((&stale["done"], &stale["failed"][0]["code"]), (&json!(0), &json!("version_mismatch")));
    let by_key = json!({ "action": "pause", "ids": ["one"], "versions": { "one": 2 } });
    assert_eq!(app.post(PATH, &by_key).await.expect(200)["failed"][0]["code"], "version_mismatch");
    let activated = app.post(PATH, &json!({ "action": "resume", "ids": [draft] })).await.expect(200);
    assert_eq!(
        (&activated["done"], &activated["undo"]),
        (&json!(1), &Value::Null),
        "it would not be a draft"
    );
    let entries = app.get("/v1/audit-log?action=jobs.bulk").await.expect(200);
    let entries = entries["data"].as_array().unwrap();
    assert_eq!(entries.len(), 3, "one for each call that did something");
    assert_eq!(
        (&entries[2]["target"]["id"], &entries[2]["details"]),
        (&json!("pause"), &json!({ "done": "2", "failed": "1" }))
    );
}

#[tokio::test]
async fn jobs_get_and_lose_tags_and_are_patched_by_filter() {
    let app = App::new().await;
    let one = app.job(&json!({ "tags": ["a"] })).await;
    let two = app.job(&json!({ "tags": ["a", "b"] })).await;
    app.job(&json!({ "tags": ["b"] })).await;
    let add = json!({ "action": "add_tags", "tags": ["b"], "filter": { "tag": "a" } });
    let added = app.post(PATH, &add).await.expect(200);
    assert_eq!((ids(&added), &added["matched"]), (vec![one.clone(), two.clone()], &json!(2)));
    assert_eq!(added["undo"]["ids"], json!([one]), "the other had the tag");
    assert_eq!(app.get(&format!("/v1/jobs/{one}")).await.expect(200)["tags"], json!(["a", "b"]));
    app.post(PATH, &added["undo"]).await.expect(200);
    assert_eq!(app.get(&format!("/v1/jobs/{one}")).await.expect(200)["tags"], json!(["a"]));
    let remove = json!({ "action": "remove_tags", "tags": ["a", "b"], "filter": { "tag": "b" } });
    assert_eq!(app.post(PATH, &remove).await.expect(200)["undo"], Value::Null, "not all had both");
    assert_eq!(app.db.count("select count(*) from jobs where tags = '{}'").await, 2);

    let patch = json!({ "retry_policy": { "max_attempts": 1 }, "request": { "headers": { "X-Team": "a" } } });
    let patch = json!({ "action": "patch", "filter": { "host": "example.com" }, "patch": patch });
    let patched = app.post(PATH, &patch).await.expect(200);
    assert_eq!((&patched["done"], &patched["undo"]), (&json!(3), &Value::Null));
    let job = app.get(&format!("/v1/jobs/{two}")).await.expect(200);
    assert_eq!(
        (&job["retry_policy"]["max_attempts"], &job["request"]["headers"]["X-Team"]),
        (&json!(1), &json!("a"))
    );
    let invalid =
        json!({ "action": "patch", "ids": [two], "patch": { "schedule": { "every_n_minutes": 0 } } });
    let invalid = app.post(PATH, &invalid).await.expect(200);
    assert_eq!((&invalid["done"], &invalid["failed"][0]["code"]), (&json!(0), &json!("validation_failed")));
    assert!(invalid["failed"][0]["detail"].as_str().unwrap().contains("schedule.every_n_minutes"));
    let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let too_many = json!({ "action": "add_tags", "tags": many, "ids": [one] });
    assert_eq!(app.post(PATH, &too_many).await.expect(200)["failed"][0]["code"], "validation_failed");
}

#[tokio::test]
async fn jobs_are_run_once_for_a_key_and_keep_to_the_plan() {
    let mut app = App::new().await;
    app.api = Api::start_with(app.db.settings(), |settings| {
        settings.plans.insert("small".into(), Plan { executions_per_minute: 5, ..Plan::default() });
    })
    .await;
    app.db.execute("update workspaces set plan = 'small'").await;
    let mut jobs = Vec::new();
    for _ in 0..6 {
        jobs.push(app.job(&json!({ "tags": ["t"] })).await);
    }
    let keyed = async |body: &Value| {
        app.send(Method::POST, PATH, &[("idempotency-key", "one")], &body.to_string()).await.expect(200)
    };
    let body = json!({ "action": "run", "ids": &jobs[..2] });
    let first = keyed(&body).await;
    assert_eq!((&first["done"], &first["jobs"][0]["changed"]), (&json!(2), &json!(false)));
    let again = keyed(&body).await;
    assert_eq!(again["jobs"], first["jobs"], "the same executions");
    assert_eq!(app.db.count("select count(*) from runs where source = 'manual'").await, 2);
    let all = json!({ "action": "run", "filter": { "tag": "t" } });
    let part = keyed(&all).await;
    assert_eq!((&part["matched"], &part["done"], &part["more"]), (&json!(6), &json!(5), &json!(true)));
    assert!(part["retry_after_seconds"].as_u64().unwrap() > 0);
    assert_eq!(app.db.count("select count(*) from runs where source = 'manual'").await, 5);
    // The plan is larger now.
    app.db.execute("update workspaces set plan = 'default'").await;
    let next = json!({ "action": "run", "filter": { "tag": "t" }, "cursor": part["next_cursor"] });
    let rest = keyed(&next).await;
    assert_eq!((ids(&rest), &rest["more"]), (vec![jobs[5].clone()], &json!(false)));
    let draft = app.job(&json!({ "state": "draft" })).await;
    let refused = app.post(PATH, &json!({ "action": "run", "ids": [draft] })).await.expect(200);
    assert_eq!(refused["failed"][0]["code"], "job_is_draft");
}

#[tokio::test]
async fn jobs_are_deleted_page_by_page() {
    let app = App::new().await;
    let job = app.job(&json!({ "tags": ["t"] })).await;
    app.job(&json!({})).await;
    let copy = "set session_replication_role = replica;
        insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
        select (lpad(to_hex((extract(epoch from created_at) * 1000)::bigint - n), 12, '0') || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid,
               workspace_id, 1, name, kind, 'paused', tags, created_at, updated_at
        from jobs, generate_series(1, 1001) n where tags <> '{}';
        insert into job_versions select (jsonb_populate_record(v, jsonb_build_object('job_id', j.id))).* from job_versions v, jobs j
        where v.job_id = (select id from jobs where tags <> '{}' and state = 'active') and j.state = 'paused'";
    app.db.execute(copy).await;
    let body = json!({ "action": "delete", "filter": { "tag": "t" } });
    let mut page = app.post(PATH, &body).await.expect(200);
    assert_eq!((&page["matched"], &page["more"]), (&json!(1000), &json!(true)));
    let mut done = page["done"].as_u64().unwrap();
    while page["more"] == true {
        let next = json!({ "action": "delete", "filter": { "tag": "t" }, "cursor": page["next_cursor"] });
        page = app.post(PATH, &next).await.expect(200);
        done += page["done"].as_u64().unwrap();
    }
    assert_eq!((done, ids(&page).last()), (1002, Some(&job)), "the newest comes last");
    assert_eq!(app.db.count("select count(*) from jobs").await, 1);
    let cursor = json!({ "action": "pause", "filter": { "tag": "t" }, "cursor": "0" });
    assert_eq!(app.post(PATH, &cursor).await.errors(), [("/cursor".to_owned(), "cursor_invalid".to_owned())]);
}

#[tokio::test]
async fn an_action_needs_its_scope_and_a_filter_another() {
    let app = App::new().await;
    let job = app.job(&json!({ "tags": ["t"] })).await;
    let by = async |scopes: &[Scope], body: &Value| {
        let token = app.token_of(app.workspace, scopes).await;
        app.send_as(&token, Method::POST, PATH, &[], &body.to_string()).await
    };
    let (run, pause) = (json!({ "action": "run", "ids": [job] }), json!({ "action": "pause", "ids": [job] }));
    by(&[Scope::JobsRun], &run).await.expect(200);
    by(&[Scope::JobsWrite], &pause).await.expect(200);
    for (scope, body, lacks) in [
        (Scope::JobsWrite, run, "jobs:run"),
        (Scope::JobsRun, pause, "jobs:write"),
        (Scope::JobsWrite, json!({ "action": "pause", "filter": { "tag": "t" } }), "jobs:read"),
    ] {
        let refused = by(&[scope], &body).await;
        assert!(refused.problem(403) == "scope_missing" && refused.text.contains(lacks), "{}", refused.text);
    }
    let other = app.token_of(app.db.workspace("other").await, Scope::ALL).await;
    let theirs = json!({ "action": "delete", "ids": [job] }).to_string();
    let theirs = app.send_as(&other, Method::POST, PATH, &[], &theirs).await.expect(200);
    assert_eq!((&theirs["matched"], &theirs["failed"][0]["code"]), (&json!(0), &json!("not_found")));
    assert_eq!(app.db.count("select count(*) from jobs").await, 1);
}

#[tokio::test]
async fn bodies_are_checked() {
    let app = App::new().await;
    let many: Vec<&str> = vec!["a"; 1001];
    for (body, pointer, code) in [
        (json!({ "ids": ["a"] }), "/action", "required"),
        (json!({ "action": "paused", "ids": ["a"] }), "/action", "not_one_of"),
        (json!({ "action": "pause" }), "/ids", "required"),
        (json!({ "action": "pause", "ids": [] }), "/ids", "out_of_range"),
        (json!({ "action": "pause", "ids": many }), "/ids", "out_of_range"),
        (json!({ "action": "pause", "ids": ["a", "B"] }), "/ids/1", "id_invalid"),
        (json!({ "action": "pause", "ids": ["a"], "filter": { "tag": "t" } }), "/filter", "not_with_ids"),
        (json!({ "action": "pause", "ids": ["a"], "cursor": "0" }), "/cursor", "not_with_ids"),
        (json!({ "action": "delete", "filter": {} }), "/filter", "required"),
        (json!({ "action": "delete", "filter": { "state": "off" } }), "/filter/state", "not_one_of"),
        (json!({ "action": "delete", "filter": { "host": "a:1" } }), "/filter/host", "host_invalid"),
        (
            json!({ "action": "delete", "filter": { "tag": "t", "name": "a" } }),
            "/filter/name",
            "unknown_field",
        ),
        (json!({ "action": "pause", "ids": ["a"], "tags": ["t"] }), "/tags", "not_with_action"),
        (json!({ "action": "pause", "ids": ["a"], "patch": {} }), "/patch", "not_with_action"),
        (json!({ "action": "add_tags", "ids": ["a"] }), "/tags", "required"),
        (json!({ "action": "add_tags", "ids": ["a"], "tags": [] }), "/tags", "required"),
        (json!({ "action": "add_tags", "ids": ["a"], "tags": [""] }), "/tags", "length"),
        (json!({ "action": "patch", "ids": ["a"] }), "/patch", "required"),
        (json!({ "action": "patch", "ids": ["a"], "patch": [] }), "/patch", "type"),
        (json!({ "action": "patch", "ids": ["a"], "patch": { "key": "b" } }), "/patch/key", "key_taken"),
    ] {
        let errors = app.post(PATH, &body).await.errors();
        assert_eq!(errors, [(pointer.to_owned(), code.to_owned())], "{body}");
    }
}
