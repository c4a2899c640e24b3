//! The operator API: who may use it, what it shows and does, and what it records.

use http_body_util::Full;
use hyper::{
    Method,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path, time::Duration};
use trigrun_api::release::{Progress, Skipped, release};
use trigrun_core::{
    crypto,
    domain::{access::TokenKind, hold::Missed, id::OperatorId, operator::Operator},
    store::{
        Conn, StoreError, holds,
        operators::{self, NewOperator},
        tenants, workspaces,
    },
};
use trigrun_testkit::{
    TestDb, client,
    jobs::{by_operator, every_seconds},
};

use crate::{
    app::{App, PASSWORD, Response},
    contract::operator_document,
};

/// No object has it.
const ABSENT: &str = "01h455vb4pex5vsknk084sn02q";

/// An API with the operator API, and an operator.
struct Operators {
    app: App,
    token: String,
}

impl Operators {
    async fn new() -> Self {
        let app = App::start_with(|settings| {
            settings.operator.address = "127.0.0.1:0".parse().ok();
            // Tests send more wrong tokens than users.
            settings.limits.failures_per_minute = 100_000.try_into().unwrap();
        })
        .await;
        let token = new_operator(&app, "ada").await;
        Self { app, token }
    }

    async fn send_as(&self, token: Option<&str>, method: Method, path: &str, body: &str) -> Response {
        let mut request = self.app.api.request(method, path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        self.app.api.send_to(self.app.api.operator_address(), request).await
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Response {
        self.send_as(Some(&self.token), method, &format!("/operator/v1{path}"), body).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, "").await.expect(200)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, &body.to_string()).await.expect(200)
    }

    /// Action, operator, reason, target and details of what was done, newest first.
    async fn log(&self, query: &str) -> Vec<Value> {
        let log = self.get(&format!("/audit-log{query}")).await;
        let entry = |entry: &Value| {
            json!([
                entry["action"],
                entry["operator"],
                entry["reason"],
                entry["target"]["id"],
                entry["details"]
            ])
        };
        log["data"].as_array().unwrap().iter().map(entry).collect()
    }

