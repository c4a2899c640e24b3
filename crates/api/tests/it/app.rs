//! An API for one test, and a client with full control over its requests.

use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use trigrun_api::{Bound, DEFAULTS, LimitSettings, ServeError, Settings, SignUp, serve};
use trigrun_core::{
    config,
    crypto::password::{self, HashMemory},
    domain::{
        access::Scope,
        audit::Author,
        id::{UserId, WorkspaceId},
        user::User,
        workspace::Workspace,
    },
    runtime::tasks,
    store::{
        PostgresSettings,
        users::{self, NewUser, SignUpRoute},
    },
    stream::RedisSettings,
};
use trigrun_testkit::{TestDb, client, keys, redis};

use crate::contract;

/// A new namespace in Redis. With this timeout, a rate limit waits 10 s for Redis instead of 0.1 s: on a slow machine, it must not be applied
/// locally, where its count is another.
pub fn redis_settings() -> RedisSettings {
    RedisSettings { timeout_ms: 100_000, ..redis::settings() }
}

/// How many requests a limit has refilled since `started`, at most.
pub fn refills(started: Instant, interval: Duration) -> usize {
    started.elapsed().div_duration_f64(interval).ceil() as usize
}

/// A server on a free port of this machine. It stops when this is dropped.
pub struct Api {
    bound: Bound,
    stop: CancellationToken,
    ended: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Api {
    pub async fn start_with(postgres: PostgresSettings, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings: Settings = config::load_from(DEFAULTS, []).unwrap();
        // Many concurrent requests wait for a connection longer on a slow machine.
        settings.postgres = PostgresSettings { acquire_timeout_ms: 60_000, max_connections: 16, ..postgres };
        settings.keys = keys::settings();
        settings.server.sign_up = SignUp::Open;
        settings.redis = redis_settings();
        // Tests send more requests than users.
        let plenty = NonZeroU32::new(100_000).unwrap();
        let LimitSettings { token_per_second, token_burst, workspace_per_second, workspace_burst, .. } =
            &mut settings.limits;
        for limit in [token_per_second, token_burst, workspace_per_second, workspace_burst] {
            *limit = plenty;
        }
        settings.server.address = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.telemetry.probes_address = SocketAddr::from(([127, 0, 0, 1], 0));
        change(&mut settings);
        let (stop, (on_bound, bound)) = (CancellationToken::new(), oneshot::channel());
        let serving = serve(settings, stop.clone(), move |bound| on_bound.send(bound).unwrap());
        let ended = Some(tasks::spawn("api", serving));
        Self { bound: bound.await.expect("the API starts"), stop, ended }
    }

    pub fn address(&self) -> SocketAddr {
        self.bound.address
    }

    /// Of the operator API, which the settings of the test must ask for.
    pub fn operator_address(&self) -> SocketAddr {
        self.bound.operator.expect("the operator API is served")
    }

    /// Sends a request on a new connection. The response must be as documented.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Response {
        self.send_to(self.bound.address, request).await
    }

    /// The same to another address of it.
    pub async fn send_to(&self, address: SocketAddr, request: Request<Full<Bytes>>) -> Response {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = client::send(address, request).await.unwrap();
        let text = String::from_utf8(response.body.to_vec()).unwrap();
        let response = Response { status: response.status, headers: response.headers, text };
        contract::check(&method, &path, &response);
        response
    }

    pub fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder().method(method).uri(path).header(HOST, self.bound.address.to_string())
    }

    pub async fn stop(mut self) {
        self.stop.cancel();
        self.ended.take().unwrap().await.unwrap().unwrap();
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Its JSON. Panics if it has another status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The code of a problem. Checks everything that all problems have in common.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["status"], json!(status));
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{}", self.text);
        let code = problem["code"].as_str().expect("a code").to_owned();
        assert_eq!(problem["type"], json!(format!("https://trigrun.dev/problems/{code}")));
        assert!(
            problem["title"].is_string()
                && problem["detail"].as_str().is_some_and(|text| text.ends_with(['.', '?']))
        );
        code
    }

    /// Pointers and codes of all errors, sorted.
    #[track_caller]
    pub fn errors(&self) -> Vec<(String, String)> {
        assert_eq!(self.problem(422), "validation_failed");
        let problem = self.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for error in problem["errors"].as_array().expect("errors") {
            let (detail, hint) = (text(&error["detail"]), error["hint"].as_str());
            assert!(detail.ends_with('.'), "{error}");
            assert!(hint.is_none_or(|hint| !hint.starts_with(|c: char| c.is_ascii_lowercase())), "{error}");
        }
        let errors = problem["errors"].as_array().expect("errors").iter();
        let mut sorted: Vec<_> =
            errors.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect();
        sorted.sort();
        sorted
    }
}

