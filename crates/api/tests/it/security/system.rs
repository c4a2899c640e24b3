//! The system under test: two replicas of the API on one database and one Redis namespace, and a tenant. Nothing makes requests.

use anyhow::Context;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::sync::OnceCell;
use trigrun_api::{DEFAULTS, LimitSettings, Settings};
use trigrun_core::config;
use trigrun_testkit::raw_http::{RawResponse, request};

use super::{
    browsers::Sessions, malformed::Fixture as MalformedFixture, schedules::Jobs, tenants::World,
    tokens::Users,
};
use crate::app::{Api, App, redis_settings};

pub use crate::app::PASSWORD;

/// A user with a workspace.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    pub email: String,
    pub workspace: String,
    /// An API token with every scope.
    pub token: String,
    /// The owner's session.
    pub session: String,
}

/// Every scope that a token can have.
pub const SCOPES: [&str; 7] = [
    "jobs:read",
    "jobs:write",
    "jobs:run",
    "executions:read",
    "secrets:write",
    "notifications:write",
    "workspace:admin",
];

pub struct System {
    pub app: App,
    /// The replica that most cases call: practically without limits.
    pub api: SocketAddr,
    /// Another replica, with the default limits.
    pub strict_api: SocketAddr,
    _strict: Api,
    tenant: Tenant,
    count: AtomicU64,
    // What the cases of a suite share; made by the first that needs it.
    pub(super) malformed: OnceCell<MalformedFixture>,
    pub(super) jobs: OnceCell<Jobs>,
    pub(super) world: OnceCell<World>,
    pub(super) users: OnceCell<Users>,
    pub(super) sessions: OnceCell<Sessions>,
}

impl System {
    pub async fn start() -> Self {
        let redis = redis_settings();
        let app = App::start_with(|settings| {
            settings.redis = redis.clone();
            let plenty = NonZeroU32::new(1_000_000).unwrap();
            let LimitSettings { failures_per_minute, sign_ups_per_hour, .. } = &mut settings.limits;
            (*failures_per_minute, *sign_ups_per_hour) = (plenty, plenty);
        })
        .await;
        let strict = Api::start_with(app.db.settings(), |settings| {
            settings.redis = redis.clone();
            settings.limits = config::load_from::<Settings>(DEFAULTS, []).unwrap().limits;
        })
        .await;
        let (api, strict_api) = (app.api.address(), strict.address());
        let mut system = Self {
            app,
            api,
            strict_api,
            _strict: strict,
            tenant: Tenant::default(),
            count: AtomicU64::new(1),
            malformed: OnceCell::new(),
            jobs: OnceCell::new(),
            world: OnceCell::new(),
            users: OnceCell::new(),
            sessions: OnceCell::new(),
        };
        system.tenant = system.sign_up("tenant").await.expect("the tenant can sign up");
        system
    }

    /// A new user with a workspace.
    pub async fn sign_up(&self, name: &str) -> anyhow::Result<Tenant> {
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "password": PASSWORD, "workspace_name": name });
        let created = self.call_as("", "POST", "/v1/auth/signup", &body).await?.expect(201)?;
        let session = text(&created["token"])?;
        let token = self.token(&session, &SCOPES).await?;
        Ok(Tenant { email, workspace: text(&created["workspace_id"])?, token, session })
    }

    /// A new token in the workspace of this token or session.
    pub async fn token(&self, creator: &str, scopes: &[&str]) -> anyhow::Result<String> {
        let body = json!({ "name": "test", "scopes": scopes });
        let created = self.call_as(creator, "POST", "/v1/tokens", &body).await?.expect(201)?;
        text(&created["token"])
    }

    /// The tenant of cases that create none.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// A number that no other case has.
    pub fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// With the token of the shared tenant. No body where it is null.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<RawResponse> {
        self.call_as(&self.tenant.token, method, path, body).await
    }

    /// With this token, or without one if it is empty. No body where it is null.
    pub async fn call_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<RawResponse> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(token, method, path, body.as_bytes()).await
    }

    /// The same with any bytes as the body.
    pub async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> anyhow::Result<RawResponse> {
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(format!("authorization: Bearer {token}"));
        }
        if !body.is_empty() {
            headers.push("content-type: application/json".to_owned());
        }
        request(self.api, method, path, &headers, body).await
    }

    /// In one of several workspaces. Every response has the same request id, so that two can be compared.
    pub async fn call_in(
        &self,
        workspace: &str,
        token: &str,
        (method, path): (&str, &str),
        body: &Value,
    ) -> anyhow::Result<RawResponse> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers = vec![
            format!("authorization: Bearer {token}"),
            format!("trigrun-workspace: {workspace}"),
            "x-request-id: test".to_owned(),
        ];
        if !body.is_empty() {
            headers.push("content-type: application/json".to_owned());
        }
        request(self.api, method, path, &headers, body.as_bytes()).await
    }

    /// The owner of this session invites the newcomer, who accepts.
    pub async fn join(
        &self,
        (workspace, owner): (&str, &str),
        newcomer: &Tenant,
        role: &str,
    ) -> anyhow::Result<()> {
        let body = json!({ "email": newcomer.email, "role": role });
        let invited = self.call_in(workspace, owner, ("POST", "/v1/members"), &body).await?.expect(201)?;
        let accept = json!({ "invitation": invited["invitation"] });
        self.call_as(&newcomer.session, "POST", "/v1/invitations/accept", &accept).await?.expect(200)?;
        Ok(())
    }
}

/// A job that makes this request once, now.
pub fn once(request: Value) -> Value {
    json!({ "name": "once", "kind": "one_time", "request": request, "retry_policy": { "max_attempts": 1 } })
}

pub fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is not a string"))
}
