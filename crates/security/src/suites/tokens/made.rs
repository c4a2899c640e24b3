//! No token makes one that may do more, or reaches another workspace.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{People, asks, people};
use crate::{
    case::{Case, Family},
    system::{SCOPES, System, text},
};

/// What no token can be made with, and where that is said.
const NOT_MADE: &[(&str, &str, &str, &str)] = &[
    ("no scope", r#"{"scopes": []}"#, "/scopes", "empty"),
    ("every scope at once", r#"{"scopes": ["*"]}"#, "/scopes/0", "scope_unknown"),
    ("a pattern", r#"{"scopes": ["jobs:*"]}"#, "/scopes/0", "scope_unknown"),
    ("a scope in capitals", r#"{"scopes": ["JOBS:READ"]}"#, "/scopes/0", "scope_unknown"),
    ("a scope that there is not", r#"{"scopes": ["jobs:read", "owner"]}"#, "/scopes/1", "scope_unknown"),
    ("scopes in one text", r#"{"scopes": "jobs:read"}"#, "/scopes", "wrong_type"),
    ("an end in the past", r#"{"expires_at": "2020-01-01T00:00:00Z"}"#, "/expires_at", "instant_invalid"),
    (
        "an end without an offset",
        r#"{"expires_at": "2999-01-01T00:00:00"}"#,
        "/expires_at",
        "instant_invalid",
    ),
    ("an end that is a number", r#"{"expires_at": 4102444800}"#, "/expires_at", "wrong_type"),
    ("a secret of one's own", r#"{"token": "trg_x"}"#, "/token", "unknown_field"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        asks("one that makes a token without scopes", |system| Box::pin(makes_the_same(system))),
        asks("one in another workspace", |system| Box::pin(in_another(system))),
        asks("none is shown twice", |system| Box::pin(shown_once(system))),
    ];
    for (name, fields, pointer, code) in NOT_MADE {
        cases.push(Case::asks(Family::Tokens, format!("one with {name}"), move |system| async move {
            let mut token: Value = serde_json::from_str(fields)?;
            token["name"] = json!("none");
            system.ask("POST", "/v1/tokens", &token).await?.expect_wrong(pointer, code)
        }));
    }
    for scope in SCOPES.into_iter().filter(|scope| *scope != "workspace:admin") {
        cases.push(Case::asks(
            Family::Tokens,
            format!("one that makes a token with {scope}"),
            move |system| makes_more(system, scope),
        ));
    }
    cases
}

async fn names(system: &System) -> anyhow::Result<Vec<Value>> {
    let list = system.ask("GET", "/v1/tokens?limit=250", &Value::Null).await?.expect(200)?;
    Ok(list["data"].as_array().context("no list")?.iter().map(|token| token["name"].clone()).collect())
}

async fn makes_more(system: Arc<System>, scope: &'static str) -> anyhow::Result<()> {
    let made = json!({ "name": "weak", "scopes": ["workspace:admin"] });
    let made = system.ask("POST", "/v1/tokens", &made).await?.expect(201)?;
    let (weak, name) = (text(&made["token"])?, format!("more {scope}"));
    for scopes in [json!([scope]), json!(["workspace:admin", scope])] {
        let more = json!({ "name": name, "scopes": scopes });
        system.ask_as(&weak, "POST", "/v1/tokens", &more).await?.expect_problem(403, "scope_missing")?;
    }
    ensure!(!names(&system).await?.contains(&json!(name)), "it was made");
    Ok(())
}

async fn makes_the_same(system: Arc<System>) -> anyhow::Result<()> {
    let scopes = json!(["executions:read", "workspace:admin"]);
    let weak = json!({ "name": "weak", "scopes": scopes });
    let weak = text(&system.ask("POST", "/v1/tokens", &weak).await?.expect(201)?["token"])?;
    for wanted in [json!({ "name": "same" }), json!({ "name": "same", "scopes": null })] {
        let made = system.ask_as(&weak, "POST", "/v1/tokens", &wanted).await?.expect(201)?;
        ensure!(made["scopes"] == scopes, "{}", made["scopes"]);
        let jobs = system.ask_as(&text(&made["token"])?, "GET", "/v1/jobs", &Value::Null).await?;
        jobs.expect_problem(403, "scope_missing")?;
    }
    Ok(())
}

async fn in_another(system: Arc<System>) -> anyhow::Result<()> {
    let People { ada, bob, .. } = people(&system).await?;
    let ask = async |place: &str| system.ask_in(place, &ada.token, ("GET", "/v1/jobs"), &Value::Null).await;
    ask(&ada.workspace).await?.expect(200)?;
    let never = ask("ws_01h455vb4pex5vsknk084sn02q").await?;
    never.expect_problem(404, "not_found")?;
    for place in [&*bob.workspace, "nonsense", "", "ä", &ada.workspace.to_uppercase()] {
        let reply = ask(place).await?;
        ensure!(reply.timeless() == never.timeless(), "{place}: {}", reply.text());
    }
    Ok(())
}

async fn shown_once(system: Arc<System>) -> anyhow::Result<()> {
    let made = system.ask("POST", "/v1/tokens", &json!({ "name": "siege" })).await?.expect(201)?;
    let (secret, id) = (text(&made["token"])?, text(&made["id"])?);
    let list = system.ask("GET", "/v1/tokens?limit=250", &Value::Null).await?;
    ensure!(list.text().contains(&id) && !list.text().contains("trg_"), "{}", list.text());
    let me = system.ask_as(&secret, "GET", "/v1/me", &Value::Null).await?;
    ensure!(me.text().contains(&id) && !me.text().contains("trg_"), "{}", me.text());
    Ok(())
}
