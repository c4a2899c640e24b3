//! Guessing tokens and passwords: slow for whoever guesses, and for nobody else. Every case comes from an address of its own, for which the
//! API counts.

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::json;
use std::{
    net::SocketAddr,
    slice,
    sync::Arc,
    time::{Duration, Instant},
};
use trigrun_core::{crypto, domain::access::TokenKind};

use crate::{
    case::{Case, Family},
    system::{PASSWORD, System},
    wire::{Reply, call, call_from},
};

/// By default, so many wrong guesses pass, and another one each second.
const GUESSES: u64 = 60;
const TRIED: u64 = 150;

pub fn cases() -> Vec<Case> {
    vec![
        Case::asks(Family::Door, "guessing tokens", |system| async move {
            let from = address(&system);
            let asked = Instant::now();
            let replies = guess(&system, from, |_| String::new()).await?;
            held_up(&replies, asked.elapsed(), &[401])?;
            let token = format!("authorization: Bearer {}", system.tenant().token);
            for _ in 0..10 {
                call_from(from, system.strict_api, "GET", "/v1/me", slice::from_ref(&token), b"")
                    .await?
                    .expect(200)?;
            }
            let wrong = call_from(from, system.strict_api, "GET", "/v1/me", &[], b"").await?;
            ensure!([401, 429].contains(&wrong.status), "{}", wrong.status);
            Ok(())
        }),
        Case::asks(Family::Door, "guessing tokens as if for others", |system| async move {
            let asked = Instant::now();
            let forwarded = |n| {
                format!(
                    "x-forwarded-for: 9.9.{}.{}\r\nforwarded: for=9.9.9.{n}\r\nx-real-ip: 9.9.9.{n}",
                    n / 200,
                    n % 200
                )
            };
            let replies = guess(&system, address(&system), forwarded).await?;
            held_up(&replies, asked.elapsed(), &[401])
        }),
        Case::asks(Family::Door, "guessing what cannot be a token", |system| async move {
            let (from, asked) = (address(&system), Instant::now());
            let wrong = ["authorization: Bearer x".to_owned()];
            let calls = (0..TRIED).map(|_| call_from(from, system.strict_api, "GET", "/v1/me", &wrong, b""));
            held_up(&try_join_all(calls).await?, asked.elapsed(), &[401])
        }),
        Case::asks(Family::Door, "guessing a password", guess_password),
        Case::asks(Family::Door, "signing up again and again", |system| async move {
            let from = address(&system);
            let body = json!({ "email": "ada@example.com", "password": PASSWORD, "workspace_name": "a", "invitation": "" });
            let refused = json_call(from, &system, "/v1/auth/signup", &body).await?;
            ensure!(refused.status == 422, "{}", refused.text());
            // Each try costs a hash; what is no try costs none and is not counted.
            let taken =
                json!({ "email": system.tenant().email, "password": PASSWORD, "workspace_name": "a" });
            let mut statuses = Vec::new();
            for _ in 0..34 {
                statuses.push(json_call(from, &system, "/v1/auth/signup", &taken).await?.status);
            }
            ensure!(statuses[..30].iter().all(|status| [409, 503].contains(status)), "{statuses:?}");
            ensure!(statuses[31..].iter().all(|status| *status == 429), "{statuses:?}");
            Ok(())
        }),
    ]
}

/// One that nobody else has.
fn address(system: &System) -> SocketAddr {
    let number = system.number();
    SocketAddr::from(([127, 77, (number >> 8) as u8, number as u8], 0))
}

/// Tokens that could be ones, each another.
async fn guess(
    system: &Arc<System>,
    from: SocketAddr,
    more: impl Fn(u64) -> String,
) -> anyhow::Result<Vec<Reply>> {
    let calls = (0..TRIED).map(|n| {
        let mut headers: Vec<String> = Some(more(n)).into_iter().filter(|more| !more.is_empty()).collect();
        async move {
            let wrong = crypto::new_token(TokenKind::Api).ok().context("no random numbers")?;
            headers.push(format!("authorization: Bearer {}", wrong.reveal()));
            call_from(from, system.strict_api, "GET", "/v1/me", &headers, b"").await
        }
    });
    try_join_all(calls).await
}

/// So many are told that they are wrong, all others to wait.
fn held_up(replies: &[Reply], took: Duration, judged: &[u16]) -> anyhow::Result<()> {
    let (refused, others): (Vec<&Reply>, Vec<&Reply>) = replies.iter().partition(|reply| reply.status == 429);
    for reply in refused {
        reply.expect_problem(429, "rate_limited")?;
        let wait: u64 = reply.header("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=60).contains(&wait), "{wait}");
    }
    let wrong = others.iter().find(|reply| !judged.contains(&reply.status));
    ensure!(wrong.is_none(), "{wrong:?}");
    let (count, most) = (others.len() as u64, GUESSES + took.as_secs() + 1);
    ensure!((GUESSES..=most).contains(&count), "{count} of {} guesses were judged", replies.len());
    Ok(())
}

async fn json_call(
    from: SocketAddr,
    system: &System,
    path: &str,
    body: &serde_json::Value,
) -> anyhow::Result<Reply> {
    let headers = ["content-type: application/json".to_owned()];
    call_from(from, system.strict_api, "POST", path, &headers, body.to_string().as_bytes()).await
}

/// Of one person, from many addresses.
async fn guess_password(system: Arc<System>) -> anyhow::Result<()> {
    let guessed = system.sign_up(&format!("guessed-{}", system.number())).await?;
    let other = system.sign_up(&format!("other-{}", system.number())).await?;
    let wrong = json!({ "email": guessed.email, "password": "not the password" });
    let asked = Instant::now();
    let capitals = json!({ "email": guessed.email.to_uppercase(), "password": "not the password" });
    let calls = (0..TRIED).map(|n| {
        let wrong = if n % 2 == 0 { &wrong } else { &capitals };
        json_call(address(&system), &system, "/v1/auth/login", wrong)
    });
    // Each that is judged costs a hash, and few are computed at once: not all are received in time.
    held_up(&try_join_all(calls).await?, asked.elapsed(), &[401, 503])?;
    let right = json!({ "email": other.email, "password": PASSWORD });
    json_call(address(&system), &system, "/v1/auth/login", &right).await?.expect(200)?;
    let token = format!("authorization: Bearer {}", guessed.token);
    call(system.strict_api, "GET", "/v1/me", &[token], b"").await?.expect(200).map(drop)
}
