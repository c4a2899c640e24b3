//! Sessions: with a cookie or a token, listed, ended, confirmed; and what users change about themselves.

use http_body_util::Full;
use hyper::{Method, body::Bytes};
use serde_json::{Value, json};
use std::time::Duration;
use trigrun_api::{Origin, SignUp};
use trigrun_core::store::holds;
use trigrun_testkit::{due, jobs::by_operator};

use crate::app::{App, PASSWORD, Response};

/// Only ends a test that hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A browser in which a user has logged in.
struct Browser<'a> {
    app: &'a App,
    cookie: String,
    csrf: String,
}

impl<'a> Browser<'a> {
    async fn sign_up(app: &'a App, email: &str) -> Self {
        let body = json!({ "email": email, "password": PASSWORD, "session": "cookie" });
        Self::of(app, &app.post("/v1/auth/signup", &body).await, 201)
    }

    async fn log_in(app: &'a App, email: &str) -> Self {
        let body = json!({ "email": email, "password": PASSWORD, "session": "cookie" });
        Self::of(app, &app.post("/v1/auth/login", &body).await, 200)
    }

    fn of(app: &'a App, response: &Response, status: u16) -> Self {
        let body = response.expect(status);
        assert!(body.get("token").is_none(), "{body}");
        let cookie = response.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { app, cookie, csrf: body["csrf"].as_str().unwrap().to_owned() }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.send_with(method, path, &[], body).await
    }

    async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Response {
        let mut request = self.app.api.request(method, path);
        let own = [("cookie", self.cookie.as_str()), ("trigrun-csrf", &self.csrf), ("user-agent", "Firefox")];
        for (name, value) in own.iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let mut bytes = Bytes::new();
        if !body.is_null() {
            request = request.header("content-type", "application/json");
            bytes = Bytes::from(body.to_string());
        }
        self.app.api.send(request.body(Full::new(bytes)).unwrap()).await
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &Value::Null).await
    }

    /// As if the password had been given longer ago.
    async fn forget_password(&self) {
        self.app.db.execute("update sessions set confirmed_until = now()").await;
    }
}

#[tokio::test]
async fn a_page_gets_what_it_needs_from_the_cookie_alone() {
    let app = App::new().await;
    let browser = Browser::sign_up(&app, "ada@example.com").await;
    let alone = Browser { csrf: String::new(), cookie: browser.cookie.clone(), app: &app };
    let session = alone.get("/v1/auth/session").await.expect(200);
    assert_eq!(
        (&session["csrf"], &session["user"]["email"]),
        (&json!(browser.csrf), &json!("ada@example.com"))
    );
    let workspaces = browser.get("/v1/workspaces").await.expect(200);
    assert_eq!(session["workspaces"], workspaces["data"]);
    assert_eq!(alone.get("/v1/workspaces").await.problem(401), "unauthorized");
    // It works in a workspace like a token.
    let job = crate::app::job(&json!({}));
    browser.send(Method::POST, "/v1/jobs", &job).await.expect(201);
    let request = json!({ "url": "https://example.com/", "method": "POST", "body": "a".repeat(50_000) });
    browser
        .send(Method::POST, "/v1/jobs", &crate::app::job(&json!({ "request": request })))
        .await
        .expect(201);
    // A session with a token has no CSRF token.
    let token =
        app.post("/v1/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD })).await;
    assert_eq!(token.header("set-cookie"), None);
    let token = token.expect(200)["token"].as_str().unwrap().to_owned();
    let session = app.send_as(&token, Method::GET, "/v1/auth/session", &[], "").await.expect(200);
    assert!(session.get("csrf").is_none(), "{session}");
}

#[tokio::test]
async fn a_user_sees_and_ends_sessions() {
    let app = App::new().await;
    let here = Browser::sign_up(&app, "ada@example.com").await;
    let there = Browser::log_in(&app, "ada@example.com").await;
    let grace = Browser::sign_up(&app, "grace@example.com").await;
    let list = here.get("/v1/sessions").await.expect(200)["data"].clone();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2, "{list:?}");
    let other = list.iter().find(|session| session["current"] == false).unwrap();
    assert_eq!((&other["kind"], &other["address"]), (&json!("cookie"), &json!("127.0.0.1")));
    assert!(!other["id"].as_str().unwrap().contains(&there.cookie), "{other}");
    let path = format!("/v1/sessions/{}", other["id"].as_str().unwrap());
    let not_found = grace.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(not_found.problem(404), "not_found");
    here.send(Method::DELETE, &path, &Value::Null).await.expect(204);
    assert_eq!(there.get("/v1/me").await.problem(401), "unauthorized");
    assert_eq!(here.send(Method::DELETE, &path, &Value::Null).await.problem(404), "not_found");
    let again = Browser::log_in(&app, "ada@example.com").await;
    here.send(Method::DELETE, "/v1/sessions", &Value::Null).await.expect(204);
    assert_eq!(again.get("/v1/me").await.problem(401), "unauthorized");
    assert_eq!(here.get("/v1/sessions").await.expect(200)["data"].as_array().unwrap().len(), 1);
    grace.get("/v1/me").await.expect(200);
    let log = here.get("/v1/audit-log?action=user.session_ended").await.expect(200);
    let ended: Vec<_> =
        log["data"].as_array().unwrap().iter().map(|entry| entry["details"]["session"].clone()).collect();
    assert_eq!(ended, [json!("others"), other["id"].clone()]);
    let log = here.get("/v1/audit-log?action=user.logged_in").await.expect(200);
    assert_eq!(log["data"][0]["details"], json!({ "session": "cookie" }));
}

