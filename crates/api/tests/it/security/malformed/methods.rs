//! Methods that a path does not have, and invalid conditions.

use anyhow::ensure;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

use super::{fixture, is_problem};
use crate::security::{case::Case, system::System};

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

/// `If-Match` with invalid values, and with versions that the job does not have.
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
    let document: Value = serde_json::from_str(trigrun_api::openapi::json()).unwrap_or_default();
    let mut cases = Vec::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        let mut allowed: BTreeSet<String> =
            operations.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase()).collect();
        if allowed.contains("GET") {
            allowed.insert("HEAD".to_owned());
        }
        // With these methods, a word such as `import` is the key of a job, which none has, and `accept` the id of an invitation.
        let is_an_id = |method: &str| match path.as_str() {
            path if path.strip_prefix("/v1/jobs/").is_some_and(|word| !word.contains(['{', '/'])) => {
                ["GET", "PUT", "PATCH", "DELETE"].contains(&method)
            }
            "/v1/executions/bulk" => method == "GET",
            "/v1/invitations/accept" => method == "DELETE",
            _ => false,
        };
        for method in
            METHODS.iter().filter(|method| !is_an_id(method)).filter(|method| !allowed.contains(**method))
        {
            let (path, allowed) = (path.clone(), allowed.clone());
            cases.push(Case::new(format!("{method} {path}"), move |system| {
                is_refused(system, method, path.clone(), allowed.clone())
            }));
        }
    }
    for (condition, status, code) in CONDITIONS {
        cases.push(Case::new(format!("If-Match: {condition}"), move |system| async move {
            let headers = ["content-type: application/json", &format!("if-match: {condition}")];
            let change = br#"{"name": "changed"}"#;
            let fixture = fixture(&system).await?;
            let response = fixture.send(&system, ("PATCH", "/v1/jobs/{job}"), &headers, change).await?;
            is_problem(&response)?;
            response.expect_problem(*status, code)?;
            if *status == 422 {
                response.expect_invalid("If-Match", "etag_invalid")?;
            }
            let job = fixture.send(&system, ("GET", "/v1/jobs/{job}"), &[], b"").await?.expect(200)?;
            ensure!(job["version"] == 1, "it was changed: {job}");
            Ok(())
        }));
    }
    cases.push(Case::new("HEAD", |system| async move {
        for (path, status) in [
            ("/livez", 200),
            ("/readyz", 200),
            ("/v1/jobs", 200),
            ("/v1/jobs/{job}", 200),
            ("/v1/jobs/{job}/pause", 405),
            ("/v1/nothing", 404),
        ] {
            let response = fixture(&system).await?.send(&system, ("HEAD", path), &[], b"").await?;
            ensure!(
                response.status == status && response.body.is_empty(),
                "{path}: {} {}",
                response.head,
                response.text()
            );
        }
        Ok(())
    }));
    cases
}

async fn is_refused(
    system: Arc<System>,
    method: &str,
    path: String,
    allowed: BTreeSet<String>,
) -> anyhow::Result<()> {
    let path = path.replace("{id}", "job_01h455vb4pex5vsknk084sn02q").replace("{name}", "never-was");
    let path = path.replace("{code}", "not_found").replace("{page}", "quickstart");
    let path = path.replace("{rule_id}", "rul_01h455vb4pex5vsknk084sn02q");
    let response = fixture(&system).await?.send(&system, (method, &path), &[], b"").await?;
    is_problem(&response)?;
    response.expect_problem(405, "method_not_allowed")?;
    let listed = response.header("allow").unwrap_or_default().split(", ").map(str::to_owned).collect();
    ensure!(allowed == listed, "expected {allowed:?}, got {listed:?}");
    // TRACE returns the request (RFC 9110 §9.3.8).
    ensure!(!response.text().contains("trs_"), "it repeats the token: {}", response.text());
    Ok(())
}
