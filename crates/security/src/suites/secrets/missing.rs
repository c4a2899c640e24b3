//! A request with a secret that cannot be read is not sent: the secret is missing, belongs to another workspace, or was changed or moved in
//! the database.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use trigrun_core::domain::id::WorkspaceId;
use uuid::Uuid;

use super::{store, with_secret};
use crate::{
    case::{Case, Suite},
    system::{System, Tenant, once},
};

/// Changes of the database, by statements. `$1` is the workspace, `$2` another one, and `$3` the name of a secret in both; the first also has
/// one with `-other` after the name.
const CHANGES: &[(&str, &str)] = &[
    ("has the value of another name", "update secrets s set sealed = o.sealed from secrets o
        where s.workspace_id = $1 and s.name = $3 and o.workspace_id = $1 and o.name = $3 || '-other' and $2 <> $1"),
    ("has the value of another workspace", "update secrets s set sealed = o.sealed from secrets o
        where s.workspace_id = $1 and s.name = $3 and o.workspace_id = $2 and o.name = $3"),
    ("has another version", "update secrets set version = version + 1 where workspace_id = $1 and name = $3 and $2 <> $1"),
    ("has a changed bit", "update secrets set sealed = set_bit(sealed, 200, 1 - get_bit(sealed, 200))
        where workspace_id = $1 and name = $3 and $2 <> $1"),
    ("has a changed nonce", "update secrets set sealed = set_byte(sealed, 0, 255 - get_byte(sealed, 0))
        where workspace_id = $1 and name = $3 and $2 <> $1"),
    ("is truncated", "update secrets set sealed = substr(sealed, 1, 20) where workspace_id = $1 and name = $3 and $2 <> $1"),
    ("is empty", "update secrets set sealed = '' where workspace_id = $1 and name = $3 and $2 <> $1"),
    ("has the workspace of another", "delete from secrets where workspace_id = $1 and name = $3 and $2 <> $1;
        update secrets set workspace_id = $1 where workspace_id = $2 and name = $3"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::dialling(Suite::Secrets, "a secret that is missing", |system| async move {
            let path = path(&system);
            nothing_sent(&system, &path, run(&system, &path, "no-such-secret").await?, "secret_missing")
        }),
        Case::dialling(Suite::Secrets, "a secret that only another workspace has", |system| async move {
            let (name, path) = (format!("s{}", system.number()), path(&system));
            let other = system.sign_up(&name).await?;
            let secret = json!({ "name": name, "value": "theirs" });
            system.call_as(&other.token, "POST", "/v1/secrets", &secret).await?.expect(201)?;
            nothing_sent(&system, &path, run(&system, &path, &name).await?, "secret_missing")?;
            let mut whole = with_secret(&path, &name);
            whole["headers"] = json!({ "x-key": format!("secret://{name}") });
            nothing_sent(&system, &path, system.run(whole).await?, "secret_missing")
        }),
        Case::dialling(Suite::Secrets, "a secret that was deleted before the run", |system| async move {
            let (name, path) = (store(&system, "deleted").await?, path(&system));
            let job = super::draft(&system, with_secret(&path, &name)).await?;
            let deleted =
                system.call("DELETE", &format!("/v1/secrets/{name}?force=true"), &Value::Null).await?;
            deleted.expect(204)?;
            let resumed = system.call("POST", &format!("/v1/jobs/{job}/resume"), &Value::Null).await?;
            let ended = system.ended(&resumed.expect(200)?["execution_id"]).await?;
            nothing_sent(&system, &path, ended, "secret_missing")
        }),
    ];
    cases.push(Case::dialling(Suite::Secrets, "a workspace with the key of another", |system| async move {
        waits_for_its_key(&system).await
    }));
    for (what, statement) in CHANGES {
        let name = format!("a stored secret that {what}");
        cases.push(Case::dialling(Suite::Secrets, name, |system| changed(system, statement)));
    }
    cases
}

fn path(system: &System) -> String {
    format!("/secret/{}", system.number())
}

async fn run(system: &System, path: &str, secret: &str) -> anyhow::Result<Value> {
    system.run(with_secret(path, secret)).await
}

fn nothing_sent(system: &System, path: &str, ended: Value, class: &str) -> anyhow::Result<()> {
    ensure!(ended["status"] == "failed" && ended["error_class"] == class, "{ended}");
    ensure!(ended["attempts"][0]["status"] == "blocked", "{ended}");
    let hits = system.targets()?.plain.hits();
    ensure!(!hits.iter().any(|hit| hit.path == path), "it was sent");
    Ok(())
}

async fn changed(system: Arc<System>, statement: &str) -> anyhow::Result<()> {
    let name = format!("s{}", system.number());
    let (ours, theirs) =
        (system.sign_up(&format!("{name}-a")).await?, system.sign_up(&format!("{name}-b")).await?);
    for (tenant, name, value) in [
        (&ours, name.clone(), "ours"),
        (&ours, format!("{name}-other"), "other"),
        (&theirs, name.clone(), "theirs"),
    ] {
        let secret = json!({ "name": name, "value": value });
        system.call_as(&tenant.token, "POST", "/v1/secrets", &secret).await?.expect(201)?;
    }
    let (before, after) = (path(&system), path(&system));
    let ended = run_as(&system, &ours, &before, &name).await?;
    ensure!(ended["status"] == "succeeded", "unchanged, it cannot be used: {ended}");
    let sql = system.sql().await?;
    for statement in statement.split(';') {
        let changed = sql.execute(statement, &[&uuid(&ours)?, &uuid(&theirs)?, &name]).await?;
        ensure!(changed == 1, "{changed} rows were changed");
    }
    let ended = run_as(&system, &ours, &after, &name).await?;
    let class = ended["error_class"].as_str().context("it did not fail")?;
    ensure!(class == "secret_unreadable", "{ended}");
    let hits = system.targets()?.plain.hits();
    ensure!(!hits.iter().any(|hit| hit.path == after), "it was sent");
    Ok(())
}

async fn run_as(system: &System, tenant: &Tenant, path: &str, secret: &str) -> anyhow::Result<Value> {
    let created = system.call_as(&tenant.token, "POST", "/v1/jobs", &once(with_secret(path, secret))).await?;
    system.ended_as(&tenant.token, &created.expect(201)?["execution_id"]).await
}

fn uuid(tenant: &Tenant) -> anyhow::Result<Uuid> {
    let id: WorkspaceId =
        tenant.workspace.parse().map_err(|_| anyhow::anyhow!("not an id of a workspace"))?;
    Ok(id.uuid())
}

/// Nothing is sent, and nothing fails, until the key is the workspace's own again.
async fn waits_for_its_key(system: &System) -> anyhow::Result<()> {
    let name = format!("s{}", system.number());
    let (ours, theirs) =
        (system.sign_up(&format!("{name}-a")).await?, system.sign_up(&format!("{name}-b")).await?);
    for (tenant, value) in [(&ours, "ours"), (&theirs, "theirs")] {
        let secret = json!({ "name": name, "value": value });
        system.call_as(&tenant.token, "POST", "/v1/secrets", &secret).await?.expect(201)?;
    }
    let sql = system.sql().await?;
    let (ours_id, theirs_id) = (uuid(&ours)?, uuid(&theirs)?);
    let own = "select wrapped from workspace_keys where workspace_id = $1";
    let own: Vec<u8> = sql.query_one(own, &[&ours_id]).await?.get(0);
    let swap = "update workspace_keys k set wrapped = o.wrapped from workspace_keys o
        where k.workspace_id = $1 and o.workspace_id = $2";
    ensure!(sql.execute(swap, &[&ours_id, &theirs_id]).await? == 1, "no key was changed");
    let path = path(system);
    let created = system.call_as(&ours.token, "POST", "/v1/jobs", &once(with_secret(&path, &name))).await?;
    let execution = created.expect(201)?["execution_id"].clone();
    let show = format!("/v1/executions/{}", execution.as_str().context("no execution")?);
    loop {
        let shown = system.call_as(&ours.token, "GET", &show, &Value::Null).await?.expect(200)?;
        ensure!(["queued", "running"].contains(&shown["status"].as_str().unwrap_or_default()), "{shown}");
        if shown["status"] == "running" {
            break;
        }
        tokio::task::yield_now().await;
    }
    ensure!(!system.targets()?.plain.hits().iter().any(|hit| hit.path == path), "it was sent");
    let restore = "update workspace_keys set wrapped = $2 where workspace_id = $1";
    ensure!(sql.execute(restore, &[&ours_id, &own]).await? == 1, "no key was restored");
    let ended = system.ended_as(&ours.token, &execution).await?;
    ensure!(ended["status"] == "succeeded", "{ended}");
    Ok(())
}
