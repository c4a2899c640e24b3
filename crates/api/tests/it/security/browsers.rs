//! Suite V: sessions of browsers. Whatever a browser can be made to send, the cookie counts only for pages of this server.

mod ended;
mod log_ins;
mod requests;

pub use requests::Sessions;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::net::SocketAddr;
use trigrun_testkit::raw_http::{RawResponse, request};

use super::{
    case::Suite,
    system::{PASSWORD, System, text},
};

/// The name of the cookie.
const COOKIE: &str = "__Host-trigrun";

pub fn suite() -> Suite {
    let cases = [requests::cases(), log_ins::cases(), ended::cases()];
    Suite { letter: 'V', cases: cases.into_iter().flatten().collect() }
}

/// A browser in which a user has logged in.
pub struct Browser {
    email: String,
    /// The value of the cookie.
    secret: String,
    csrf: String,
}

impl Browser {
    /// In which a new user has logged in.
    async fn new(system: &System) -> anyhow::Result<Self> {
        let email = system.sign_up(&format!("browser{}", system.number())).await?.email;
        Self::log_in(system, &email).await
    }

    async fn log_in(system: &System, email: &str) -> anyhow::Result<Self> {
        let response = log_in_with(system, email, &[]).await?;
        let csrf = text(&response.expect(200)?["csrf"])?;
        Ok(Self { email: email.to_owned(), secret: cookie_of(&response)?, csrf })
    }

    /// The headers that a page of this server sends.
    fn headers(&self) -> [String; 2] {
        [format!("cookie: {COOKIE}={}", self.secret), format!("trigrun-csrf: {}", self.csrf)]
    }

    async fn call(
        &self,
        system: &System,
        method: &str,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<RawResponse> {
        call(system.api, method, path, &self.headers(), body).await
    }

    /// At both replicas.
    async fn is_logged_in(&self, system: &System) -> anyhow::Result<()> {
        for api in [system.api, system.strict_api] {
            call(api, "GET", "/v1/me", &self.headers(), &Value::Null).await?.expect(200)?;
        }
        Ok(())
    }

    /// At once, at both replicas, with the cookie alone too.
    async fn is_logged_out(&self, system: &System) -> anyhow::Result<()> {
        for (api, path) in [
            (system.strict_api, "/v1/me"),
            (system.api, "/v1/me"),
            (system.api, "/v1/sessions"),
            (system.api, "/v1/auth/session"),
        ] {
            is_unauthorized(&call(api, "GET", path, &self.headers(), &Value::Null).await?)?;
        }
        Ok(())
    }
}

/// No body where it is null.
async fn call(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &Value,
) -> anyhow::Result<RawResponse> {
    let (mut headers, mut bytes) = (headers.to_vec(), Vec::new());
    if !body.is_null() {
        headers.push("content-type: application/json".to_owned());
        bytes = body.to_string().into_bytes();
    }
    request(to, method, path, &headers, &bytes).await
}

async fn log_in_with(system: &System, email: &str, headers: &[String]) -> anyhow::Result<RawResponse> {
    let body = json!({ "email": email, "password": PASSWORD, "session": "cookie" });
    call(system.api, "POST", "/v1/auth/login", headers, &body).await
}

/// The value of the cookie that a response sets.
fn cookie_of(response: &RawResponse) -> anyhow::Result<String> {
    let set = response.header("set-cookie").context("no cookie")?;
    let value = set.strip_prefix(COOKIE).and_then(|rest| rest.strip_prefix('=')).context("another cookie")?;
    Ok(value.split(';').next().unwrap_or_default().to_owned())
}

fn is_unauthorized(response: &RawResponse) -> anyhow::Result<()> {
    response.expect_problem(401, "unauthorized")?;
    ensure!(response.header("www-authenticate") == Some("Bearer"), "{}", response.head);
    ensure!(response.header("set-cookie").is_none(), "{}", response.head);
    Ok(())
}
