//! Suite Q: the end of a workspace: tokens, members and ids, at once.
//!
//! What is in flight when a workspace ends is in `crates/security`, which has executors.

use anyhow::ensure;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use trigrun_testkit::raw_http::{RawResponse, request};

use super::{
    case::{Case, Suite},
    system::{PASSWORD, SCOPES, System, Tenant, text},
};

pub fn suite() -> Suite {
    let cases = vec![
        Case::new("its tokens and sessions are revoked at once, at every replica", revokes_tokens),
        Case::new("its members are members of their other workspaces only", members),
        Case::new("its ids are unknown", ids),
        Case::new("only its owner deletes it", only_the_owner),
        Case::new("twenty deletions at once are one deletion", deleted_once),
        Case::new("its owner creates another one with the same name", starts_again),
    ];
    Suite { letter: 'Q', cases }
}

async fn newcomer(system: &System) -> anyhow::Result<Tenant> {
    system.sign_up(&format!("newcomer-{}", system.number())).await
}

async fn delete(system: &System, tenant: &Tenant) -> anyhow::Result<RawResponse> {
    system.call_as(&tenant.session, "DELETE", "/v1/workspace", &Value::Null).await
}

fn job(name: &str) -> Value {
    json!({ "name": name, "kind": "recurring", "schedule": { "every_n_minutes": 1 },
        "request": { "url": "https://target.example/" } })
}

async fn only_the_owner(system: Arc<System>) -> anyhow::Result<()> {
    let (tenant, other) = (newcomer(&system).await?, newcomer(&system).await?);
    let delete = async |token: &str, more: &[String]| {
        let headers = [&[format!("authorization: Bearer {token}")], more].concat();
        request(system.api, "DELETE", "/v1/workspace", &headers, b"").await
    };
    delete("", &[]).await?.expect_problem(401, "unauthorized")?;
    delete(&tenant.token, &[]).await?.expect_problem(403, "owner_required")?;
    let named = [format!("trigrun-workspace: {}", tenant.workspace)];
    delete(&other.session, &named).await?.expect_problem(404, "not_found")?;
    system.call_as(&tenant.token, "GET", "/v1/me", &Value::Null).await?.expect(200).map(drop)
}

async fn deleted_once(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let named = format!("trigrun-workspace: {}", tenant.workspace);
    let headers = [format!("authorization: Bearer {}", tenant.session), named];
    let delete_named = || request(system.api, "DELETE", "/v1/workspace", &headers, b"");
    let responses = try_join_all((0..20).map(|_| delete_named())).await?;
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    ensure!(statuses.iter().filter(|status| **status == 204).count() == 1, "{statuses:?}");
    ensure!(statuses.iter().all(|status| [204, 404].contains(status)), "{statuses:?}");
    delete_named().await?.expect_problem(404, "not_found")?;
    delete(&system, &tenant).await?.expect_problem(403, "no_workspace")
}

async fn revokes_tokens(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let tokens = try_join_all((0..5).map(|_| system.token(&tenant.session, &SCOPES))).await?;
    let named = format!("trigrun-workspace: {}", tenant.workspace);
    let get = async |api, token: &str, more: &[String]| {
        let headers = [&[format!("authorization: Bearer {token}")], more].concat();
        request(api, "GET", "/v1/me", &headers, b"").await
    };
    for api in [system.api, system.strict_api] {
        get(api, &tenant.token, &[]).await?.expect(200)?;
        get(api, &tenant.session, &[]).await?.expect(200)?;
    }
    delete(&system, &tenant).await?.expect(204)?;
    for api in [system.api, system.strict_api] {
        for token in tokens.iter().chain([&tenant.token]) {
            get(api, token, &[]).await?.expect_problem(401, "unauthorized")?;
        }
        get(api, &tenant.session, &[]).await?.expect_problem(403, "no_workspace")?;
        get(api, &tenant.session, std::slice::from_ref(&named)).await?.expect_problem(404, "not_found")?;
    }
    let left = system.call_as(&tenant.session, "GET", "/v1/workspaces", &Value::Null).await?.expect(200)?;
    ensure!(left["data"] == json!([]), "{left}");
    Ok(())
}

