//! Methods that a path does not have, and conditions that are none.

use anyhow::ensure;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

use super::{ground, refused};
use crate::{
    case::{Case, Family},
    system::System,
};

const DOCUMENT: &str = include_str!("../../../../../docs/openapi.json");

const METHODS: &[&str] = &[
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "BREW",
    "get",
    "G",
    "__PROTO__",
];

/// What `If-Match` may hold that no job is.
const CONDITIONS: &[(&str, u16, &str)] = &[
    ("", 422, "validation_failed"),
    ("nonsense", 422, "validation_failed"),
    ("1", 422, "validation_failed"),
    ("\"1", 422, "validation_failed"),
    ("ä", 422, "validation_failed"),
    ("\"999\"", 412, "version_mismatch"),
    ("\"0\"", 412, "version_mismatch"),
    ("\"-1\"", 412, "version_mismatch"),
    ("\"99999999999999999999\"", 412, "version_mismatch"),
    ("W/\"1\"", 412, "version_mismatch"),
];

pub fn cases() -> Vec<Case> {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    let mut cases = Vec::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        let allowed: BTreeSet<String> =
            operations.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase()).collect();
        // By these, `import` is the id of a job, and `accept` that of an invitation.
        let of_an_id = |method: &str| match path.as_str() {
            "/v1/jobs/import" => ["GET", "PATCH", "DELETE"].contains(&method),
            "/v1/invitations/accept" => method == "DELETE",
            _ => false,
        };
        for method in
            METHODS.iter().filter(|method| !of_an_id(method)).filter(|method| !allowed.contains(**method))
        {
            let (path, allowed) = (path.clone(), allowed.clone());
            cases.push(Case::asks(Family::Malformed, format!("{method} {path}"), move |system| {
                refuses(system, method, path.clone(), allowed.clone())
            }));
        }
    }
    for (condition, status, code) in CONDITIONS {
        cases.push(Case::asks(
            Family::Malformed,
            format!("If-Match: {condition}"),
            move |system| async move {
                let headers = ["content-type: application/json", &format!("if-match: {condition}")];
                let change = br#"{"name": "changed"}"#;
                let ground = ground(&system).await?;
                let reply = ground.send(&system, ("PATCH", "/v1/jobs/{job}"), &headers, change).await?;
                refused(&reply)?;
                reply.expect_problem(*status, code)?;
                let job = ground.send(&system, ("GET", "/v1/jobs/{job}"), &[], b"").await?.expect(200)?;
                ensure!(job["version"] == 1, "it was changed: {job}");
                Ok(())
            },
        ));
    }
    cases.push(Case::asks(Family::Malformed, "HEAD", |system| async move {
        for (path, status) in [("/livez", 200), ("/readyz", 200), ("/v1/jobs", 405), ("/v1/nothing", 404)] {
            let reply = ground(&system).await?.send(&system, ("HEAD", path), &[], b"").await?;
            ensure!(
                reply.status == status && reply.body.is_empty(),
                "{path}: {} {}",
                reply.head,
                reply.text()
            );
        }
        Ok(())
    }));
    cases
}

async fn refuses(
    system: Arc<System>,
    method: &str,
    path: String,
    allowed: BTreeSet<String>,
) -> anyhow::Result<()> {
    let path = path.replace("{id}", "job_01h455vb4pex5vsknk084sn02q").replace("{name}", "never-was");
    let path = path.replace("{rule_id}", "rul_01h455vb4pex5vsknk084sn02q");
    let reply = ground(&system).await?.send(&system, (method, &path), &[], b"").await?;
    refused(&reply)?;
    reply.expect_problem(405, "method_not_allowed")?;
    let said = reply.header("allow").unwrap_or_default().split(", ").map(str::to_owned).collect();
    ensure!(allowed == said, "{allowed:?} was expected, {said:?} came");
    // TRACE would send back what it was sent.
    ensure!(!reply.text().contains("trs_"), "it repeats the token: {}", reply.text());
    Ok(())
}