    /// The names of the workspaces on the pages of a list of one each.
    async fn names(&self, query: &str) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/workspaces?limit=1{query}{cursor}")).await;
            names.extend(page["data"].as_array().unwrap().iter().map(|it| text(&it["name"])));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return names,
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Creates an operator, and returns the token.
async fn new_operator(app: &App, name: &str) -> String {
    let secret = crypto::new_token(TokenKind::Operator).unwrap();
    let operator = Operator { id: OperatorId::at(app.db.now().await), name: name.to_owned() };
    let new = NewOperator { operator: &operator, hash: &crypto::token_hash(&secret), expires_at: None };
    operators::insert(&mut *app.db.conn().await, new, &by_operator("test")).await.unwrap();
    secret.reveal().to_owned()
}

struct Operation {
    id: String,
    method: Method,
    path: String,
}

fn operations() -> Vec<Operation> {
    let paths = operator_document()["paths"].as_object().unwrap();
    let of_path = |(path, operations): (&String, &Value)| {
        let of_method = |(method, operation): (&String, &Value)| Operation {
            id: text(&operation["operationId"]),
            method: method.to_uppercase().parse().unwrap(),
            path: path.clone(),
        };
        operations.as_object().unwrap().iter().map(of_method).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

impl Operation {
    fn is_open(&self) -> bool {
        !self.path.starts_with("/operator/")
    }

    /// To an object that does not exist.
    fn path_to_absent(&self) -> String {
        let prefix = if self.path.contains("/users/") { "usr" } else { "ws" };
        self.path.replace("{id}", &format!("{prefix}_{ABSENT}"))
    }

    fn body(&self, reason: &Value) -> String {
        match self.id.as_str() {
            "set_workspace_plan" => json!({ "plan": "default", "reason": reason }).to_string(),
            "set_workspace_limits" => json!({ "jobs": 1, "reason": reason }).to_string(),
            "release_hold" => json!({ "missed": "run", "reason": reason }).to_string(),
            "suspend_workspace" | "resume_workspace" | "begin_hold" => {
                json!({ "reason": reason }).to_string()
            }
            _ => String::new(),
        }
    }
}

#[test]
fn the_file_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operator-openapi.json");
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == trigrun_api::openapi::operator_json(),
        "docs/operator-openapi.json is not current: run `make openapi`"
    );
}

#[tokio::test]
async fn only_operators_are_served() {
    let operators = Operators::new().await;
    let app = &operators.app;
    let (deleted, expired) = (new_operator(app, "deleted").await, new_operator(app, "expired").await);
    operators::delete(&mut *app.db.conn().await, "deleted", &by_operator("left")).await.unwrap();
    app.db.execute("update operators set expires_at = now() where name = 'expired'").await;
    let session = app.session("owner").await;
    let (start, last) = operators.token.split_at(operators.token.len() - 1);
    let mistyped = format!("{start}{}", if last == "x" { "y" } else { "x" });
    let others = [
        None,
        Some("nonsense"),
        Some(&app.token),
        Some(&session),
        Some(&deleted),
        Some(&expired),
        Some(&mistyped),
    ];
    let mut refused = 0;
    for operation in operations().iter().filter(|operation| !operation.is_open()) {
        for token in others {
            let (path, body) = (operation.path_to_absent(), operation.body(&json!("a test")));
            let response = operators.send_as(token, operation.method.clone(), &path, &body).await;
            assert_eq!(response.problem(401), "unauthorized", "{}", operation.id);
            refused += 1;
        }
    }
    assert_eq!(refused, 16 * others.len());
    // The token is one of operators only.
    for path in ["/v1/jobs", "/v1/me", "/v1/workspaces"] {
        assert_eq!(
            app.send_as(&operators.token, Method::GET, path, &[], "").await.problem(401),
            "unauthorized"
        );
    }
}

#[tokio::test]
async fn each_address_has_its_own_paths() {
    let operators = Operators::new().await;
    for path in ["/v1/jobs", "/", "/login", "/metrics"] {
        let response = operators.send_as(Some(&operators.token), Method::GET, path, "").await;
        assert_eq!(response.problem(404), "not_found", "{path}");
    }
    for operation in operations().iter().filter(|operation| !operation.is_open()) {
        let (path, body) = (operation.path_to_absent(), operation.body(&json!("a test")));
        // To the address of tenants.
        let request = operators.app.api.request(operation.method.clone(), &path);
        let request = request.header(AUTHORIZATION, format!("Bearer {}", operators.token));
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let address = operators.app.api.address();
        let response = client::send(address, request).await.unwrap();
        assert_eq!(response.status, 404, "{path}");
    }
    for (path, document) in [
        ("/openapi.json", trigrun_api::openapi::operator_json()),
        ("/openapi-3.0.json", trigrun_api::openapi::operator_json_3_0()),
    ] {
        assert_eq!(operators.send_as(None, Method::GET, path, "").await.text, document);
    }
}

#[tokio::test]
async fn wrong_tokens_are_limited() {
    let app = App::start_with(|settings| {
        settings.operator.address = "127.0.0.1:0".parse().ok();
        settings.limits.failures_per_minute = 3.try_into().unwrap();
    })
    .await;
    let operators = Operators { token: new_operator(&app, "ada").await, app };
    let wrong = crypto::new_token(TokenKind::Operator).unwrap();
    let mut statuses = BTreeSet::new();
    for _ in 0..20 {
        let response = operators.send_as(Some(wrong.reveal()), Method::GET, "/operator/v1/hold", "").await;
        statuses.insert(response.status.as_u16());
    }
    assert_eq!(statuses, [401, 429].into());
    // A right one is never counted.
    assert_eq!(operators.get("/hold").await, json!({ "hold": null }));
}

#[tokio::test]
async fn every_change_needs_a_reason() {
    let operators = Operators::new().await;
    let mut with_reason = 0;
    for operation in operations().iter().filter(|operation| operation.method != Method::GET) {
        let path = operation.path_to_absent();
        for (given, code) in [
            (Value::Null, "required"),
            (json!(""), "reason_invalid"),
            (json!("two\nlines"), "reason_invalid"),
            (json!("a".repeat(501)), "reason_invalid"),
        ] {
            let (path, pointer, body) = match operation.method {
                Method::DELETE if given.is_null() => (path.clone(), "?reason", String::new()),
                Method::DELETE => {
                    let reason = text(&given).replace('\n', "%0A");
                    (format!("{path}?reason={reason}"), "?reason", String::new())
                }
                _ => (path.clone(), "/reason", operation.body(&given)),
            };
            let response =
                operators.send_as(Some(&operators.token), operation.method.clone(), &path, &body).await;
            assert_eq!(
                response.errors(),
                [(pointer.to_owned(), code.to_owned())],
                "{}: {path}",
                operation.id
            );
            with_reason += 1;
        }
    }
    assert_eq!(with_reason, 9 * 4);
    assert_eq!(operators.log("").await.len(), 1, "the operator was created, and nothing else was done");
}

#[tokio::test]
async fn bodies_and_parameters_are_checked() {
    let operators = Operators::new().await;
    let of_a_user = operators.send(Method::GET, &format!("/workspaces/usr_{ABSENT}"), "").await;
    let hint = "There is no workspace with this id. It is the id of a user.";
    assert_eq!((of_a_user.problem(404), &of_a_user.json()["detail"]), ("not_found".to_owned(), &json!(hint)));
    let errors = async |method, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        operators.send(method, path, &body).await.errors()
    };
    let one = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    let (plan, limits) = (format!("/workspaces/ws_{ABSENT}/plan"), format!("/workspaces/ws_{ABSENT}/limits"));
    for (method, path, body, expected) in [
        (Method::PUT, plan.as_str(), json!({ "plan": "gold", "reason": "x" }), one("/plan", "not_one_of")),
        (Method::PUT, &plan, json!({ "reason": "x" }), one("/plan", "required")),
        (Method::PUT, &plan, json!({ "plan": 1, "reason": "x" }), one("/plan", "wrong_type")),
        (Method::PUT, limits.as_str(), json!({ "jobs": -1, "reason": "x" }), one("/jobs", "out_of_range")),
        (Method::PUT, &limits, json!({ "members": 100_001, "reason": "x" }), one("/members", "out_of_range")),
        (Method::PUT, "/hold", json!({ "reason": "x", "until": 1 }), one("/until", "unknown_field")),
        (Method::POST, "/hold/release", json!({ "reason": "x" }), one("/missed", "required")),
        (
            Method::POST,
            "/hold/release",
            json!({ "missed": "all", "reason": "x" }),
            one("/missed", "not_one_of"),
        ),
        (Method::GET, "/users", Value::Null, one("?email", "required")),
        (Method::GET, "/users?email=nonsense", Value::Null, one("?email", "email_invalid")),
        (Method::GET, "/workspaces?created_by=x", Value::Null, one("?created_by", "parameter_invalid")),
        (Method::GET, "/workspaces?suspended=x", Value::Null, one("?suspended", "parameter_invalid")),
        (Method::GET, "/workspaces?state=x", Value::Null, one("?state", "unknown_parameter")),
        (Method::GET, "/workspaces?limit=251", Value::Null, one("?limit", "out_of_range")),
        (Method::GET, "/audit-log?cursor=x", Value::Null, one("?cursor", "cursor_invalid")),
        (Method::GET, "/hold?x=1", Value::Null, one("?x", "unknown_parameter")),
    ] {
        assert_eq!(errors(method, path, body).await, expected, "{path}");
    }
    for operation in operations().iter().filter(|operation| operation.path.contains("{id}")) {
        let reason = if operation.method == Method::DELETE { "?reason=test" } else { "" };
        for path in [operation.path_to_absent(), operation.path.replace("{id}", "nonsense")] {
            let (path, body) = (format!("{path}{reason}"), operation.body(&json!("a test")));
            let response =
                operators.send_as(Some(&operators.token), operation.method.clone(), &path, &body).await;
            assert_eq!(response.problem(404), "not_found", "{}", operation.id);
            let noun = if path.contains("/users/") { "user" } else { "workspace" };
            assert_eq!(response.json()["detail"], format!("There is no {noun} with this id."));
        }
    }
}

