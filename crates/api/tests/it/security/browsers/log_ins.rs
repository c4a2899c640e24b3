//! How a browser gets its cookie, and what else could get it.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use trigrun_core::{crypto, domain::access::TokenKind};

use super::{Browser, COOKIE, call, cookie_of, is_unauthorized, log_in_with};
use crate::{
    app::Api,
    security::{
        case::Case,
        system::{PASSWORD, System},
    },
};

/// What a browser says of a page that is not from this server.
const FOREIGN: &[&str] = &[
    "sec-fetch-site: cross-site",
    "sec-fetch-site: same-site",
    "sec-fetch-site: none",
    "origin: https://evil.example",
    "origin: null",
];

/// Operations that need the password again: method, path, body.
const CONFIRMED: &[(&str, &str, &str)] = &[
    ("DELETE", "/v1/workspace", ""),
    ("DELETE", "/v1/me", ""),
    ("GET", "/v1/workspace/signing-secret", ""),
    ("POST", "/v1/workspace/signing-secret/rotate", ""),
    ("POST", "/v1/tokens", r#"{"name": "mine"}"#),
    ("POST", "/v1/tokens/tok_01h455vb4pex5vsknk084sn02q/rotate", ""),
    ("POST", "/v1/members", r#"{"email": "new.owner@example.com", "role": "owner"}"#),
    ("PATCH", "/v1/members/{me}", r#"{"role": "owner"}"#),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("the cookie is for this host, over HTTPS, hidden from scripts", |system| {
            Box::pin(attributes(system))
        }),
        Case::new("a cookie that the client brings is never adopted", |system| Box::pin(fixation(system))),
        Case::new("over plain HTTP only where the operator allows it", |system| Box::pin(plain_http(system))),
        Case::new("a wrong password gets no cookie, and counts", |system| Box::pin(guessing(system))),
    ];
    cases.extend(FOREIGN.iter().map(|line| {
        let name = format!("a log-in by a foreign page: {line}");
        Case::new(name, move |system| async move { by_foreign_page(&system, line).await })
    }));
    cases.extend(CONFIRMED.iter().map(|row| {
        let name = format!("without the password: {} {}", row.0, row.1);
        Case::new(name, move |system| async move { needs_confirmation(&system, row).await })
    }));
    cases
}

