//! Lists of jobs in every order, counts of them, and what their executions show at a glance.

use hyper::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use trigrun_core::{
    domain::{
        access::Scope,
        attempt::{AttemptStatus, Disposition, Outcome},
    },
    store::statistics::Counting,
};

use crate::{
    app::App,
    executions::{attempt, failed},
};

fn names(list: &Value) -> Vec<String> {
    let jobs = list["data"].as_array().unwrap().iter();
    jobs.map(|job| job["name"].as_str().unwrap().to_owned()).collect()
}

/// The names of all pages with this query, each page with two jobs.
async fn all_pages(app: &App, query: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/jobs?limit=2{query}{cursor}")).await.expect(200);
        all.extend(names(&page));
        assert_eq!(page["has_more"], json!(page["next_cursor"].is_string()));
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn a_list_has_the_order_that_is_asked_for() {
    let app = App::new().await;
    for (name, change) in [
        ("banana", json!({ "schedule": { "every_n_minutes": 30 } })),
        ("Äpfel", json!({ "schedule": { "every_n_minutes": 10 } })),
        ("apple", json!({ "state": "paused" })),
        ("Apple", json!({ "schedule": { "every_n_minutes": 20 } })),
        ("cherry", json!({ "state": "draft" })),
    ] {
        let mut job = change;
        job["name"] = json!(name);
        app.job(&job).await;
    }
    let created = ["banana", "Äpfel", "apple", "Apple", "cherry"];
    let by_name = ["apple", "Apple", "banana", "cherry", "Äpfel"];
    let by_next_run = ["Äpfel", "Apple", "banana", "apple", "cherry"];
    let reversed = |names: [&'static str; 5]| names.into_iter().rev().collect::<Vec<_>>();
    assert_eq!(all_pages(&app, "").await, reversed(created));
    assert_eq!(all_pages(&app, "&sort=-created_at").await, reversed(created));
    assert_eq!(all_pages(&app, "&sort=created_at").await, created);
    assert_eq!(all_pages(&app, "&sort=name").await, by_name);
    assert_eq!(all_pages(&app, "&sort=-name").await, reversed(by_name));
    assert_eq!(all_pages(&app, "&sort=next_run_at").await, by_next_run);
    let latest_first = ["banana", "Apple", "Äpfel", "cherry", "apple"];
    assert_eq!(all_pages(&app, "&sort=-next_run_at").await, latest_first, "without a next run: last");
    assert_eq!(all_pages(&app, "&sort=name&state=active").await, ["Apple", "banana", "Äpfel"]);
    assert_eq!(all_pages(&app, "&sort=next_run_at&q=app").await, ["Apple", "apple"]);
}

#[tokio::test]
async fn the_last_run_and_the_need_for_attention_are_orders() {
    let app = App::new().await;
    let mut jobs = HashMap::new();
    for (name, change) in [
        ("never", json!({ "schedule": { "every_n_minutes": 10 } })),
        ("draft", json!({ "state": "draft" })),
        ("earlier", json!({ "schedule": { "every_n_minutes": 30 } })),
        ("later", json!({ "schedule": { "every_n_minutes": 20 } })),
        ("failing", json!({ "schedule": { "every_n_minutes": 5 } })),
        ("paused", json!({})),
        ("late", json!({})),
        (
            "secret",
            json!({ "request": { "url": "https://example.com/", "headers": { "x": "secret://absent" } } }),
        ),
    ] {
        let mut job = change;
        job["name"] = json!(name);
        jobs.insert(name, app.job(&job).await);
    }
    for name in ["earlier", "failing", "paused", "late", "later"] {
        let path = format!("/v1/jobs/{}/run-now", jobs[name]);
        let run = app.send(Method::POST, &path, &[], "").await.expect(202);
        let (outcome, disposition) = match name {
            "late" => continue,
            "failing" | "paused" => failed(),
            _ => (Outcome::of(AttemptStatus::Success), Disposition::Succeeded),
        };
        attempt(&app, run["id"].as_str().unwrap(), outcome, disposition).await;
    }
    app.db.count_executions(Counting::Minutes).await;
    app.send(Method::POST, &format!("/v1/jobs/{}/pause", jobs["paused"]), &[], "").await.expect(200);
    app.db.execute("update runs set scheduled_for = scheduled_for - interval '2 minutes'").await;

    let last_first = ["later", "paused", "failing", "earlier", "late", "secret", "draft", "never"];
    assert_eq!(all_pages(&app, "&sort=-last_run_at").await, last_first);
    let first_first = ["late", "earlier", "failing", "paused", "later", "never", "draft", "secret"];
    assert_eq!(all_pages(&app, "&sort=last_run_at").await, first_first, "those without a run: last, too");
    let urgent_first = ["failing", "secret", "late", "never", "later", "earlier", "draft", "paused"];
    assert_eq!(all_pages(&app, "&sort=attention").await, urgent_first);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_order() {
    let app = App::new().await;
    for name in ["a", "b"] {
        app.job(&json!({ "name": name })).await;
    }
    let refused = [("?cursor".to_owned(), "cursor_invalid".to_owned())];
    let page = app.get("/v1/jobs?limit=1&sort=name").await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(names(&app.get(&format!("/v1/jobs?sort=name&cursor={cursor}")).await.expect(200)), ["b"]);
    for other in ["", "&sort=-name", "&sort=next_run_at", "&sort=name&q=b"] {
        assert_eq!(app.get(&format!("/v1/jobs?cursor={cursor}{other}")).await.errors(), refused, "{other}");
    }
    for changed in [&cursor[..40], &format!("{cursor}0"), &format!("{cursor}00"), &format!("{cursor}c3")] {
        let page = app.get(&format!("/v1/jobs?sort=name&cursor={changed}")).await;
        assert!(page.status == 200 || page.errors() == refused, "{changed}: {}", page.text);
    }
    let unknown = app.get("/v1/jobs?sort=urgency").await.errors();
    assert_eq!(unknown, [("?sort".to_owned(), "parameter_invalid".to_owned())]);
}

#[tokio::test]
async fn more_jobs_than_can_be_sorted_without_an_index() {
    let app = App::new().await;
    app.job(&json!({})).await;
    let copy = "set session_replication_role = replica;
        insert into jobs (id, workspace_id, version, name, kind, state, tags, created_at, updated_at)
        select gen_random_uuid(), workspace_id, 1, name, kind, 'paused', tags, created_at, updated_at from jobs, generate_series(1, 10000)";
    app.db.execute(copy).await;
    let of_all_jobs = ["next_run_at", "-next_run_at", "last_run_at", "-last_run_at", "attention"];
    for order in of_all_jobs {
        let refused = app.get(&format!("/v1/jobs?sort={order}")).await.errors();
        assert_eq!(refused, [("?sort".to_owned(), "too_many_jobs".to_owned())], "{order}");
    }
    let counts = app.get("/v1/jobs/counts").await.expect(200);
    assert_eq!((&counts["all"], &counts["capped"]), (&json!(10_000), &json!(true)));
    app.db
        .execute("delete from jobs where id = (select min(id::text)::uuid from jobs where state = 'paused')")
        .await;
    app.db.execute("analyze").await;
    for order in of_all_jobs {
        // On a busy machine, 10,000 jobs can take longer than a list may.
        let response = app.get(&format!("/v1/jobs?sort={order}")).await;
        let is_sorted = response.status == 200 || response.problem(503) == "query_timeout";
        assert!(is_sorted, "{order}: {}", response.text);
    }
    let counts = app.get("/v1/jobs/counts").await.expect(200);
    assert_eq!((&counts["all"], &counts["capped"]), (&json!(10_000), &json!(false)));
}

#[tokio::test]
async fn jobs_are_filtered_by_host_and_secret_and_counted() {
    let app = App::new().await;
    let request = |url: &str, header: &str| json!({ "url": url, "headers": { "x-key": header } });
    let one = request("https://API.example.com:8443/a?b", "secret://api-key");
    app.job(&json!({ "name": "one", "request": one })).await;
    let two = request("https://api.example.com/{{uuid}}", "none");
    app.job(&json!({ "name": "two", "request": two, "state": "paused", "tags": ["t"] })).await;
    app.job(&json!({ "name": "three", "state": "draft" })).await;
    let listed = async |query: &str| names(&app.get(&format!("/v1/jobs?{query}")).await.expect(200));
    assert_eq!(listed("host=api.example.com").await, ["two", "one"]);
    assert_eq!(listed("host=API.example.com&sort=name").await, ["one", "two"]);
    assert_eq!(listed("host=example.net").await, Vec::<String>::new());
    assert_eq!(listed("secret=api-key").await, ["one"]);
    assert_eq!(listed("secret=api").await, Vec::<String>::new());
    let invalid = app.get("/v1/jobs?host=api.example.com:8443").await.errors();
    assert_eq!(invalid, [("?host".to_owned(), "host_invalid".to_owned())]);
    let job = app.get("/v1/jobs?secret=api-key").await.expect(200);
    assert_eq!(job["data"][0]["host"], "api.example.com");
    assert_eq!(job["data"][0]["schedule_in_words"], "every 5 minutes");

    let counts = async |query: &str| app.get(&format!("/v1/jobs/counts{query}")).await.expect(200);
    let all = json!({ "all": 3, "active": 1, "paused": 1, "draft": 1, "completed": 0, "capped": false });
    assert_eq!(counts("").await, all);
    let of_host = json!({ "all": 2, "active": 1, "paused": 1, "draft": 0, "completed": 0, "capped": false });
    assert_eq!(counts("?host=api.example.com").await, of_host);
    assert_eq!(counts("?tag=t&state=active").await["all"], 0);
    assert_eq!(counts("?q=T").await["all"], 2);
    let other = app.token_of(app.db.workspace("other").await, Scope::ALL).await;
    let theirs = app.send_as(&other, Method::GET, "/v1/jobs/counts", &[], "").await.expect(200);
    assert_eq!(theirs["all"], 0);
}

#[tokio::test]
async fn the_last_executions_of_many_jobs() {
    let app = App::new().await;
    let (busy, idle) = (app.job(&json!({ "key": "busy" })).await, app.job(&json!({})).await);
    let mut runs = Vec::new();
    for _ in 0..3 {
        let run = app.send(Method::POST, "/v1/jobs/busy/run-now", &[], "").await.expect(202);
        runs.insert(0, run["id"].as_str().unwrap().to_owned());
    }
    let (outcome, disposition) = failed();
    attempt(&app, &runs[2], outcome, disposition).await;
    let absent = "job_01h455vb4pex5vsknk084sn02q";
    let activity = async |query: &str| app.get(&format!("/v1/jobs/activity?{query}")).await;
    let all = activity(&format!("ids={idle},busy,{absent},{busy},none")).await.expect(200);
    let jobs: Vec<&str> =
        all["data"].as_array().unwrap().iter().map(|of_job| of_job["job_id"].as_str().unwrap()).collect();
    assert_eq!(jobs, [&idle, &busy], "in the order of the request, each once");
    assert_eq!(all["data"][0]["runs"], json!([]));
    let of_busy = all["data"][1]["runs"].as_array().unwrap();
    let ids: Vec<&str> = of_busy.iter().map(|run| run["id"].as_str().unwrap()).collect();
    assert_eq!(ids, runs, "newest first");
    let (newest, oldest) = (&of_busy[0], &of_busy[2]);
    assert_eq!((&newest["status"], &newest["duration_ms"]), (&json!("queued"), &Value::Null));
    assert_eq!((&oldest["status"], &oldest["duration_ms"]), (&json!("failed"), &json!(120.0)));
    assert_eq!((&newest["attempt_count"], &oldest["attempt_count"]), (&json!(0), &json!(1)));
    let two = activity("ids=busy&runs=2").await.expect(200);
    assert_eq!(two["data"][0]["runs"].as_array().unwrap().len(), 2);
    let other = app.token_of(app.db.workspace("other").await, Scope::ALL).await;
    let path = format!("/v1/jobs/activity?ids={busy}");
    let theirs = app.send_as(&other, Method::GET, &path, &[], "").await.expect(200);
    assert_eq!(theirs["data"], json!([]));

    let many = vec!["a"; 101].join(",");
    for (query, pointer, code) in [
        ("", "?ids", "required"),
        ("ids=Not", "?ids", "parameter_invalid"),
        (&*format!("ids={many}"), "?ids", "too_many"),
        ("ids=a&runs=65", "?runs", "parameter_invalid"),
        ("ids=a&runs=0", "?runs", "parameter_invalid"),
    ] {
        assert_eq!(activity(query).await.errors(), [(pointer.to_owned(), code.to_owned())], "{query}");
    }
}

#[tokio::test]
async fn executions_are_filtered_by_several_jobs() {
    let app = App::new().await;
    let mut executions = Vec::new();
    for key in ["a", "b", "c"] {
        app.job(&json!({ "key": key, "request": { "url": "https://Example.com:8443/" } })).await;
        let run = app.send(Method::POST, &format!("/v1/jobs/{key}/run-now"), &[], "").await.expect(202);
        executions.push(run["id"].as_str().unwrap().to_owned());
    }
    let (outcome, disposition) = failed();
    attempt(&app, &executions[0], outcome, disposition).await;
    let listed = async |query: &str| {
        let list = app.get(&format!("/v1/executions?{query}")).await.expect(200);
        let data = list["data"].as_array().unwrap().clone();
        data.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("job_ids=a,c").await, [executions[2].clone(), executions[0].clone()]);
    assert_eq!(listed("job_ids=a,a,none").await, [executions[0].clone()]);
    assert_eq!(listed("job_ids=none").await, Vec::<String>::new());
    assert_eq!(listed("job_ids=a,b&job_id=b").await, [executions[1].clone()]);
    assert_eq!(listed("job_ids=a,b&status=queued").await, [executions[1].clone()]);
    assert_eq!(listed("job_ids=a,b&status=failed").await, [executions[0].clone()]);
    assert_eq!(listed("job_id=none").await, Vec::<String>::new());
    let failed = app.get("/v1/executions?status=failed").await.expect(200);
    let failed = &failed["data"][0];
    assert_eq!((&failed["host"], &failed["status_code"]), (&json!("example.com"), &json!(404)));
    assert!(failed["error"].is_string());
    let many = vec!["a"; 21].join(",");
    let refused = app.get(&format!("/v1/executions?job_ids={many}")).await.errors();
    assert_eq!(refused, [("?job_ids".to_owned(), "too_many".to_owned())]);
}