#[tokio::test]
async fn workspaces_are_found() {
    let operators = Operators::new().await;
    let app = &operators.app;
    let (billing, _) = (app.db.workspace("Billing").await, app.db.workspace("reports").await);
    let owner = app.member("owner").await;
    assert_eq!(operators.names("").await, ["home", "reports", "Billing", "ours"]);
    assert_eq!(operators.names("&name=ILL").await, ["Billing"]);
    assert_eq!(operators.names("&name=100%25").await, [""; 0]);
    app.db.execute("update workspaces set plan = 'pro' where name in ('reports', 'ours')").await;
    assert_eq!(operators.names("&plan=pro").await, ["reports", "ours"]);
    let by = owner.parse::<trigrun_core::domain::id::UserId>().unwrap().uuid();
    app.db.execute(&format!("update workspaces set created_by = '{by}' where name = 'Billing'")).await;
    assert_eq!(operators.names(&format!("&created_by={owner}")).await, ["Billing"]);
    tenants::suspend(&mut *app.db.conn().await, billing, &by_operator("unpaid")).await.unwrap();
    assert_eq!(operators.names("&suspended=true").await, ["Billing"]);
    let found = operators.get("/workspaces?suspended=true").await["data"][0].clone();
    assert_eq!((&found["id"], &found["created_by"]), (&json!(billing.to_string()), &json!(owner)));
    assert_eq!((&found["plan"], &found["suspended"]["reason"]), (&json!("default"), &json!("unpaid")));

    app.job(&json!({})).await;
    let details = operators.get(&format!("/workspaces/{}", app.workspace)).await;
    assert_eq!(details["workspace"]["name"], "ours");
    assert_eq!(details["members"][0]["role"], "owner");
    assert_eq!(details["usage"]["jobs"], json!({ "used": 1, "limit": null }));
    assert_eq!(operators.get("/plans").await["data"][0]["name"], "default");
}