async fn attributes(system: Arc<System>) -> anyhow::Result<()> {
    let email = Browser::new(&system).await?.email;
    let response = log_in_with(&system, &email, &[]).await?;
    let body = response.expect(200)?;
    ensure!(body.get("token").is_none() && !response.text().contains(&cookie_of(&response)?), "{body}");
    let set = response.header("set-cookie").context("no cookie")?;
    let mut attributes: Vec<&str> = set.split("; ").skip(1).collect();
    attributes.sort_unstable();
    ensure!(attributes == ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Strict", "Secure"], "{set}");
    ensure!(response.header("cache-control") == Some("no-store"), "{}", response.head);
    Ok(())
}

async fn fixation(system: Arc<System>) -> anyhow::Result<()> {
    let (victim, attacker) = (Browser::new(&system).await?, Browser::new(&system).await?);
    let invented = crypto::new_token(TokenKind::Session).ok().context("no randomness")?;
    for brought in [invented.reveal(), &attacker.secret, &victim.secret, "x", ""] {
        let cookie = format!("cookie: {COOKIE}={brought}");
        let response = log_in_with(&system, &victim.email, &[cookie]).await?;
        let csrf = response.expect(200)?["csrf"].as_str().context("no CSRF token")?.to_owned();
        let secret = cookie_of(&response)?;
        ensure!(secret != brought, "the cookie was adopted");
        let cookie = [format!("cookie: {COOKIE}={brought}"), format!("trigrun-csrf: {csrf}")];
        is_unauthorized(&call(system.api, "GET", "/v1/me", &cookie, &Value::Null).await?)?;
        Browser { email: victim.email.clone(), secret, csrf }.is_logged_in(&system).await?;
    }
    // It is the attacker's session still.
    let session = attacker.call(&system, "GET", "/v1/auth/session", &Value::Null).await?.expect(200)?;
    ensure!(session["user"]["email"] == attacker.email, "{session}");
    Ok(())
}

async fn plain_http(system: Arc<System>) -> anyhow::Result<()> {
    let browser = Browser::new(&system).await?;
    let insecure = Api::start_with(system.app.db.settings(), |settings| {
        settings.server.insecure_cookies = true;
    })
    .await;
    let call = async |method: &str, path: &str, headers: &[String], body: &Value| {
        call(insecure.address(), method, path, headers, body).await
    };
    is_unauthorized(&call("GET", "/v1/me", &browser.headers(), &Value::Null).await?)?;
    let log_in = json!({ "email": browser.email, "password": PASSWORD, "session": "cookie" });
    let response = call("POST", "/v1/auth/login", &[], &log_in).await?;
    let csrf = response.expect(200)?["csrf"].as_str().context("no CSRF token")?.to_owned();
    let set = response.header("set-cookie").context("no cookie")?;
    ensure!(set.starts_with("trigrun=trs_") && set.contains("HttpOnly") && !set.contains("Secure"), "{set}");
    let cookie = set.split(';').next().unwrap_or_default();
    let headers = [
        format!("cookie: {cookie}"),
        format!("trigrun-csrf: {csrf}"),
        format!("origin: http://{}", insecure.address()),
    ];
    call("GET", "/v1/me", &headers, &Value::Null).await?.expect(200)?;
    // A server that does not allow it does not know the cookie.
    let other = super::call(system.api, "GET", "/v1/me", &headers[..2], &Value::Null).await?;
    is_unauthorized(&other)
}

async fn guessing(system: Arc<System>) -> anyhow::Result<()> {
    let browser = Browser::new(&system).await?;
    let log_in = json!({ "email": browser.email, "password": "wrong horse battery", "session": "cookie" });
    let response = call(system.api, "POST", "/v1/auth/login", &[], &log_in).await?;
    response.expect_problem(401, "credentials_wrong")?;
    ensure!(response.header("set-cookie").is_none(), "{}", response.head);
    let guess = json!({ "password": "wrong horse battery" });
    let change = json!({ "current": "wrong horse battery", "new": "another horse battery" });
    let mut statuses = Vec::new();
    for attempt in 0..30 {
        let (path, body) =
            if attempt % 2 == 0 { ("/v1/auth/confirm", &guess) } else { ("/v1/me/password", &change) };
        statuses.push(call(system.strict_api, "POST", path, &browser.headers(), body).await?.status);
        if statuses.ends_with(&[429]) {
            break;
        }
    }
    ensure!(statuses.ends_with(&[401, 429]), "{statuses:?}");
    browser.is_logged_in(&system).await
}

async fn by_foreign_page(system: &System, line: &str) -> anyhow::Result<()> {
    let email = Browser::new(system).await?.email;
    is_unauthorized(&log_in_with(system, &email, &[line.to_owned()]).await?)?;
    let guest = format!("foreign{}@example.com", system.number());
    let sign_up = json!({ "email": guest, "password": PASSWORD, "session": "cookie" });
    let refused = call(system.api, "POST", "/v1/auth/signup", &[line.to_owned()], &sign_up).await?;
    is_unauthorized(&refused)?;
    // No account either.
    let log_in = json!({ "email": guest, "password": PASSWORD });
    let refused = call(system.api, "POST", "/v1/auth/login", &[], &log_in).await?;
    refused.expect_problem(401, "credentials_wrong")
}

async fn needs_confirmation(
    system: &System,
    (method, path, body): &(&str, &str, &str),
) -> anyhow::Result<()> {
    let browser = Browser::new(system).await?;
    let me = browser.call(system, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
    let path = path.replace("{me}", me["user"]["id"].as_str().unwrap_or_default());
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let age =
        "update sessions set confirmed_until = now() where user_id = (select id from users where email = $1)";
    system.app.db.session().await.execute(age, &[&browser.email]).await?;
    let refused = browser.call(system, method, &path, &body).await?;
    refused.expect_problem(403, "confirmation_required")?;
    let confirm = json!({ "password": PASSWORD });
    browser.call(system, "POST", "/v1/auth/confirm", &confirm).await?.expect(200)?;
    let done = browser.call(system, method, &path, &body).await?;
    ensure!(done.json()["code"] != "confirmation_required", "{}", done.text());
    // Another session of the user is not confirmed by it, and a token needs no confirmation.
    ensure!(done.status < 500 && done.status != 403, "{} {}", done.status, done.text());
    Ok(())
}