#[tokio::test]
async fn use_is_recorded_once_a_minute_and_puts_off_the_end_of_a_cookie() {
    let app = App::new().await;
    let browser = Browser::sign_up(&app, "ada@example.com").await;
    let earlier = "update sessions set created_at = created_at - interval '1 h', last_seen_at = last_seen_at - interval '1 h',
                                       expires_at = expires_at - interval '1 h'";
    app.db.execute(earlier).await;
    browser.get("/v1/me").await.expect(200);
    let seen = "select count(*) from sessions where user_agent = 'Firefox' and address = '127.0.0.1'
                and last_seen_at > created_at + interval '59 m' and expires_at = last_seen_at + interval '72 h'";
    let written = async { while app.db.count(seen).await < 1 {} };
    tokio::time::timeout(DEADLINE, written).await.expect("the use is recorded");
    // Not for ever.
    let old =
        "update sessions set created_at = now() - interval '335 h', last_seen_at = now() - interval '1 h',
                                   expires_at = now() + interval '1 h'";
    app.db.execute(old).await;
    browser.get("/v1/me").await.expect(200);
    let seen = "select count(*) from sessions where last_seen_at > now() - interval '50 m'
                and expires_at = created_at + interval '336 h'";
    let written = async { while app.db.count(seen).await < 1 {} };
    tokio::time::timeout(DEADLINE, written).await.expect("the use is recorded");
}

