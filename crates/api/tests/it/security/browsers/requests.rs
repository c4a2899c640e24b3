//! Requests with a cookie that does not count, and those with one that does.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use trigrun_core::{
    crypto::{self, csrf},
    domain::access::{TokenKind, TokenSecret},
};

use super::{Browser, COOKIE, call, is_unauthorized};
use crate::security::{case::Case, system::System};

/// Header lines for which `GET /v1/me` is 401. `{cookie}` is the cookie of a session, `{csrf}` its CSRF token, `{secret}` its value, `{of
/// other}` the CSRF token of another session, `{token}` an API token, `{bearer}` a session that is no cookie, `{unknown}` a well-formed
/// secret; `{csrf of …}` what would be their CSRF tokens; `{host}` this server.
const REFUSED: &[(&str, &[&str])] = &[
    ("the cookie without the header", &["cookie: {cookie}"]),
    ("the header without the cookie", &["trigrun-csrf: {csrf}"]),
    ("the header of another session", &["cookie: {cookie}", "trigrun-csrf: {of other}"]),
    ("an empty header", &["cookie: {cookie}", "trigrun-csrf:"]),
    ("the secret as the header", &["cookie: {cookie}", "trigrun-csrf: {secret}"]),
    ("a header that is longer", &["cookie: {cookie}", "trigrun-csrf: {csrf}A"]),
    ("the header with padding", &["cookie: {cookie}", "trigrun-csrf: {csrf}="]),
    ("the header in quotes", &["cookie: {cookie}", "trigrun-csrf: \"{csrf}\""]),
    ("the header twice", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "trigrun-csrf: {csrf}"]),
    ("two headers, one right", &["cookie: {cookie}", "trigrun-csrf: x", "trigrun-csrf: {csrf}"]),
    ("two tokens in one header", &["cookie: {cookie}", "trigrun-csrf: {csrf}, {csrf}"]),
    ("the CSRF token as a cookie", &["cookie: {cookie}; trigrun-csrf={csrf}"]),
    ("another header", &["cookie: {cookie}", "x-csrf-token: {csrf}"]),
    ("from another site", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "sec-fetch-site: cross-site"]),
    ("from a subdomain", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "sec-fetch-site: same-site"]),
    ("from no page", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "sec-fetch-site: none"]),
    ("from an empty site", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "sec-fetch-site:"]),
    ("from an unknown kind of site", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "sec-fetch-site: new"]),
    ("the site in capitals", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "sec-fetch-site: Same-Origin"]),
    (
        "from two kinds of sites",
        &["cookie: {cookie}", "trigrun-csrf: {csrf}", "sec-fetch-site: same-origin", "sec-fetch-site: none"],
    ),
    ("a foreign origin", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "origin: https://evil.example"]),
    ("the origin null", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "origin: null"]),
    ("an empty origin", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "origin:"]),
    (
        "the origin with another port",
        &["cookie: {cookie}", "trigrun-csrf: {csrf}", "origin: https://127.0.0.1:1"],
    ),
    (
        "the origin as a prefix",
        &["cookie: {cookie}", "trigrun-csrf: {csrf}", "origin: https://{host}.evil.example"],
    ),
    ("the origin with a user", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "origin: https://x@{host}"]),
    (
        "two origins, one own",
        &[
            "cookie: {cookie}",
            "trigrun-csrf: {csrf}",
            "origin: https://{host}",
            "origin: https://evil.example",
        ],
    ),
    (
        "a foreign origin that says it is the same",
        &[
            "cookie: {cookie}",
            "trigrun-csrf: {csrf}",
            "origin: https://evil.example",
            "sec-fetch-site: same-origin",
        ],
    ),
    ("an invalid token too", &["authorization: Bearer x", "cookie: {cookie}", "trigrun-csrf: {csrf}"]),
    ("an empty authorization too", &["authorization:", "cookie: {cookie}", "trigrun-csrf: {csrf}"]),
    ("a basic authorization too", &["authorization: Basic dTpw", "cookie: {cookie}", "trigrun-csrf: {csrf}"]),
    ("the cookie's secret as a token", &["authorization: Bearer {secret}"]),
    (
        "the cookie's secret as a token, with all else",
        &["authorization: Bearer {secret}", "cookie: {cookie}", "trigrun-csrf: {csrf}"],
    ),
    ("a session's token as a cookie", &["cookie: {name}={bearer}", "trigrun-csrf: {csrf of bearer}"]),
    ("an API token as a cookie", &["cookie: {name}={token}", "trigrun-csrf: {csrf of token}"]),
    ("an unknown secret", &["cookie: {name}={unknown}", "trigrun-csrf: {csrf of unknown}"]),
    ("the cookie of plain HTTP", &["cookie: trigrun={secret}", "trigrun-csrf: {csrf}"]),
    ("the cookie with another prefix", &["cookie: __Secure-trigrun={secret}", "trigrun-csrf: {csrf}"]),
    ("the name in lower case", &["cookie: __host-trigrun={secret}", "trigrun-csrf: {csrf}"]),
    ("the cookie inside another one", &["cookie: a=\"{cookie}\"", "trigrun-csrf: {csrf}"]),
    ("the cookie in quotes", &["cookie: {name}=\"{secret}\"", "trigrun-csrf: {csrf}"]),
    ("a comma in place of a semicolon", &["cookie: a=b, {cookie}", "trigrun-csrf: {csrf}"]),
    ("an empty cookie", &["cookie: {name}=", "trigrun-csrf: {csrf}"]),
    ("the cookie cut off", &["cookie: {cookie cut off}", "trigrun-csrf: {csrf}"]),
    ("the cookie twice", &["cookie: {cookie}; {cookie}", "trigrun-csrf: {csrf}"]),
    ("another cookie first", &["cookie: {name}=x; {cookie}", "trigrun-csrf: {csrf}"]),
    ("another cookie last", &["cookie: {cookie}; {name}={unknown}", "trigrun-csrf: {csrf}"]),
    ("two headers with cookies", &["cookie: {cookie}", "cookie: {cookie}", "trigrun-csrf: {csrf}"]),
    ("a cookie of 50 KB", &["cookie: {name}={50 KB}", "trigrun-csrf: {csrf}"]),
    (
        "the cookie in the query of another header",
        &["referer: https://{host}/?{cookie}", "trigrun-csrf: {csrf}"],
    ),
];

