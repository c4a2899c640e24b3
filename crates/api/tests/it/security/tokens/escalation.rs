//! A token cannot create one with more scopes, or reach another workspace.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{Users, users};
use crate::security::{
    case::Case,
    system::{SCOPES, System, text},
};

/// Invalid fields of a new token: the pointer and the code.
const INVALID: &[(&str, &str, &str, &str)] = &[
    ("no scope", r#"{"scopes": []}"#, "/scopes", "empty"),
    ("a wildcard", r#"{"scopes": ["*"]}"#, "/scopes/0", "scope_unknown"),
    ("a pattern", r#"{"scopes": ["jobs:*"]}"#, "/scopes/0", "scope_unknown"),
    ("a scope in upper case", r#"{"scopes": ["JOBS:READ"]}"#, "/scopes/0", "scope_unknown"),
    ("an unknown scope", r#"{"scopes": ["jobs:read", "owner"]}"#, "/scopes/1", "scope_unknown"),
    ("scopes in one string", r#"{"scopes": "jobs:read"}"#, "/scopes", "wrong_type"),
    ("an expiry in the past", r#"{"expires_at": "2020-01-01T00:00:00Z"}"#, "/expires_at", "instant_invalid"),
    (
        "an expiry without an offset",
        r#"{"expires_at": "2999-01-01T00:00:00"}"#,
        "/expires_at",
        "instant_invalid",
    ),
    ("an expiry that is a number", r#"{"expires_at": 4102444800}"#, "/expires_at", "wrong_type"),
    ("a secret chosen by the client", r#"{"token": "trg_x"}"#, "/token", "unknown_field"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("one that creates a token without scopes", |system| Box::pin(inherits_scopes(system))),
        Case::new("one in another workspace", |system| Box::pin(in_another_workspace(system))),
        Case::new("a secret is shown once", |system| Box::pin(shown_once(system))),
    ];
    for (name, fields, pointer, code) in INVALID {
        cases.push(Case::new(format!("one with {name}"), move |system| async move {
            let mut token: Value = serde_json::from_str(fields)?;
            token["name"] = json!("invalid");
            system.call("POST", "/v1/tokens", &token).await?.expect_invalid(pointer, code)
        }));
    }
    for scope in SCOPES.into_iter().filter(|scope| *scope != "workspace:admin") {
        cases.push(Case::new(format!("one that creates a token with {scope}"), move |system| {
            adds_a_scope(system, scope)
        }));
    }
    cases
}

async fn names(system: &System) -> anyhow::Result<Vec<Value>> {
    let list = system.call("GET", "/v1/tokens?limit=250", &Value::Null).await?.expect(200)?;
    Ok(list["data"].as_array().context("no list")?.iter().map(|token| token["name"].clone()).collect())
}

async fn adds_a_scope(system: Arc<System>, scope: &'static str) -> anyhow::Result<()> {
    let body = json!({ "name": "weak", "scopes": ["workspace:admin"] });
    let created = system.call("POST", "/v1/tokens", &body).await?.expect(201)?;
    let (weak, name) = (text(&created["token"])?, format!("more {scope}"));
    for scopes in [json!([scope]), json!(["workspace:admin", scope])] {
        let more = json!({ "name": name, "scopes": scopes });
        system.call_as(&weak, "POST", "/v1/tokens", &more).await?.expect_problem(403, "scope_missing")?;
    }
    ensure!(!names(&system).await?.contains(&json!(name)), "it was created");
    Ok(())
}

async fn inherits_scopes(system: Arc<System>) -> anyhow::Result<()> {
    let scopes = json!(["executions:read", "workspace:admin"]);
    let weak = json!({ "name": "weak", "scopes": scopes });
    let weak = text(&system.call("POST", "/v1/tokens", &weak).await?.expect(201)?["token"])?;
    for body in [json!({ "name": "same" }), json!({ "name": "same", "scopes": null })] {
        let created = system.call_as(&weak, "POST", "/v1/tokens", &body).await?.expect(201)?;
        ensure!(created["scopes"] == scopes, "{}", created["scopes"]);
        let jobs = system.call_as(&text(&created["token"])?, "GET", "/v1/jobs", &Value::Null).await?;
        jobs.expect_problem(403, "scope_missing")?;
    }
    Ok(())
}

async fn in_another_workspace(system: Arc<System>) -> anyhow::Result<()> {
    let Users { ada, bob, .. } = users(&system).await?;
    let list = async |workspace: &str| {
        system.call_in(workspace, &ada.token, ("GET", "/v1/jobs"), &Value::Null).await
    };
    list(&ada.workspace).await?.expect(200)?;
    let absent = list("ws_01h455vb4pex5vsknk084sn02q").await?;
    absent.expect_problem(404, "not_found")?;
    for workspace in [&*bob.workspace, "nonsense", "", "ä", &ada.workspace.to_uppercase()] {
        let response = list(workspace).await?;
        ensure!(response.comparable() == absent.comparable(), "{workspace}: {}", response.text());
    }
    Ok(())
}

async fn shown_once(system: Arc<System>) -> anyhow::Result<()> {
    let created = system.call("POST", "/v1/tokens", &json!({ "name": "test" })).await?.expect(201)?;
    let (secret, id) = (text(&created["token"])?, text(&created["id"])?);
    let list = system.call("GET", "/v1/tokens?limit=250", &Value::Null).await?;
    ensure!(list.text().contains(&id) && !list.text().contains("trg_"), "{}", list.text());
    let me = system.call_as(&secret, "GET", "/v1/me", &Value::Null).await?;
    ensure!(me.text().contains(&id) && !me.text().contains("trg_"), "{}", me.text());
    Ok(())
}