/// The password of every test user.
pub const PASSWORD: &str = "correct horse battery";

/// An API, a workspace in it, and a token with all scopes.
pub struct App {
    pub api: Api,
    pub db: TestDb,
    pub workspace: WorkspaceId,
    pub token: String,
}

impl App {
    pub async fn new() -> Self {
        Self::start_with(|_| ()).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let db = TestDb::new().await;
        let workspace = db.workspace("ours").await;
        let token = db.token(workspace, Scope::ALL).await.reveal().to_owned();
        Self { api: Api::start_with(db.settings(), change).await, db, workspace, token }
    }

    /// A token of that workspace with these scopes.
    pub async fn token_of(&self, workspace: WorkspaceId, scopes: &[Scope]) -> String {
        self.db.token(workspace, scopes).await.reveal().to_owned()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_text(path, &body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, body: &str) -> Response {
        self.send(Method::POST, path, &[], body).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Response {
        self.send(Method::PATCH, path, &[], &body.to_string()).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.send_as(&self.token, method, path, headers, body).await
    }

    pub async fn send_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let mut request = self.api.request(method, path).header(AUTHORIZATION, format!("Bearer {token}"));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.api.send(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await
    }

    /// A new user with that role in the app's workspace; returns the id.
    pub async fn member(&self, role: &str) -> String {
        let email = format!("{}@example.com", uuid::Uuid::new_v4().simple());
        let now = self.db.now().await;
        let user = User { id: UserId::from_uuid(uuid::Uuid::now_v7()), email, name: "Ada".into() };
        let mut conn = self.db.conn().await;
        let home = Workspace { id: WorkspaceId::from_uuid(uuid::Uuid::now_v7()), name: "home".into() };
        let new = NewUser {
            user: &user,
            password_hash: &password::hash(PASSWORD, &mut HashMemory::default()).unwrap(),
            by: &Author::operator(now),
        };
        users::sign_up(&mut conn, new, SignUpRoute::OwnWorkspace(&home)).await.unwrap();
        drop(conn);
        let sql = format!(
            "delete from members where user_id = '{user}';
             insert into members (workspace_id, user_id, role, created_at) values ('{}', '{user}', '{role}', now())",
            self.workspace.uuid(),
            user = user.id.uuid(),
        );
        self.db.execute(&sql).await;
        user.id.to_string()
    }

    /// The session token of a new user with that role.
    pub async fn session(&self, role: &str) -> String {
        let id = self.member(role).await.parse::<UserId>().unwrap().uuid();
        let email = self.db.lines(&format!("select email from users where id = '{id}'")).await.remove(0);
        let log_in =
            self.post("/v1/auth/login", &json!({ "email": email, "password": PASSWORD })).await.expect(200);
        log_in["token"].as_str().unwrap().to_owned()
    }

    /// Creates a minimal job with `change` applied; returns the id.
    pub async fn job(&self, change: &Value) -> String {
        let job = self.post("/v1/jobs", &job(change)).await.expect(201);
        job["id"].as_str().unwrap().to_owned()
    }
}

/// A minimal job with `change` applied.
pub fn job(change: &Value) -> Value {
    let mut job = json!({
        "name": "report",
        "kind": "recurring",
        "schedule": { "every_n_minutes": 5 },
        "request": { "url": "https://example.com/report" },
    });
    for (name, value) in change.as_object().unwrap() {
        job[name] = value.clone();
    }
    job
}
