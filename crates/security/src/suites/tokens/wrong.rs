//! Nobody gets in without a token, or with one that is none.

use anyhow::{Context, ensure};
use serde_json::json;
use std::sync::Arc;
use trigrun_core::{crypto, domain::access::TokenKind};

use super::{People, asks, look, people, refused};
use crate::{
    case::{Case, Family},
    system::System,
};

/// Lines of a head that let nobody in. `{token}` is a token that is good, `{rest}` what follows its `trg_`, `{session}` one of a person,
/// `{unknown}` well-formed, `{invitation}` for signing up. All of a kind get the same answer.
const WRONG: &[(&str, &[(&str, &str)])] = &[
    (
        "missing",
        &[
            ("no header", ""),
            ("the same header twice", "authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
            ("two headers, the first good", "authorization: Bearer {token}\r\nauthorization: Bearer x\r\n"),
            (
                "two headers, the second good",
                "authorization: Basic dTpw\r\nAuthorization: Bearer {token}\r\n",
            ),
            ("an API key", "x-api-key: {token}\r\n"),
            ("a cookie", "cookie: token={token}; authorization=Bearer {token}\r\n"),
            ("for a proxy", "proxy-authorization: Bearer {token}\r\n"),
        ],
    ),
    (
        "no bearer",
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
            ("one letter too many", "authorization: Bearer {token}0\r\n"),
            ("without its kind", "authorization: Bearer {rest}\r\n"),
            ("of no kind", "authorization: Bearer trx_{rest}\r\n"),
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
            ("what the database keeps of it", "authorization: Bearer {hash}\r\n"),
            ("a statement", "authorization: Bearer trg_' or 1=1 --\r\n"),
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
        asks("the right one, however Bearer is written", |system| Box::pin(right(system))),
        asks("bytes that are no text", |system| Box::pin(no_text(system))),
        asks("in the query", |system| Box::pin(elsewhere(system, "query"))),
        asks("in a body", |system| Box::pin(elsewhere(system, "body"))),
    ];
    for (kind, lines) in WRONG {
        let like = lines[0].1;
        for (name, line) in *lines {
            cases.push(Case::asks(Family::Tokens, format!("{kind}: {name}"), move |system| async move {
                wrong(&system, line, like).await
            }));
        }
    }
    cases
}

async fn wrong(system: &System, line: &str, like: &str) -> anyhow::Result<()> {
    let People { ada, invitation, .. } = people(system).await?;
    let unknown = crypto::new_token(TokenKind::Api).ok().context("no randomness")?;
    let (rest, session) = (&ada.token[4..], &ada.session[4..]);
    let hash = system.sql().await?.query_one("select encode(hash, 'hex') from tokens limit 1", &[]).await?;
    let fill = |line: &str| {
        line.replace("{token}", &ada.token)
            .replace("{rest}", rest)
            .replace("{rest of session}", session)
            .replace("{unknown}", unknown.reveal())
            .replace("{invitation}", invitation)
            .replace("{hash}", hash.get(0))
            .replace("{10 KB}", &"a".repeat(10_240))
    };
    let reply = look(system.api, "/v1/jobs", fill(line).as_bytes()).await?;
    refused(&reply)?;
    ensure!(!reply.text().contains(rest), "it repeats the token: {}", reply.text());
    let like = look(system.api, "/v1/jobs", fill(like).as_bytes()).await?;
    ensure!(reply.timeless() == like.timeless(), "{:?} is not {:?}", reply.timeless(), like.timeless());
    Ok(())
}

async fn right(system: Arc<System>) -> anyhow::Result<()> {
    let token = &people(&system).await?.ada.token;
    for line in
        ["authorization: Bearer {}\r\n", "Authorization: bearer {}\r\n", "AUTHORIZATION: BEARER  {}\r\n"]
    {
        for api in [system.api, system.strict_api] {
            look(api, "/v1/jobs", line.replace("{}", token).as_bytes()).await?.expect(200)?;
        }
    }
    Ok(())
}

async fn no_text(system: Arc<System>) -> anyhow::Result<()> {
    for bytes in [&b"\xff\xfe"[..], b"\xc3", b"trg_\x80", b"\xed\xa0\x80"] {
        let line = [b"authorization: Bearer ", bytes, b"\r\n"].concat();
        refused(&look(system.api, "/v1/jobs", &line).await?)?;
    }
    Ok(())
}

async fn elsewhere(system: Arc<System>, place: &str) -> anyhow::Result<()> {
    let token = &people(&system).await?.ada.token;
    for name in ["token", "access_token", "authorization", "api_key"] {
        let reply = if place == "query" {
            look(system.api, &format!("/v1/jobs?{name}={token}"), b"").await?
        } else {
            system
                .ask_as("", "POST", "/v1/schedules/preview", &json!({ name: token, "kind": "one_time" }))
                .await?
        };
        refused(&reply)?;
        ensure!(!reply.text().contains(token), "it repeats the token");
    }
    Ok(())
}
