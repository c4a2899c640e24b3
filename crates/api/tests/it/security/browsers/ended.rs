//! Sessions of browsers that were valid once.

use anyhow::{Context, ensure};
use serde_json::Value;
use std::sync::Arc;

use super::{Browser, call, is_unauthorized};
use crate::security::{
    case::Case,
    system::{PASSWORD, System},
};

/// What the user does in another browser: name, method, path, body. `{id}` is the session, `{password}` the password.
const ENDINGS: &[(&str, &str, &str, &str)] = &[
    ("ended in another browser", "DELETE", "/v1/sessions/{id}", ""),
    ("ended with all others", "DELETE", "/v1/sessions", ""),
    (
        "after a change of the password",
        "POST",
        "/v1/me/password",
        r#"{"current": "{password}", "new": "another horse battery"}"#,
    ),
];

/// What happens to its row: the time passes.
const EXPIRIES: &[(&str, &str)] = &[
    (
        "that has expired",
        "created_at = created_at - interval '336 h', expires_at = expires_at - interval '336 h'",
    ),
    (
        "unused for three days",
        "last_seen_at = last_seen_at - interval '72 h', expires_at = expires_at - interval '72 h'",
    ),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("a session after logging out", |system| Box::pin(logged_out(system))),
        Case::new("a session of a deleted account", |system| Box::pin(account_deleted(system))),
        Case::new("the CSRF token of an earlier session", |system| Box::pin(earlier(system))),
        Case::new("a session of another user is not found", |system| Box::pin(of_another_user(system))),
    ];
    cases.extend(ENDINGS.iter().map(|ending| {
        let name = format!("a session {}", ending.0);
        Case::new(name, move |system| async move { is_ended_by(&system, ending).await })
    }));
    cases.extend(EXPIRIES.iter().map(|(name, change)| {
        let name = format!("a session {name}");
        Case::new(name, move |system| async move { is_ended_by_time(&system, change).await })
    }));
    cases
}

async fn id_of(system: &System, browser: &Browser) -> anyhow::Result<String> {
    let list = browser.call(system, "GET", "/v1/sessions", &Value::Null).await?.expect(200)?;
    let mut sessions = list["data"].as_array().context("no list")?.iter();
    let current = sessions.find(|session| session["current"] == true).context("no current session")?;
    Ok(current["id"].as_str().context("no id")?.to_owned())
}

async fn is_ended_by(
    system: &System,
    (_, method, path, body): &(&str, &str, &str, &str),
) -> anyhow::Result<()> {
    let browser = Browser::new(system).await?;
    let other = Browser::log_in(system, &browser.email).await?;
    let path = path.replace("{id}", &id_of(system, &browser).await?);
    browser.is_logged_in(system).await?;
    let body = serde_json::from_str(&body.replace("{password}", PASSWORD)).unwrap_or_default();
    other.call(system, method, &path, &body).await?.expect(204)?;
    browser.is_logged_out(system).await?;
    other.is_logged_in(system).await
}

async fn is_ended_by_time(system: &System, change: &str) -> anyhow::Result<()> {
    let browser = Browser::new(system).await?;
    let sql = format!(
        "update sessions set {change} where kind = 'cookie' and user_id = (select id from users where email = $1)"
    );
    browser.is_logged_in(system).await?;
    let changed = system.app.db.session().await.execute(&sql, &[&browser.email]).await?;
    ensure!(changed == 1, "{changed} sessions");
    browser.is_logged_out(system).await
}

async fn logged_out(system: Arc<System>) -> anyhow::Result<()> {
    let browser = Browser::new(&system).await?;
    let other = Browser::log_in(&system, &browser.email).await?;
    let response = browser.call(&system, "POST", "/v1/auth/logout", &Value::Null).await?;
    response.expect(204)?;
    let cleared = response.header("set-cookie").context("the cookie is not cleared")?;
    ensure!(cleared.starts_with("__Host-trigrun=;") && cleared.contains("Max-Age=0"), "{cleared}");
    browser.is_logged_out(&system).await?;
    is_unauthorized(&browser.call(&system, "POST", "/v1/auth/logout", &Value::Null).await?)?;
    other.is_logged_in(&system).await
}

async fn account_deleted(system: Arc<System>) -> anyhow::Result<()> {
    let browser = Browser::new(&system).await?;
    browser.call(&system, "DELETE", "/v1/workspace", &Value::Null).await?.expect(204)?;
    browser.call(&system, "DELETE", "/v1/me", &Value::Null).await?.expect(204)?;
    browser.is_logged_out(&system).await
}

async fn earlier(system: Arc<System>) -> anyhow::Result<()> {
    let earlier = Browser::new(&system).await?;
    earlier.call(&system, "POST", "/v1/auth/logout", &Value::Null).await?.expect(204)?;
    let now = Browser::log_in(&system, &earlier.email).await?;
    let headers = [now.headers()[0].clone(), earlier.headers()[1].clone()];
    is_unauthorized(&call(system.api, "GET", "/v1/me", &headers, &Value::Null).await?)?;
    now.is_logged_in(&system).await
}

async fn of_another_user(system: Arc<System>) -> anyhow::Result<()> {
    let (victim, attacker) = (Browser::new(&system).await?, Browser::new(&system).await?);
    let end =
        async |id: &str| attacker.call(&system, "DELETE", &format!("/v1/sessions/{id}"), &Value::Null).await;
    let id = id_of(&system, &victim).await?;
    for unknown in [&*id, "ses_01h455vb4pex5vsknk084sn02q", "x"] {
        end(unknown).await?.expect_problem(404, "not_found")?;
    }
    attacker.call(&system, "DELETE", "/v1/sessions", &Value::Null).await?.expect(204)?;
    let list = attacker.call(&system, "GET", "/v1/sessions", &Value::Null).await?;
    ensure!(!list.text().contains(&id), "{}", list.text());
    victim.is_logged_in(&system).await
}