/// Those for which it is 200.
const ACCEPTED: &[(&str, &[&str])] = &[
    ("the cookie with the header", &["cookie: {cookie}", "trigrun-csrf: {csrf}"]),
    ("a page of this server", &["cookie: {cookie}", "trigrun-csrf: {csrf}", "sec-fetch-site: same-origin"]),
    ("the origin of this server", &["cookie: {cookie}", "TrigRun-CSRF: {csrf}", "origin: https://{host}"]),
    ("the cookie among others", &["cookie: a=b;{cookie};c", "trigrun-csrf: {csrf}"]),
    ("the cookie in the second header", &["cookie: a=b", "cookie: {cookie}", "trigrun-csrf: {csrf}"]),
    ("50 KB of other cookies", &["cookie: a={50 KB}; {cookie}", "trigrun-csrf: {csrf}"]),
    ("an API token, and a cookie alone", &["authorization: Bearer {token}", "cookie: {cookie}"]),
    (
        "an API token of another site, and a cookie",
        &[
            "authorization: Bearer {token}",
            "cookie: {cookie}",
            "sec-fetch-site: cross-site",
            "origin: https://evil.example",
        ],
    ),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("both credentials: the token counts", |system| Box::pin(both(system))),
        Case::new("a cookie that is larger than a head may be", |system| Box::pin(too_large(system))),
        Case::new("no page of another origin may send the cookie", |system| Box::pin(preflight(system))),
    ];
    for (status, rows) in [(401, REFUSED), (200, ACCEPTED)] {
        cases.extend(rows.iter().map(|(name, lines)| {
            Case::new(*name, move |system| async move { is_answered(&system, lines, status).await })
        }));
    }
    let document: Value = serde_json::from_str(trigrun_api::openapi::json()).unwrap_or_default();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let needs_credentials = operation["security"].as_array().is_some_and(|all| !all.is_empty());
            let (method, path, id) = (method.to_uppercase(), path.clone(), operation["operationId"].clone());
            if needs_credentials {
                let name = format!("{} with the cookie alone", id.as_str().unwrap_or_default());
                cases.push(Case::new(name, move |system| {
                    cookie_alone(system, method.clone(), path.clone(), id == "get_session")
                }));
            }
        }
    }
    cases
}

/// A user with two browsers and a session that is no cookie.
pub struct Sessions {
    browser: Browser,
    other: Browser,
    bearer: String,
}

async fn sessions(system: &System) -> anyhow::Result<&Sessions> {
    let create = async || {
        let user = system.sign_up("ada.browsers").await?;
        let (browser, other) =
            (Browser::log_in(system, &user.email).await?, Browser::log_in(system, &user.email).await?);
        anyhow::Ok(Sessions { browser, other, bearer: user.session })
    };
    system.sessions.get_or_try_init(create).await
}

