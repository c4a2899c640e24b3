//! Unknown paths, invalid ids and invalid queries.

use anyhow::ensure;
use std::sync::Arc;

use super::{fixture, is_problem};
use crate::security::{case::Case, system::System};

/// Invalid ids. `{id}` is the part of a valid id after the prefix.
const INVALID_IDS: &[(&str, &str)] = &[
    ("a word", "not-an-id"),
    ("only the prefix", "{kind}_"),
    ("with another prefix", "exr_{id}"),
    ("without a prefix", "{id}"),
    ("in upper case", "{KIND}_{ID}"),
    ("with letters in upper case", "{kind}_{ID}"),
    ("one letter too short", "{kind}_{cut}"),
    ("one letter too long", "{kind}_{id}0"),
    ("too large", "{kind}_zzzzzzzzzzzzzzzzzzzzzzzzzz"),
    ("all zeros", "{kind}_00000000000000000000000000"),
    ("with letters outside its alphabet", "{kind}_0uuuuuuuuuuuuuuuuuuuuuuuuu"),
    ("a UUID", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ("with a space before it", "%20{kind}_{id}"),
    ("with a space after it", "{kind}_{id}%20"),
    ("with a line break after it", "{kind}_{id}%0a"),
    ("with NUL after it", "{kind}_{id}%00"),
    ("with a parameter", "{kind}_{id};x=1"),
    ("NUL", "%00"),
    ("not UTF-8", "%ff"),
    ("half a character", "%f0%9f"),
    ("a percent sign", "%"),
    ("half an escape", "%4"),
    ("an invalid escape", "%zz"),
    ("a slash, escaped", "..%2fjobs"),
    ("a slash, escaped twice", "..%252fjobs"),
    ("dots, escaped", "%2e%2e"),
    ("dots", ".."),
    ("a backslash", "..%5cjobs"),
    ("fullwidth digits", "%ef%bc%91"),
    ("an SQL statement", "'%20or%20'1'='1"),
    ("an asterisk", "*"),
    ("null", "null"),
    ("a negative number", "-1"),
    ("10 KB", "{10 KB}"),
];

/// Where an id or a name is part of the path.
const PLACES: &[(&str, &str, &str)] = &[
    ("GET", "/v1/jobs/{}", "job"),
    ("DELETE", "/v1/jobs/{}", "job"),
    ("POST", "/v1/jobs/{}/run-now", "job"),
    ("GET", "/v1/jobs/{}/executions", "job"),
    ("GET", "/v1/jobs/{}/notification-rules", "job"),
    ("DELETE", "/v1/jobs/{job}/notification-rules/{}", "rul"),
    ("GET", "/v1/executions/{}", "exe"),
    ("POST", "/v1/executions/{}/cancel", "exe"),
    ("GET", "/v1/notification-channels/{}", "chn"),
    ("GET", "/v1/notifications/{}", "ntf"),
    ("DELETE", "/v1/sessions/{}", "ses"),
    ("DELETE", "/v1/tokens/{}", "tok"),
    ("DELETE", "/v1/members/{}", "usr"),
    ("DELETE", "/v1/invitations/{}", "inv"),
    ("GET", "/v1/secrets/{}", "sec"),
    ("DELETE", "/v1/secrets/{}", "sec"),
];

/// Unknown paths, many of them similar to known ones.
const UNKNOWN_PATHS: &[&str] = &[
    "/v1",
    "/v1/",
    "/v1/job",
    "/V1/jobs",
    "/v1/Jobs",
    "/v2/jobs",
    "//v1/jobs",
    "/v1//jobs",
    "/v1/jobs//",
    "/v1/./jobs",
    "/v1/jobs/../jobs",
    "/v1/jobs/../../v1/jobs",
    "/v1/%2e%2e/v1/jobs",
    "/v1%2fjobs",
    "/v1\\jobs",
    "/%00",
    "/v1/jobs%00",
    "/v1/jobs%20",
    "/v1/jobs.json",
    "/v1/jobs;a=b",
    "/v1/jobs/x/y/z",
    "/.env",
    "/.git/config",
    "/metrics",
    "/debug/pprof/",
    "/actuator/env",
    "/docs/../../Cargo.toml",
    "/docs/%2e%2e/%2e%2e/etc/passwd",
    "/docs/nothing.js",
    "/openapi.json/",
];

/// Invalid queries of lists: the pointer and the code.
const QUERIES: &[(&str, &str, &str)] = &[
    ("limit=0", "?limit", "out_of_range"),
    ("limit=-1", "?limit", "out_of_range"),
    ("limit=251", "?limit", "out_of_range"),
    ("limit=abc", "?limit", "parameter_invalid"),
    ("limit=1e3", "?limit", "parameter_invalid"),
    ("limit=1.0", "?limit", "parameter_invalid"),
    ("limit=0x10", "?limit", "parameter_invalid"),
    ("limit=", "?limit", "parameter_invalid"),
    ("limit", "?limit", "parameter_invalid"),
    ("limit=+1", "?limit", "parameter_invalid"),
    ("limit=1%00", "?limit", "parameter_invalid"),
    ("limit=%ff", "?limit", "parameter_invalid"),
    ("limit=%EF%BC%91", "?limit", "parameter_invalid"),
    ("limit=9999999999999999999", "?limit", "parameter_invalid"),
    ("limit=9223372036854775807", "?limit", "out_of_range"),
    ("limit=-9223372036854775808", "?limit", "out_of_range"),
    ("limit=1&limit=1", "?limit", "parameter_twice"),
    ("limit=1&%6cimit=2", "?limit", "parameter_twice"),
    ("cursor=x&cursor=y", "?cursor", "parameter_twice"),
    ("LIMIT=1", "?LIMIT", "unknown_parameter"),
    ("limit[]=1", "?limit[]", "unknown_parameter"),
    ("nonsense=1", "?nonsense", "unknown_parameter"),
    ("nonsense", "?nonsense", "unknown_parameter"),
    ("=1", "?", "unknown_parameter"),
    ("%zz", "?%zz", "unknown_parameter"),
    ("%", "?%", "unknown_parameter"),
    ("limit=1;cursor=x", "?limit", "parameter_invalid"),
    ("limit=1?cursor=x", "?limit", "parameter_invalid"),
    ("offset=5", "?offset", "unknown_parameter"),
    ("workspace_id=ws_01h455vb4pex5vsknk084sn02q", "?workspace_id", "unknown_parameter"),
];

const LISTS: &[&str] = &[
    "/v1/jobs",
    "/v1/executions",
    "/v1/jobs/{job}/executions",
    "/v1/secrets",
    "/v1/tokens",
    "/v1/notification-channels",
    "/v1/notifications",
];

/// Invalid filters of one list.
const FILTERS: &[(&str, &str, &str)] = &[
    ("/v1/jobs?state=gone", "?state", "parameter_invalid"),
    ("/v1/jobs?state=ACTIVE", "?state", "parameter_invalid"),
    ("/v1/jobs?kind=", "?kind", "parameter_invalid"),
    ("/v1/jobs?q=a%00b", "?q", "parameter_invalid"),
    ("/v1/jobs?tag=%00", "?tag", "parameter_invalid"),
    ("/v1/executions?status=done", "?status", "parameter_invalid"),
    ("/v1/executions?source=cron", "?source", "parameter_invalid"),
    ("/v1/executions?job_id=X", "?job_id", "parameter_invalid"),
    ("/v1/executions?job_id=job_01h455vb4pex5vsknk084sn02", "?job_id", "parameter_invalid"),
    ("/v1/executions?job_name=%00", "?job_name", "parameter_invalid"),
    ("/v1/executions?from=yesterday", "?from", "instant_invalid"),
    ("/v1/executions?from=1700000000", "?from", "instant_invalid"),
    ("/v1/executions?from=2026-01-01", "?from", "instant_invalid"),
    ("/v1/executions?from=2026-01-01T00:00:00", "?from", "instant_invalid"),
    ("/v1/executions?to=2026-02-30T00:00:00Z", "?to", "instant_invalid"),
    ("/v1/executions?to=2026-01-01T00:00:00+01:00", "?to", "instant_invalid"),
    ("/v1/executions?to=10000-01-01T00:00:00Z", "?to", "instant_invalid"),
    ("/v1/jobs/{job}/ledger?from=x", "?from", "instant_invalid"),
    ("/v1/notifications?status=done", "?status", "parameter_invalid"),
    ("/v1/notifications?channel_id=x", "?channel_id", "parameter_invalid"),
    ("/v1/notifications?execution_id=x", "?execution_id", "parameter_invalid"),
];

const ID: &str = "01h455vb4pex5vsknk084sn02q";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for place in PLACES {
        for (name, id) in INVALID_IDS {
            let name = format!("{} {}: an id that is {name}", place.0, place.1);
            cases.push(Case::new(name, move |system| invalid_id(system, place, id)));
        }
    }
    for path in UNKNOWN_PATHS {
        cases.push(Case::new(format!("the path {path}"), move |system| async move {
            let response = fixture(&system).await?.send(&system, ("GET", path), &[], b"").await?;
            is_problem(&response)?;
            response.expect_problem(404, "not_found")
        }));
    }
    for list in LISTS {
        for (query, pointer, code) in QUERIES {
            cases.push(query_case(format!("{list}?{query}"), pointer, code));
        }
        let long = "a".repeat(10_240);
        cases.push(query_case(format!("{list}?limit={long}"), "?limit", "parameter_invalid"));
    }
    for (path, pointer, code) in FILTERS {
        cases.push(query_case((*path).to_owned(), pointer, code));
    }
    cases
}