#[tokio::test]
async fn a_user_has_a_hundred_sessions_at_most() {
    let app = App::new().await;
    let oldest = Browser::sign_up(&app, "ada@example.com").await;
    app.db.execute("update sessions set last_seen_at = last_seen_at - interval '1 h'").await;
    app.db
        .execute(
            "insert into sessions (id, user_id, hash, kind, created_at, expires_at, confirmed_until, last_seen_at)
             select gen_random_uuid(), user_id, int4send(n), kind, created_at, expires_at, confirmed_until, last_seen_at + interval '1 s'
             from sessions, generate_series(1, 99) n",
        )
        .await;
    let newest = Browser::log_in(&app, "ada@example.com").await;
    let list = newest.get("/v1/sessions").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 100);
    assert_eq!(app.db.count("select count(*) from sessions").await, 100);
    assert_eq!(oldest.get("/v1/me").await.problem(401), "unauthorized");
    assert_eq!(list["data"][0]["current"], true);
    // Those that have expired go with the next log-in.
    app.db.execute("update sessions set created_at = now() - interval '336 h', expires_at = now() where octet_length(hash) = 4").await;
    Browser::log_in(&app, "ada@example.com").await;
    assert_eq!(app.db.count("select count(*) from sessions").await, 2);
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions() {
    let app = App::new().await;
    let here = Browser::sign_up(&app, "ada@example.com").await;
    let there = Browser::log_in(&app, "ada@example.com").await;
    let change = async |current: &str, new: &str| {
        here.send(Method::POST, "/v1/me/password", &json!({ "current": current, "new": new })).await
    };
    assert_eq!(
        change("wrong horse battery", "another horse battery").await.problem(401),
        "credentials_wrong"
    );
    assert_eq!(change(PASSWORD, "short").await.errors(), [("/new".to_owned(), "password_length".to_owned())]);
    assert_eq!(
        here.send(Method::POST, "/v1/me/password", &json!({})).await.errors(),
        [("/current".to_owned(), "required".to_owned()), ("/new".to_owned(), "required".to_owned())]
    );
    there.get("/v1/me").await.expect(200);
    // Giving the password is the confirmation.
    here.forget_password().await;
    change(PASSWORD, "another horse battery").await.expect(204);
    assert_eq!(there.get("/v1/me").await.problem(401), "unauthorized");
    here.get("/v1/me").await.expect(200);
    let log_in = async |password: &str| {
        app.post("/v1/auth/login", &json!({ "email": "ada@example.com", "password": password })).await
    };
    assert_eq!(log_in(PASSWORD).await.problem(401), "credentials_wrong");
    log_in("another horse battery").await.expect(200);
    let log = here.get("/v1/audit-log?action=user.password_changed").await.expect(200);
    assert_eq!(log["data"].as_array().unwrap().len(), 1);
    // Two changes at once from the same password: one is made.
    let changes = (0..2).map(|n| {
        change("another horse battery", if n == 0 { "the first of both" } else { "the other of both" })
    });
    let mut statuses: Vec<u16> = futures_util::future::join_all(changes)
        .await
        .iter()
        .map(|response| response.status.as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 401]);
}

