//! Suite U: what unauthenticated requests and hostile jobs take of the memory of a process is bounded, however many there are.

use anyhow::ensure;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};
use trigrun_testkit::{due, raw_http::request, target::Script};

use crate::{
    case::{Case, Suite},
    system::{System, text},
};

/// Unauthenticated requests, all different.
const REQUESTS: usize = 20_000;
const CONNECTIONS: usize = 16;
/// Sent together, before the responses are read.
const PIPELINED: usize = 20;
/// By which the API may grow.
const MAX_API_GROWTH_MB: u64 = 32;
/// Passwords that are verified before, because the memory for that is kept: more at once than it is for.
const LOG_INS: usize = 30;

/// A small executor, of which docs/scaling.md says how much memory it needs.
const MAX_IN_FLIGHT: u64 = 256;
const MAX_BUFFERED_MB: u64 = 8;
const MAX_EXECUTOR_MB: u64 = 96 + MAX_IN_FLIGHT * 40 / 1024 + MAX_BUFFERED_MB * 3 / 2;
/// Hostile accounts, and the runs that each of them asks for of each of its jobs.
const ACCOUNTS: usize = 4;
const RUNS: usize = 24;
const END_TIMEOUT: Duration = Duration::from_secs(150);

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(Suite::Memory, "the API, under unauthenticated requests", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            unauthenticated(&system).await
        }),
        Case::dialling(Suite::Memory, "an executor, under hostile jobs", |system| async move {
            let _one_at_a_time = ONE_AT_A_TIME.lock().await;
            hostile_jobs(&system).await
        }),
    ]
}

async fn unauthenticated(system: &System) -> anyhow::Result<()> {
    let log_in = json!({ "email": "nobody@example.com", "password": "not the password" }).to_string();
    let headers = ["content-type: application/json".to_owned()];
    let log_ins =
        (0..LOG_INS).map(|_| request(system.api, "POST", "/v1/auth/login", &headers, log_in.as_bytes()));
    try_join_all(log_ins).await?;
    let before = system.reset_peak("api")?;
    let batches = (0..REQUESTS / PIPELINED).map(|batch| send_batch(system, batch * PIPELINED));
    stream::iter(batches).buffer_unordered(CONNECTIONS).try_for_each(|()| async { Ok(()) }).await?;
    let peak = system.peak_mb("api")?;
    println!("{REQUESTS} unauthenticated requests: the API grew from {before} MB to at most {peak} MB");
    ensure!(peak <= before + MAX_API_GROWTH_MB, "the API grew from {before} MB to {peak} MB");
    system.call("GET", "/v1/me", &Value::Null).await?.expect(200).map(drop)
}

/// Sends requests with these numbers over one connection. None gets 2xx, and none makes the API fail.
async fn send_batch(system: &System, first: usize) -> anyhow::Result<()> {
    let mut socket = TcpStream::connect(system.api).await?;
    let batch: Vec<u8> = (first..first + PIPELINED).flat_map(hostile).collect();
    let (mut reading, mut writing) = socket.split();
    let mut received = Vec::new();
    // The last request of a batch asks the API to close the connection.
    let (sent, read) = tokio::join!(writing.write_all(&batch), reading.read_to_end(&mut received));
    sent?;
    read?;
    let text = String::from_utf8_lossy(&received);
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).filter_map(|head| head.get(..3)).collect();
    ensure!(statuses.len() == PIPELINED, "{} responses: {statuses:?}", statuses.len());
    let is_refusal = |status: &&str| status.starts_with('4') || **status == *"503";
    ensure!(statuses.iter().all(is_refusal), "{statuses:?}");
    Ok(())
}