async fn members(system: Arc<System>) -> anyhow::Result<()> {
    let (tenant, admin) = (newcomer(&system).await?, newcomer(&system).await?);
    system.join((&tenant.workspace, &tenant.session), &admin, "admin").await?;
    let late = system.sign_up(&format!("late-{}", system.number())).await?;
    let email = format!("later-{}@example.com", system.number());
    let mut invitations = Vec::new();
    for who in [&late.email, &email] {
        let invited = json!({ "email": who, "role": "admin" });
        let invited = system.call_as(&tenant.session, "POST", "/v1/members", &invited).await?.expect(201)?;
        invitations.push(text(&invited["invitation"])?);
    }
    delete(&system, &tenant).await?.expect(204)?;
    let accept = json!({ "invitation": invitations[0] });
    let accepted = system.call_as(&late.session, "POST", "/v1/invitations/accept", &accept).await?;
    accepted.expect_invalid("/invitation", "invitation_unknown")?;
    let sign_up = json!({ "email": email, "password": PASSWORD, "invitation": invitations[1] });
    let signed_up = system.call_as("", "POST", "/v1/auth/signup", &sign_up).await?;
    signed_up.expect_invalid("/invitation", "invitation_unknown")?;
    // The admin has one of two workspaces left.
    let me = system.call_as(&admin.session, "GET", "/v1/me", &Value::Null).await?.expect(200)?;
    ensure!(me["workspace_id"] == admin.workspace.as_str(), "{me}");
    let list = system.call_as(&admin.session, "GET", "/v1/workspaces", &Value::Null).await?.expect(200)?;
    ensure!(list["data"].as_array().map(Vec::len) == Some(1), "{list}");
    Ok(())
}

async fn ids(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let created = system.call_as(&tenant.token, "POST", "/v1/jobs", &job("old")).await?.expect(201)?;
    let job = text(&created["id"])?;
    let run = system.call_as(&tenant.token, "POST", &format!("/v1/jobs/{job}/run-now"), &Value::Null).await?;
    let run = text(&run.expect(202)?["id"])?;
    delete(&system, &tenant).await?.expect(204)?;
    for path in [
        format!("/v1/jobs/{job}"),
        format!("/v1/jobs/{job}/executions"),
        format!("/v1/jobs/{job}/ledger"),
        format!("/v1/executions/{run}"),
    ] {
        system.call("GET", &path, &Value::Null).await?.expect_problem(404, "not_found")?;
    }
    for path in [
        format!("/v1/jobs/{job}/run-now"),
        format!("/v1/jobs/{job}/resume"),
        format!("/v1/executions/{run}/replay"),
    ] {
        system.call("POST", &path, &Value::Null).await?.expect_problem(404, "not_found")?;
    }
    Ok(())
}

/// A user outlives the workspace: the e-mail address stays taken.
async fn starts_again(system: Arc<System>) -> anyhow::Result<()> {
    let tenant = newcomer(&system).await?;
    let secret = json!({ "name": "old", "value": "old" });
    system.call_as(&tenant.token, "POST", "/v1/secrets", &secret).await?.expect(201)?;
    system.call_as(&tenant.token, "POST", "/v1/jobs", &job("old")).await?.expect(201)?;
    delete(&system, &tenant).await?.expect(204)?;
    let again = json!({ "email": tenant.email, "password": PASSWORD, "workspace_name": "again" });
    system.call_as("", "POST", "/v1/auth/signup", &again).await?.expect_problem(409, "email_taken")?;
    let log_in = json!({ "email": tenant.email, "password": PASSWORD });
    let session = system.call_as("", "POST", "/v1/auth/login", &log_in).await?.expect(200)?;
    let session = text(&session["token"])?;
    let name = tenant.email.split('@').next().unwrap_or_default();
    let created =
        system.call_as(&session, "POST", "/v1/workspaces", &json!({ "name": name })).await?.expect(201)?;
    ensure!(created["id"] != tenant.workspace.as_str() && created["name"] == name, "{created}");
    for path in ["/v1/jobs", "/v1/secrets", "/v1/executions", "/v1/tokens", "/v1/notification-channels"] {
        let list = system.call_as(&session, "GET", path, &Value::Null).await?.expect(200)?;
        ensure!(list["data"] == json!([]), "{path}: {list}");
    }
    system.call_as(&session, "POST", "/v1/secrets", &secret).await?.expect(201).map(drop)
}