#[tokio::test]
async fn the_session_of_a_browser_needs_the_password_for_what_outlasts_it() {
    let app = App::new().await;
    let browser = Browser::sign_up(&app, "ada@example.com").await;
    let token = json!({ "name": "ci" });
    browser.send(Method::POST, "/v1/tokens", &token).await.expect(201);
    browser.forget_password().await;
    let before = app.db.count("select count(*) from tokens").await;
    assert_eq!(browser.send(Method::POST, "/v1/tokens", &token).await.problem(403), "confirmation_required");
    assert_eq!(app.db.count("select count(*) from tokens").await, before);
    // What is not dangerous goes on.
    let member = json!({ "email": "grace@example.com", "role": "admin" });
    browser.send(Method::POST, "/v1/members", &member).await.expect(201);
    let confirm = async |password: &str| {
        browser.send(Method::POST, "/v1/auth/confirm", &json!({ "password": password })).await
    };
    assert_eq!(confirm("wrong horse battery").await.problem(401), "credentials_wrong");
    assert_eq!(browser.send(Method::POST, "/v1/tokens", &token).await.problem(403), "confirmation_required");
    let confirmed = confirm(PASSWORD).await.expect(200);
    browser.send(Method::POST, "/v1/tokens", &token).await.expect(201);
    let session = browser.get("/v1/auth/session").await.expect(200);
    assert_eq!(session["confirmed_until"], confirmed["confirmed_until"]);
    // It confirms one session only, and the session of a program needs none.
    let other = Browser::log_in(&app, "ada@example.com").await;
    let program =
        app.post("/v1/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD })).await;
    let program = program.expect(200)["token"].as_str().unwrap().to_owned();
    other.forget_password().await;
    confirm(PASSWORD).await.expect(200);
    assert_eq!(other.send(Method::POST, "/v1/tokens", &token).await.problem(403), "confirmation_required");
    app.send_as(&program, Method::POST, "/v1/tokens", &[], &token.to_string()).await.expect(201);
}

#[tokio::test]
async fn a_page_of_a_configured_origin_cannot_use_the_cookie() {
    let console = "https://console.example.com";
    let app = App::start_with(|settings| {
        settings.server.origins = vec![Origin::try_from(console.to_owned()).unwrap()];
    })
    .await;
    let browser = Browser::sign_up(&app, "ada@example.com").await;
    let refused = browser.send_with(Method::GET, "/v1/me", &[("origin", console)], &Value::Null).await;
    assert_eq!(refused.problem(401), "unauthorized");
    assert_eq!(refused.header("access-control-allow-credentials"), None);
    let own = format!("https://{}", app.api.address());
    browser.send_with(Method::GET, "/v1/me", &[("origin", &own)], &Value::Null).await.expect(200);
}

#[tokio::test]
async fn the_caller_is_described_in_full() {
    let app = App::new().await;
    let browser = Browser::sign_up(&app, "ada@example.com").await;
    let me = browser.get("/v1/me").await.expect(200);
    let sessions = browser.get("/v1/sessions").await.expect(200);
    assert_eq!(me["session"]["id"], sessions["data"][0]["id"]);
    assert_eq!(me["workspace"], json!({ "id": me["workspace_id"], "name": "ada's workspace" }));
    assert_eq!((&me["token"], &me["token_id"]), (&Value::Null, &Value::Null));
    let me = app.get("/v1/me").await.expect(200);
    assert_eq!(me["workspace"], json!({ "id": app.workspace.to_string(), "name": "ours" }));
    assert_eq!((&me["token"]["name"], &me["token"]["id"]), (&json!("test"), &me["token_id"]));
    assert_eq!(
        (&me["user"], &me["session"], &me["token"]["expires_at"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );

    let renamed = browser.send(Method::PATCH, "/v1/me", &json!({ "name": "Ada Lovelace" })).await.expect(200);
    assert_eq!(renamed["name"], "Ada Lovelace");
    assert_eq!(browser.send(Method::PATCH, "/v1/me", &json!({})).await.expect(200), renamed);
    assert_eq!(browser.get("/v1/me").await.expect(200)["user"], renamed);
    for name in ["", " ", "a\nb", &"a".repeat(201)] {
        assert_eq!(
            browser.send(Method::PATCH, "/v1/me", &json!({ "name": name })).await.errors()[0].0,
            "/name"
        );
    }
}

#[tokio::test]
async fn a_token_revokes_itself_by_logging_out() {
    let app = App::new().await;
    let made = app.post("/v1/tokens", &json!({ "name": "ci", "scopes": ["jobs:read"] })).await.expect(201);
    let token = made["token"].as_str().unwrap();
    let response = app.send_as(token, Method::POST, "/v1/auth/logout", &[], "").await;
    response.expect(204);
    assert_eq!(response.header("set-cookie"), None, "a browser stays logged in");
    assert_eq!(app.send_as(token, Method::GET, "/v1/me", &[], "").await.problem(401), "unauthorized");
    let log = app.get("/v1/audit-log?action=token.deleted").await.expect(200);
    assert_eq!(log["data"][0]["actor"]["name"], "ci");
}

#[tokio::test]
async fn the_instance_describes_itself_to_everyone() {
    let app = App::start_with(|settings| settings.server.sign_up = SignUp::Invite).await;
    let instance = async || {
        let request = app.api.request(Method::GET, "/v1/instance").body(Full::new(Bytes::new())).unwrap();
        app.api.send(request).await.expect(200)
    };
    let before = instance().await;
    assert_eq!((&before["sign_up"], &before["has_users"]), (&json!("invite"), &json!(false)));
    assert_eq!(before["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(before["limits"]["page"], 250);
    let version = app.get("/version").await.expect(200);
    assert_eq!(before["time_zones"], version["time_zones"]);
    app.member("owner").await;
    assert_eq!(instance().await["has_users"], true);
}

#[tokio::test]
async fn the_instance_says_since_when_it_is_held() {
    let app = App::new().await;
    assert_eq!(app.get("/v1/instance").await.expect(200)["held_since"], Value::Null);
    assert!(holds::begin(&mut *app.db.conn().await, &by_operator("not for everyone")).await.unwrap());
    let is_held = async || {
        let instance = app.get("/v1/instance").await;
        assert!(!instance.text.contains("not for everyone"));
        instance.json()["held_since"].is_string()
    };
    due::until("the API knows the hold", DEADLINE, is_held).await.unwrap();
    // Requested runs wait.
    let job = app.job(&json!({})).await;
    let run = app.post(&format!("/v1/jobs/{job}/run-now"), &json!({})).await;
    assert!(run.status.is_success(), "{}", run.text);
}