async fn is_answered(system: &System, lines: &[&str], status: u16) -> anyhow::Result<()> {
    let Sessions { browser, other, bearer } = sessions(system).await?;
    let unknown = crypto::new_token(TokenKind::Session).ok().context("no randomness")?;
    let token = &system.tenant().token;
    let csrf_of =
        |secret: &str| secret.parse::<TokenSecret>().map(|secret| csrf::token(&secret)).unwrap_or_default();
    let cookie = format!("{COOKIE}={}", browser.secret);
    let fill = |line: &&str| {
        line.replace("{cookie cut off}", &cookie[..cookie.len() - 1])
            .replace("{cookie}", &cookie)
            .replace("{name}", COOKIE)
            .replace("{csrf}", &browser.csrf)
            .replace("{secret}", &browser.secret)
            .replace("{of other}", &other.csrf)
            .replace("{token}", token)
            .replace("{csrf of token}", &csrf_of(token))
            .replace("{bearer}", bearer)
            .replace("{csrf of bearer}", &csrf_of(bearer))
            .replace("{unknown}", unknown.reveal())
            .replace("{csrf of unknown}", &csrf::token(&unknown))
            .replace("{host}", &system.api.to_string())
            .replace("{50 KB}", &"a".repeat(51_200))
    };
    let lines: Vec<String> = lines.iter().map(fill).collect();
    let response = call(system.api, "GET", "/v1/me", &lines, &Value::Null).await?;
    ensure!(!response.text().contains(&browser.secret), "it repeats the secret: {}", response.text());
    if status == 401 {
        return is_unauthorized(&response);
    }
    response.expect(status).map(drop)
}

async fn both(system: Arc<System>) -> anyhow::Result<()> {
    let Sessions { browser, .. } = sessions(&system).await?;
    let token = format!("authorization: Bearer {}", system.tenant().token);
    let headers = [&[token][..], &browser.headers()].concat();
    let me = call(system.api, "GET", "/v1/me", &headers, &Value::Null).await?.expect(200)?;
    ensure!(me["user"].is_null() && me["workspace_id"] == system.tenant().workspace, "{me}");
    let session = call(system.api, "GET", "/v1/auth/session", &headers, &Value::Null).await?;
    session.expect_problem(403, "session_required")
}

async fn too_large(system: Arc<System>) -> anyhow::Result<()> {
    let Sessions { browser, .. } = sessions(&system).await?;
    let [cookie, csrf] = browser.headers();
    let headers = [format!("{cookie}; a={}", "a".repeat(300_000)), csrf];
    // The server may close the connection before all is sent.
    if let Ok(response) = call(system.api, "GET", "/v1/me", &headers, &Value::Null).await {
        ensure!([400, 431].contains(&response.status), "{}", response.head);
    }
    browser.is_logged_in(&system).await
}

async fn preflight(system: Arc<System>) -> anyhow::Result<()> {
    for origin in ["https://evil.example", "null", &format!("https://{}", system.api)] {
        let headers = [
            format!("origin: {origin}"),
            "access-control-request-method: GET".to_owned(),
            "access-control-request-headers: trigrun-csrf".to_owned(),
        ];
        let response = call(system.api, "OPTIONS", "/v1/me", &headers, &Value::Null).await?;
        ensure!(!response.head.to_lowercase().contains("access-control-allow"), "{}", response.head);
    }
    Ok(())
}

async fn cookie_alone(
    system: Arc<System>,
    method: String,
    path: String,
    is_open: bool,
) -> anyhow::Result<()> {
    let Sessions { browser, .. } = sessions(&system).await?;
    let path: String = path
        .split('/')
        .map(|part| if part.starts_with('{') { "x" } else { part })
        .collect::<Vec<_>>()
        .join("/");
    let headers = [browser.headers()[0].clone(), "sec-fetch-site: same-origin".to_owned()];
    let body = if method == "GET" { Value::Null } else { json!({}) };
    let response = call(system.api, &method, &path, &headers, &body).await?;
    if is_open {
        let session = response.expect(200)?;
        ensure!(session["csrf"] == browser.csrf, "{session}");
        return Ok(());
    }
    is_unauthorized(&response)?;
    // Not at the replica with strict limits: all of these cases share one user.
    call(system.api, "GET", "/v1/me", &browser.headers(), &Value::Null).await?.expect(200).map(drop)
}