#[tokio::test]
async fn what_is_done_to_a_workspace_is_recorded_twice() {
    let operators = Operators::new().await;
    let app = &operators.app;
    let path = format!("/workspaces/{}", app.workspace);
    app.db.execute("update workspaces set plan = 'removed'").await;
    let plan = json!({ "plan": "default", "reason": "a trial" }).to_string();
    for _ in 0..2 {
        // It changes nothing the second time.
        operators.send(Method::PUT, &format!("{path}/plan"), &plan).await.expect(200);
    }
    let suspend = format!("{path}/suspend");
    let suspended = operators.post(&suspend, json!({ "reason": "unpaid" })).await;
    assert_eq!(suspended["suspended"]["reason"], "unpaid");
    // It keeps its first reason, and nothing more is recorded.
    assert_eq!(operators.post(&suspend, json!({ "reason": "spam" })).await, suspended);
    assert_eq!(app.get("/v1/workspace").await.expect(200)["suspended"], suspended["suspended"]);
    let resumed = operators.post(&format!("{path}/resume"), json!({ "reason": "paid" })).await;
    assert_eq!(resumed["suspended"], Value::Null);

    let id = app.workspace.to_string();
    let of_plan = json!({ "plan": "default", "previous_plan": "removed" });
    let expected = [
        json!(["workspace.resumed", "ada", "paid", id, {}]),
        json!(["workspace.suspended", "ada", "unpaid", id, {}]),
        json!(["workspace.plan_changed", "ada", "a trial", id, of_plan]),
    ];
    assert_eq!(operators.log(&format!("?target={id}")).await, expected);
    assert_eq!(operators.log("").await.len(), 4, "with the creation of the operator");

    // The tenant sees what was done, and neither who did it nor from where.
    let log = app.get("/v1/audit-log?limit=3").await.expect(200);
    let actions: Vec<&str> =
        log["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["workspace.resumed", "workspace.suspended", "workspace.plan_changed"]);
    for entry in log["data"].as_array().unwrap() {
        assert_eq!(entry["actor"], json!({ "type": "operator", "id": null, "name": null }));
        assert_eq!(entry["address"], Value::Null);
    }
    assert!(!log.to_string().contains("\"ada\""));
}

#[tokio::test]
async fn the_log_outlives_the_workspace() {
    let operators = Operators::new().await;
    let app = &operators.app;
    let id = app.workspace.to_string();
    let deleted =
        operators.send(Method::DELETE, &format!("/workspaces/{id}?reason=asked%20by%20mail"), "").await;
    deleted.expect(204);
    assert_eq!(app.get("/v1/workspace").await.problem(401), "unauthorized", "its tokens are invalid");
    while !workspaces::purge_deleted(&mut *app.db.conn().await, 100).await.unwrap() {}
    assert_eq!(app.db.count("select count(*) from workspaces").await, 0);
    let expected = json!(["workspace.deleted", "ada", "asked by mail", id, {}]);
    assert_eq!(operators.log(&format!("?target={id}")).await, [expected]);
    let entry = operators.get("/audit-log?limit=1").await["data"][0].clone();
    assert_eq!((&entry["target"]["name"], &entry["address"]), (&json!("ours"), &json!("127.0.0.1")));
    let page = operators.get("/audit-log?limit=1").await;
    let next = operators.get(&format!("/audit-log?limit=1&cursor={}", text(&page["next_cursor"]))).await;
    assert_eq!((&next["data"][0]["action"], &next["has_more"]), (&json!("operator.created"), &json!(false)));
}

#[tokio::test]
async fn users_are_found_logged_out_and_deleted() {
    let operators = Operators::new().await;
    let app = &operators.app;
    let session = app.session("owner").await;
    let me = app.send_as(&session, Method::GET, "/v1/me", &[], "").await.expect(200)["user"].clone();
    let (id, email) = (text(&me["id"]), text(&me["email"]));
    assert_eq!(operators.get("/users?email=nobody@example.com").await, json!({ "data": [] }));
    assert_eq!(
        operators.get(&format!("/users?email={}", email.to_uppercase())).await,
        json!({ "data": [me] })
    );
    let path = format!("/users/{id}");
    let user = operators.get(&path).await;
    assert_eq!(
        (&user["workspaces"][0]["name"], &user["workspaces"][0]["role"]),
        (&json!("ours"), &json!("owner"))
    );
    assert_eq!((&user["sessions"][0]["kind"], &user["sessions"][1]), (&json!("token"), &Value::Null));
    assert!(!user.to_string().contains("argon2"));

    let delete = async |path: &str| operators.send(Method::DELETE, path, "").await;
    let ended = delete(&format!("{path}/sessions?reason=stolen")).await.expect(200);
    assert_eq!(ended, json!({ "ended": 1 }));
    assert_eq!(app.send_as(&session, Method::GET, "/v1/me", &[], "").await.problem(401), "unauthorized");
    let refused = delete(&format!("{path}?reason=left")).await;
    assert_eq!(refused.problem(409), "last_owner");
    app.member("owner").await;
    delete(&format!("{path}?reason=left")).await.expect(204);
    assert_eq!(delete(&format!("{path}?reason=left")).await.problem(404), "not_found");
    let log_in = json!({ "email": email, "password": PASSWORD });
    assert_eq!(app.post("/v1/auth/login", &log_in).await.problem(401), "credentials_wrong");
    let expected = [
        json!(["user.deleted", "ada", "left", id, {}]),
        json!(["user.sessions_ended", "ada", "stolen", id, {}]),
    ];
    assert_eq!(operators.log(&format!("?target={id}")).await, expected);
}

#[tokio::test]
async fn the_installation_is_held_and_released() {
    let operators = Operators::new().await;
    let app = &operators.app;
    let job = app.db.job(app.workspace, &every_seconds(60, "http://192.0.2.1/")).await;
    let hold = async |reason: &str| {
        operators.send(Method::PUT, "/hold", &json!({ "reason": reason }).to_string()).await.expect(200)
    };
    let held = hold("restored backup").await;
    assert_eq!(held["hold"]["reason"], "restored backup");
    assert_eq!(hold("another reason").await, held, "it keeps its first reason");
    assert_eq!(operators.get("/hold").await, held);
    app.post(&format!("/v1/jobs/{job}/run-now"), &json!({})).await.expect(202);
    app.db.execute("update runs set due_at = due_at - interval '1 minute'").await;
    app.db.execute("update job_timers set next_run_at = now() - interval '5 minutes', anchor_at = now() - interval '6 minutes'").await;
    let release = async |missed: &str| {
        operators.post("/hold/release", json!({ "missed": missed, "reason": "checked" })).await
    };
    let expected = json!({ "released": true, "cancelled_executions": 1, "skipped_timers": 1 });
    assert_eq!(release("skip").await, expected);
    assert_eq!(operators.get("/hold").await, json!({ "hold": null }));
    let expected = json!({ "released": true, "cancelled_executions": 0, "skipped_timers": 0 });
    assert_eq!(release("run").await, expected, "without a hold, nothing happens");
    let log = [
        json!(["installation.released", "ada", "checked", "installation", { "missed": "skip" }]),
        json!(["installation.missed_skipped", "ada", "checked", "installation", {}]),
        json!(["installation.held", "ada", "restored backup", "installation", {}]),
    ];
    assert_eq!(operators.log("?target=installation").await, log);
}

#[tokio::test]
async fn a_search_reads_a_bounded_number_of_workspaces() {
    let operators = Operators::new().await;
    let many = "insert into workspaces (id, name)
        select gen_random_uuid(), 'w' || n from generate_series(1, 4500) n";
    operators.app.db.execute(many).await;
    let first = operators.get("/workspaces?name=ours").await;
    assert_eq!(
        (&first["data"], &first["has_more"]),
        (&json!([]), &json!(true)),
        "the newest 2,000 do not match"
    );
    assert_eq!(operators.names("&name=ours").await, ["ours"]);
}

#[tokio::test]
async fn a_release_without_enough_time_is_continued() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    db.job(workspace, &every_seconds(60, "http://192.0.2.1/")).await;
    db.execute("update job_timers set next_run_at = now() - interval '5 minutes', anchor_at = now() - interval '6 minutes'").await;
    let (mut conn, by) = (db.conn().await, by_operator("checked"));
    let conn: &mut Conn = &mut conn;
    let none = Skipped::default();
    let release = async |conn: &mut Conn, time| release(conn, Missed::Skip, &by, time).await.unwrap();
    assert_eq!(release(conn, Duration::MAX).await, Progress::NotHeld(none));
    assert!(holds::begin(conn, &by_operator("restored backup")).await.unwrap());
    assert_eq!(release(conn, Duration::ZERO).await, Progress::Unfinished(none));
    assert!(holds::active(conn).await.unwrap().is_some());
    assert_eq!(release(conn, Duration::MAX).await, Progress::Released(Skipped { timers: 1, ..none }));
    assert!(holds::active(conn).await.unwrap().is_none());
    assert!(matches!(holds::skip_fires(conn, 9).await, Err(StoreError::NotFound)));
    assert!(matches!(holds::cancel_waiting(conn, 9).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn limits_of_a_workspace_count_at_once() {
    let operators = Operators::new().await;
    let app = &operators.app;
    let path = format!("/workspaces/{}/limits", app.workspace);
    let set = async |body: Value| operators.send(Method::PUT, &path, &body.to_string()).await.expect(200);
    let none = json!({ "jobs": null, "tokens": null, "executions_per_minute": null, "members": null, "channels": null });
    let limited = set(json!({ "jobs": 1, "channels": 0, "reason": "a trial" })).await;
    let expected =
        json!({ "jobs": 1, "tokens": null, "executions_per_minute": null, "members": null, "channels": 0 });
    assert_eq!(limited["limits"], expected);
    app.job(&json!({})).await;
    let details = operators.get(&format!("/workspaces/{}", app.workspace)).await;
    assert_eq!(
        (&details["workspace"], &details["usage"]["jobs"]),
        (&limited, &json!({ "used": 1, "limit": 1 }))
    );
    assert_eq!(app.post("/v1/jobs", &crate::app::job(&json!({}))).await.problem(403), "quota_exceeded");
    assert_eq!(set(json!({ "reason": "the trial is over" })).await["limits"], none);
    app.job(&json!({})).await;
    set(json!({ "reason": "again" })).await;
    let id = app.workspace.to_string();
    let there = json!({ "jobs": "1", "previous_jobs": "plan", "channels": "0", "previous_channels": "plan" });
    let back = json!({ "jobs": "plan", "previous_jobs": "1", "channels": "plan", "previous_channels": "0" });
    let expected = [
        json!(["workspace.limits_changed", "ada", "the trial is over", id, back]),
        json!(["workspace.limits_changed", "ada", "a trial", id, there]),
    ];
    assert_eq!(operators.log(&format!("?target={id}")).await, expected);
    let log = app.get("/v1/audit-log?action=workspace.limits_changed").await.expect(200);
    assert_eq!(log["data"].as_array().unwrap().len(), 2);
}
