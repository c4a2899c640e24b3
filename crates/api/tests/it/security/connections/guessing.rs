//! Guessing tokens and passwords is limited by client address, and does not limit other clients. Each case has its own address.

use anyhow::{Context, bail, ensure};
use futures_util::{
    TryStreamExt,
    future::try_join_all,
    stream::{self, StreamExt},
};
use serde_json::json;
use std::{
    net::SocketAddr,
    slice,
    sync::Arc,
    time::{Duration, Instant},
};
use trigrun_core::{crypto, domain::access::TokenKind};

use trigrun_testkit::raw_http::{RawResponse, request, request_from};

use crate::security::{
    case::Case,
    system::{PASSWORD, System},
};

/// The default limit of wrong guesses at once; one more is allowed each second.
const MAX_GUESSES: u64 = 60;
const GUESSES: u64 = 150;

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("guessing tokens", |system| async move {
            let from = address(&system);
            let asked = Instant::now();
            let responses = guess(&system, from, |_| String::new()).await?;
            are_limited(&responses, asked.elapsed(), &[401])?;
            let token = format!("authorization: Bearer {}", system.tenant().token);
            for _ in 0..10 {
                request_from(from, system.strict_api, "GET", "/v1/me", slice::from_ref(&token), b"")
                    .await?
                    .expect(200)?;
            }
            let wrong = request_from(from, system.strict_api, "GET", "/v1/me", &[], b"").await?;
            ensure!([401, 429].contains(&wrong.status), "{}", wrong.status);
            Ok(())
        }),
        Case::new("guessing tokens with forged forwarding headers", |system| async move {
            let asked = Instant::now();
            let forwarded = |n| {
                format!(
                    "x-forwarded-for: 9.9.{}.{}\r\nforwarded: for=9.9.9.{n}\r\nx-real-ip: 9.9.9.{n}",
                    n / 200,
                    n % 200
                )
            };
            let responses = guess(&system, address(&system), forwarded).await?;
            are_limited(&responses, asked.elapsed(), &[401])
        }),
        Case::new("guessing what cannot be a token", |system| async move {
            let (from, asked) = (address(&system), Instant::now());
            let wrong = ["authorization: Bearer x".to_owned()];
            let calls =
                (0..GUESSES).map(|_| request_from(from, system.strict_api, "GET", "/v1/me", &wrong, b""));
            are_limited(&try_join_all(calls).await?, asked.elapsed(), &[401])
        }),
        Case::new("guessing a password", guess_password),
        Case::new("guessing a password from one address", guess_password_from_one_address),
        Case::new("logging in while others guess from the same address", log_in_while_guessed),
        Case::new("signing up again and again", |system| async move {
            let from = address(&system);
            let body = json!({ "email": "ada@example.com", "password": PASSWORD, "workspace_name": "a", "invitation": "" });
            let refused = json_call(from, &system, "/v1/auth/signup", &body).await?;
            ensure!(refused.status == 422, "{}", refused.text());
            // An attempt costs a hash. An invalid request costs none and is not counted.
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

/// An address that no other case has.
fn address(system: &System) -> SocketAddr {
    let number = system.number();
    SocketAddr::from(([127, 77, (number >> 8) as u8, number as u8], 0))
}

/// Well-formed tokens, each a different one.
async fn guess(
    system: &Arc<System>,
    from: SocketAddr,
    more: impl Fn(u64) -> String,
) -> anyhow::Result<Vec<RawResponse>> {
    let calls = (0..GUESSES).map(|n| {
        let mut headers: Vec<String> = Some(more(n)).into_iter().filter(|more| !more.is_empty()).collect();
        async move {
            let wrong = crypto::new_token(TokenKind::Api).ok().context("no randomness")?;
            headers.push(format!("authorization: Bearer {}", wrong.reveal()));
            request_from(from, system.strict_api, "GET", "/v1/me", &headers, b"").await
        }
    });
    try_join_all(calls).await
}

/// Up to the limit, guesses get one of these statuses; all others have to wait.
fn are_limited(responses: &[RawResponse], took: Duration, evaluated: &[u16]) -> anyhow::Result<()> {
    let (refused, others): (Vec<&RawResponse>, Vec<&RawResponse>) =
        responses.iter().partition(|response| response.status == 429);
    for response in refused {
        response.expect_problem(429, "rate_limited")?;
        let wait: u64 = response.header("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=60).contains(&wait), "{wait}");
    }
    let unexpected = others.iter().find(|response| !evaluated.contains(&response.status));
    ensure!(unexpected.is_none(), "{unexpected:?}");
    // Two passwords are verified at once, and neither knows yet that the other is wrong.
    let (count, most) = (others.len() as u64, MAX_GUESSES + took.as_secs() + 2);
    ensure!((MAX_GUESSES..=most).contains(&count), "{count} of {} guesses were evaluated", responses.len());
    Ok(())
}

async fn json_call(
    from: SocketAddr,
    system: &System,
    path: &str,
    body: &serde_json::Value,
) -> anyhow::Result<RawResponse> {
    let headers = ["content-type: application/json".to_owned()];
    request_from(from, system.strict_api, "POST", path, &headers, body.to_string().as_bytes()).await
}

/// Of one user, from many addresses, eight at a time.
async fn guess_password(system: Arc<System>) -> anyhow::Result<()> {
    let guessed = system.sign_up(&format!("guessed-{}", system.number())).await?;
    let other = system.sign_up(&format!("other-{}", system.number())).await?;
    let right = |email: &str| json!({ "email": email, "password": PASSWORD });
    let home = address(&system);
    json_call(home, &system, "/v1/auth/login", &right(&guessed.email)).await?.expect(200)?;
    let wrong = json!({ "email": guessed.email, "password": "not the password" });
    let capitals = json!({ "email": guessed.email.to_uppercase(), "password": "not the password" });
    let asked = Instant::now();
    let calls = (0..GUESSES).map(|n| {
        let wrong = if n % 2 == 0 { &wrong } else { &capitals };
        json_call(address(&system), &system, "/v1/auth/login", wrong)
    });
    let responses: Vec<RawResponse> = stream::iter(calls).buffered(8).try_collect().await?;
    are_limited(&responses, asked.elapsed(), &[401])?;
    // The user still gets in from where they logged in before, and others from everywhere.
    let elsewhere = json_call(address(&system), &system, "/v1/auth/login", &right(&guessed.email)).await?;
    ensure!([200, 429].contains(&elsewhere.status), "{}", elsewhere.status);
    json_call(home, &system, "/v1/auth/login", &right(&guessed.email)).await?.expect(200)?;
    json_call(address(&system), &system, "/v1/auth/login", &right(&other.email)).await?.expect(200)?;
    let token = format!("authorization: Bearer {}", guessed.token);
    request(system.strict_api, "GET", "/v1/me", &[token], b"").await?.expect(200).map(drop)
}

/// Five wrong passwords at a time, with the user between them, who has logged in from there before.
async fn log_in_while_guessed(system: Arc<System>) -> anyhow::Result<()> {
    let guessed = system.sign_up(&format!("guessed-{}", system.number())).await?;
    let home = address(&system);
    let right = json!({ "email": guessed.email, "password": PASSWORD });
    json_call(home, &system, "/v1/auth/login", &right).await?.expect(200)?;
    let wrong = json!({ "email": guessed.email, "password": "not the password" });
    for _ in 0..4 {
        let guesses = try_join_all((0..5).map(|_| json_call(home, &system, "/v1/auth/login", &wrong)));
        let (guesses, own) =
            futures_util::future::try_join(guesses, json_call(home, &system, "/v1/auth/login", &right))
                .await?;
        own.expect(200)?;
        ensure!(
            guesses.iter().all(|guess| [401, 429].contains(&guess.status)),
            "a guess was not refused as such"
        );
    }
    Ok(())
}

/// Of one user, from one address: it ends far before the limit of the user.
async fn guess_password_from_one_address(system: Arc<System>) -> anyhow::Result<()> {
    let guessed = system.sign_up(&format!("guessed-{}", system.number())).await?;
    let (from, asked) = (address(&system), Instant::now());
    let wrong = json!({ "email": guessed.email, "password": "not the password" });
    let mut evaluated = 0;
    for _ in 0..30 {
        match json_call(from, &system, "/v1/auth/login", &wrong).await?.status {
            401 => evaluated += 1,
            429 => {}
            other => bail!("{other}"),
        }
    }
    let most = MAX_GUESSES / 6 + asked.elapsed().as_secs() / 60 + 1;
    ensure!((MAX_GUESSES / 6..=most).contains(&evaluated), "{evaluated}");
    let right = json!({ "email": guessed.email, "password": PASSWORD });
    json_call(address(&system), &system, "/v1/auth/login", &right).await?.expect(200).map(drop)
}