/// A request that is unlike all others.
fn hostile(number: usize) -> Vec<u8> {
    let long = |bytes: usize| format!("{number:08}{}", "a".repeat(bytes - 8));
    let ends = if number % PIPELINED == PIPELINED - 1 { "connection: close\r\n" } else { "" };
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}{ends}\r\n");
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{ends}content-length: {length}\r\n\r\n{body}"
        )
    };
    let text = match number % 10 {
        0 => get("/v1/jobs", &format!("authorization: Bearer trg_{}\r\n", long(43))),
        1 => get("/v1/jobs", &format!("authorization: Bearer {}\r\n", long(4_000))),
        2 => post("/v1/auth/login", &json!({ "email": long(8_000), "password": long(4_000) }).to_string()),
        3 => post("/v1/auth/signup", &json!({ "email": long(8_000), "password": "short" }).to_string()),
        4 => get(&format!("/v1/{}", long(2_000)), ""),
        5 => post("/v1/auth/login", &format!("{{\"{}", long(8_000))),
        6 => get("/v1/me", &format!("x-forwarded-for: {}\r\nx-request-id: {}\r\n", long(2_000), long(2_000))),
        7 => post("/v1/auth/signup", &json!({ "invitation": long(8_000), "name": long(4_000) }).to_string()),
        8 => get(&format!("/v1/jobs?name={}", long(2_000)), ""),
        // Only these get as far as the hash of a password, of which two at a time are computed.
        _ if number % 500 == 9 => post(
            "/v1/auth/login",
            &json!({ "email": format!("{}@example.com", long(200)), "password": "x" }).to_string(),
        ),
        _ => post("/v1/invitations/accept", &json!({ "invitation": long(8_000) }).to_string()),
    };
    text.into_bytes()
}

/// Everything at once that takes memory in an executor.
async fn hostile_jobs(system: &System) -> anyhow::Result<()> {
    let (permits, bytes) = (MAX_IN_FLIGHT.to_string(), (MAX_BUFFERED_MB * 1024 * 1024).to_string());
    let settings = [
        ("TRIGRUN__EXECUTOR__MAX_IN_FLIGHT", permits.as_str()),
        ("TRIGRUN__EXECUTOR__MAX_BUFFERED_BYTES", bytes.as_str()),
    ];
    let executor = format!("bounded-executor-{}", system.number());
    system.replace_executor(&executor, &settings).await?;
    let target = &system.targets()?.plain;
    let long = "a".repeat(250_000);
    let scripts = [
        ("never", Script::Never),
        ("large", Script::EndlessBody),
        ("chunks", Script::EndlessChunks),
        ("headers", Script::raw(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(42_000)))),
        ("drips", Script::DripHead(Duration::from_millis(50))),
    ];
    let mut runs = Vec::new();
    for account in 0..ACCOUNTS {
        let tenant = system.sign_up(&format!("hostile-{}", system.number())).await?;
        for (name, script) in &scripts {
            let path = format!("/memory/{account}/{name}/{}", system.number());
            target.respond(&path, script.clone());
            let request = json!({ "url": format!("http://93.184.216.34{path}"), "method": "POST",
                "body": long, "timeout_seconds": 10 });
            let job = json!({ "name": name, "kind": "cron", "schedule": { "cron": "0 0 1 1 *" },
                "request": request, "retry_policy": { "max_attempts": 1 } });
            let created = system.call_as(&tenant.token, "POST", "/v1/jobs", &job).await?.expect(201)?;
            runs.push((tenant.token.clone(), format!("/v1/jobs/{}/run-now", text(&created["id"])?)));
        }
    }
    let asked = runs.iter().flat_map(|(token, path)| (0..RUNS).map(move |_| ask(system, token, path)));
    let asked: Vec<(String, String)> = stream::iter(asked).buffered(8).try_collect().await?;
    for (token, path) in &asked {
        let has_ended = async || {
            let seen = system.call_as(token, "GET", path, &Value::Null).await;
            seen.is_ok_and(|seen| !seen.json()["finished_at"].is_null())
        };
        due::until(&format!("{path} ends"), END_TIMEOUT, has_ended).await?;
    }
    let peak = system.peak_mb(&executor)?;
    println!("{} hostile runs: the executor had at most {peak} MB of {MAX_EXECUTOR_MB} MB", asked.len());
    ensure!(peak <= MAX_EXECUTOR_MB, "the executor had {peak} MB, of {MAX_EXECUTOR_MB} MB");
    Ok(())
}

/// One run: the token, and where it can be seen.
async fn ask(system: &System, token: &str, path: &str) -> anyhow::Result<(String, String)> {
    let run = system.call_as(token, "POST", path, &Value::Null).await?.expect(202)?;
    Ok((token.to_owned(), format!("/v1/executions/{}", text(&run["id"])?)))
}