fn query_case(path: String, pointer: &'static str, code: &'static str) -> Case {
    let name: String = path.chars().take(80).collect();
    Case::new(format!("the query {name}"), move |system| {
        let path = path.clone();
        async move {
            let response = fixture(&system).await?.send(&system, ("GET", &path), &[], b"").await?;
            is_problem(&response)?;
            response.expect_invalid(pointer, code)
        }
    })
}

/// The response is that to an id which does not exist.
async fn invalid_id(
    system: Arc<System>,
    (method, path, kind): &(&str, &str, &str),
    id: &str,
) -> anyhow::Result<()> {
    let id = id
        .replace("{id}", ID)
        .replace("{ID}", &ID.to_uppercase())
        .replace("{cut}", &ID[1..])
        .replace("{kind}", kind)
        .replace("{KIND}", &kind.to_uppercase())
        .replace("{10 KB}", &"a".repeat(10_240));
    let fixture = fixture(&system).await?;
    let send = async |id: &str| {
        let path = path.replace("{}", id);
        fixture.send(&system, (method, &path), &["x-request-id: test"], b"").await
    };
    let response = send(&id).await?;
    is_problem(&response)?;
    response.expect_problem(404, "not_found")?;
    let absent = if *kind == "sec" { "never-was".to_owned() } else { format!("{kind}_{ID}") };
    let absent = send(&absent).await?;
    // An id that changes the path is an unknown path, which has another text.
    if response.header("ratelimit").is_some() {
        ensure!(response.comparable() == absent.comparable(), "{} is not {}", response.text(), absent.text());
    }
    Ok(())
}
