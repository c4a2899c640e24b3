//! Requests without a token, or with an invalid one, are not authorised.

use anyhow::{Context, ensure};
use serde_json::json;
use std::sync::Arc;
use trigrun_core::{crypto, domain::access::TokenKind};

use super::{Users, get_with, is_unauthorized, users};
use crate::security::{case::Case, system::System};

/// Header lines that do not authorise. `{token}` is a valid token, `{rest}` what follows its `trg_`, `{typo}` the token with another last
/// letter, `{unknown}` a well-formed token, `{invitation}` an invitation. All of a group get the same response.
const INVALID: &[(&str, &[(&str, &str)])] = &[
    (
        "missing",
        &[
            ("no header", ""),
            ("the same header twice", "authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
            ("two headers, the first valid", "authorization: Bearer {token}\r\nauthorization: Bearer x\r\n"),
            (
                "two headers, the second valid",
                "authorization: Basic dTpw\r\nAuthorization: Bearer {token}\r\n",
            ),
            ("an API key", "x-api-key: {token}\r\n"),
            ("a cookie", "cookie: token={token}; authorization=Bearer {token}\r\n"),
            ("for a proxy", "proxy-authorization: Bearer {token}\r\n"),
        ],
    ),
    (
        "not a bearer token",
        &[
            ("an empty header", "authorization:\r\n"),
            ("only Bearer", "authorization: Bearer\r\n"),
            ("only Bearer and spaces", "authorization: Bearer    \r\n"),
            ("only the token", "authorization: {token}\r\n"),
            ("Basic", "authorization: Basic dXNlcjpwYXNz\r\n"),
            ("Basic with the token", "authorization: Basic {token}\r\n"),
            ("Token", "authorization: Token {token}\r\n"),
            ("Bearer with a colon", "authorization: Bearer: {token}\r\n"),
            ("Bearer with a tab", "authorization: Bearer\t{token}\r\n"),
            ("letters that are not ASCII", "authorization: Bearer trg_ääääääääääääääääää\r\n"),
            ("Bearer without a space", "authorization: Bearer{token}\r\n"),
        ],
    ),
    (
        "mistyped",
        &[
            ("nonsense", "authorization: Bearer x\r\n"),
            ("another last letter", "authorization: Bearer {typo}\r\n"),
            ("one letter too long", "authorization: Bearer {token}0\r\n"),
            ("without a prefix", "authorization: Bearer {rest}\r\n"),
            ("with an unknown prefix", "authorization: Bearer trx_{rest}\r\n"),
            ("in quotes", "authorization: Bearer \"{token}\"\r\n"),
            ("two in one header", "authorization: Bearer {token} {token}\r\n"),
            ("two with a comma", "authorization: Bearer {token}, Bearer {token}\r\n"),
            (
                "zeros with a wrong checksum",
                "authorization: Bearer trg_000000000000000000000000000000000000\r\n",
            ),
            ("10 KB", "authorization: Bearer trg_{10 KB}\r\n"),
            ("a percent sign", "authorization: Bearer trg%5F{rest}\r\n"),
            ("an id of a token", "authorization: Bearer tok_01h455vb4pex5vsknk084sn02q\r\n"),
            ("its hash", "authorization: Bearer {hash}\r\n"),
            ("an SQL statement", "authorization: Bearer trg_' or 1=1 --\r\n"),
        ],
    ),
    (
        "unknown",
        &[
            ("well-formed", "authorization: Bearer {unknown}\r\n"),
            ("a token as a session", "authorization: Bearer trs_{rest}\r\n"),
            ("a token as an invitation", "authorization: Bearer tri_{rest}\r\n"),
            ("a session as a token", "authorization: Bearer trg_{rest of session}\r\n"),
            ("an invitation", "authorization: Bearer {invitation}\r\n"),
        ],
    ),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("a valid token, however Bearer is written", |system| Box::pin(valid(system))),
        Case::new("bytes that are not text", |system| Box::pin(not_text(system))),
        Case::new("in the query", |system| Box::pin(elsewhere(system, "query"))),
        Case::new("in a body", |system| Box::pin(elsewhere(system, "body"))),
    ];
    for (kind, lines) in INVALID {
        let like = lines[0].1;
        for (name, line) in *lines {
            cases.push(Case::new(format!("{kind}: {name}"), move |system| async move {
                is_refused(&system, line, like).await
            }));
        }
    }
    cases
}

async fn is_refused(system: &System, line: &str, like: &str) -> anyhow::Result<()> {
    let Users { ada, invitation, .. } = users(system).await?;
    let unknown = crypto::new_token(TokenKind::Api).ok().context("no randomness")?;
    let typo =
        format!("{}{}", &ada.token[..ada.token.len() - 1], if ada.token.ends_with('0') { 1 } else { 0 });
    let (rest, session) = (&ada.token[4..], &ada.session[4..]);
    let hash = system
        .app
        .db
        .session()
        .await
        .query_one("select encode(hash, 'hex') from tokens limit 1", &[])
        .await?;
    let fill = |line: &str| {
        line.replace("{token}", &ada.token)
            .replace("{rest}", rest)
            .replace("{rest of session}", session)
            .replace("{typo}", &typo)
            .replace("{unknown}", unknown.reveal())
            .replace("{invitation}", invitation)
            .replace("{hash}", hash.get(0))
            .replace("{10 KB}", &"a".repeat(10_240))
    };
    let response = get_with(system.api, "/v1/jobs", fill(line).as_bytes()).await?;
    is_unauthorized(&response)?;
    ensure!(!response.text().contains(rest), "it repeats the token: {}", response.text());
    let like = get_with(system.api, "/v1/jobs", fill(like).as_bytes()).await?;
    ensure!(
        response.comparable() == like.comparable(),
        "{:?} is not {:?}",
        response.comparable(),
        like.comparable()
    );
    Ok(())
}

async fn valid(system: Arc<System>) -> anyhow::Result<()> {
    let token = &users(&system).await?.ada.token;
    for line in
        ["authorization: Bearer {}\r\n", "Authorization: bearer {}\r\n", "AUTHORIZATION: BEARER  {}\r\n"]
    {
        for api in [system.api, system.strict_api] {
            get_with(api, "/v1/jobs", line.replace("{}", token).as_bytes()).await?.expect(200)?;
        }
    }
    Ok(())
}

async fn not_text(system: Arc<System>) -> anyhow::Result<()> {
    for bytes in [&b"\xff\xfe"[..], b"\xc3", b"trg_\x80", b"\xed\xa0\x80"] {
        let line = [b"authorization: Bearer ", bytes, b"\r\n"].concat();
        is_unauthorized(&get_with(system.api, "/v1/jobs", &line).await?)?;
    }
    Ok(())
}

async fn elsewhere(system: Arc<System>, place: &str) -> anyhow::Result<()> {
    let token = &users(&system).await?.ada.token;
    for name in ["token", "access_token", "authorization", "api_key"] {
        let response = if place == "query" {
            get_with(system.api, &format!("/v1/jobs?{name}={token}"), b"").await?
        } else {
            system
                .call_as("", "POST", "/v1/schedules/preview", &json!({ name: token, "kind": "one_time" }))
                .await?
        };
        is_unauthorized(&response)?;
        ensure!(!response.text().contains(token), "it repeats the token");
    }
    Ok(())
}
