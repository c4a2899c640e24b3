//! Family O: one key, many requests: what it makes is made once, whoever asks, wherever, and however often.

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use crate::{
    case::{Case, Family},
    system::{SCOPES, System, text},
    wire::{Reply, call},
};

/// What is no key, as bytes of a header.
const NO_KEYS: &[(&str, &str)] = &[
    ("an empty key", ""),
    ("a key of spaces", "   "),
    ("a key of 256 characters", "LONG"),
    ("a key that is not ASCII", "schlüssel"),
    ("a key with another header's break", "a\r\n b"),
    ("a key with NUL", "a\0b"),
    ("a key with a tab", "a\tb"),
    ("a key with a bare CR", "a\rb"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::asks(Family::Idempotency, "a hundred at once", |system| async move {
            let (key, token) = (key(&system), system.tenant().token.clone());
            let body = draft("once");
            let calls = (0..100).map(|_| create(system.api, &token, &key, &body));
            one_job(&system, &try_join_all(calls).await?, &token).await
        }),
        Case::asks(Family::Idempotency, "a hundred at two replicas", |system| async move {
            // Two tokens: replicas with different limits do not count the same one alike.
            let other = system.token(&system.tenant().session, &SCOPES).await?;
            let (key, token, body) = (key(&system), &system.tenant().token, draft("once"));
            let calls = (0..100).map(|n| match n % 2 {
                0 => create(system.api, token, &key, &body),
                _ => create(system.strict_api, &other, &key, &body),
            });
            one_job(&system, &try_join_all(calls).await?, token).await
        }),
        Case::asks(Family::Idempotency, "a hundred that differ", |system| async move {
            let (key, token) = (key(&system), system.tenant().token.clone());
            let bodies: Vec<Value> = (0..100).map(|n| draft(&format!("job {n}"))).collect();
            let calls = bodies.iter().map(|body| create(system.api, &token, &key, body));
            one_job(&system, &try_join_all(calls).await?, &token).await
        }),
        Case::asks(Family::Idempotency, "another request with the key", another_request),
        Case::asks(Family::Idempotency, "a hundred imports at once", imports),
        Case::asks(Family::Idempotency, "another import with the key", another_import),
        Case::asks(Family::Idempotency, "two workspaces with one key", |system| async move {
            let key = key(&system);
            let other = system.sign_up(&format!("other-{}", system.number())).await?;
            let mine = create(system.api, &system.tenant().token, &key, &draft("mine")).await?.expect(201)?;
            let theirs = create(system.api, &other.token, &key, &draft("theirs")).await?.expect(201)?;
            ensure!(mine["id"] != theirs["id"] && theirs["name"] == "theirs", "{mine} {theirs}");
            let again = create(system.api, &other.token, &key, &draft("theirs")).await?.expect(200)?;
            ensure!(again["id"] == theirs["id"], "{again}");
            Ok(())
        }),
        Case::asks(Family::Idempotency, "the key of a job that is gone", |system| async move {
            let (key, token) = (key(&system), &system.tenant().token);
            let first = create(system.api, token, &key, &draft("first")).await?.expect(201)?;
            let path = format!("/v1/jobs/{}", text(&first["id"])?);
            system.ask("DELETE", &path, &Value::Null).await?.expect(204)?;
            let second = create(system.api, token, &key, &draft("second")).await?.expect(201)?;
            ensure!(second["id"] != first["id"] && second["name"] == "second", "{second}");
            Ok(())
        }),
        Case::asks(Family::Idempotency, "the key of a request that was refused", |system| async move {
            let (key, token) = (key(&system), &system.tenant().token);
            let wrong = json!({ "name": "", "kind": "one_time", "request": { "url": "http://10.0.0.1/" } });
            create(system.api, token, &key, &wrong).await?.expect_problem(422, "validation_failed")?;
            create(system.api, token, &key, &draft("right")).await?.expect(201).map(drop)
        }),
        Case::asks(Family::Idempotency, "keys that are nearly alike", |system| async move {
            let (key, token) = (format!("key-{}", system.number()), &system.tenant().token);
            let keys =
                [key.clone(), key.to_uppercase(), format!("{key}x"), format!("{key}'--"), format!("{key}%")];
            let calls = keys
                .iter()
                .map(async |key| create(system.api, token, key, &draft("alike")).await?.expect(201));
            let made = try_join_all(calls).await?;
            let ids: HashSet<String> = made.iter().map(|job| job["id"].to_string()).collect();
            ensure!(ids.len() == keys.len(), "{ids:?}");
            Ok(())
        }),
        Case::asks(Family::Idempotency, "a key of 255 characters", |system| async move {
            let key = format!("{:a<255}", key(&system));
            let token = &system.tenant().token;
            let first = create(system.api, token, &key, &draft("long")).await?.expect(201)?;
            let again = create(system.api, token, &key, &draft("long")).await?.expect(200)?;
            ensure!(first["id"] == again["id"], "{again}");
            Ok(())
        }),
        Case::asks(Family::Idempotency, "a key of 10 KB", |system| async move {
            let reply =
                create(system.api, &system.tenant().token, &"a".repeat(10_240), &draft("long")).await?;
            reply.expect_wrong("Idempotency-Key", "idempotency_key_invalid")
        }),
        Case::asks(Family::Idempotency, "fifty run-nows at once are fifty runs", |system| async move {
            let job = paused(&system).await?;
            fifty_runs(&system, &format!("/v1/jobs/{job}/run-now"), "manual").await
        }),
        Case::asks(Family::Idempotency, "fifty replays at once are fifty runs", |system| async move {
            let job = paused(&system).await?;
            let run =
                system.ask("POST", &format!("/v1/jobs/{job}/run-now"), &Value::Null).await?.expect(202)?;
            fifty_runs(&system, &format!("/v1/executions/{}/replay", text(&run["id"])?), "replay").await
        }),
        Case::asks(Family::Idempotency, "a hundred run-nows with a key are one run", |system| async move {
            let path = format!("/v1/jobs/{}/run-now", paused(&system).await?);
            one_run(&system, &path).await
        }),
        Case::asks(Family::Idempotency, "a hundred replays with a key are one run", |system| async move {
            let job = paused(&system).await?;
            let run =
                system.ask("POST", &format!("/v1/jobs/{job}/run-now"), &Value::Null).await?.expect(202)?;
            one_run(&system, &format!("/v1/executions/{}/replay", text(&run["id"])?)).await
        }),
        Case::asks(Family::Idempotency, "the key of another run", |system| async move {
            let (key, token) = (key(&system), &system.tenant().token);
            let run = async |job: String| {
                keyed(system.api, token, &key, &format!("/v1/jobs/{job}/run-now"), &Value::Null).await
            };
            run(paused(&system).await?).await?.expect(202)?;
            run(paused(&system).await?).await?.expect_problem(409, "idempotency_key_reused")
        }),
        Case::asks(Family::Idempotency, "fifty deletions at once", |system| async move {
            let made = system.ask("POST", "/v1/jobs", &draft("gone")).await?.expect(201)?;
            let path = format!("/v1/jobs/{}", text(&made["id"])?);
            let calls = (0..50).map(|_| system.ask("DELETE", &path, &Value::Null));
            let statuses: Vec<u16> = try_join_all(calls).await?.iter().map(|reply| reply.status).collect();
            ensure!(statuses.iter().all(|status| [204, 404].contains(status)), "{statuses:?}");
            ensure!(statuses.contains(&204), "{statuses:?}");
            system.ask("GET", &path, &Value::Null).await?.expect(404).map(drop)
        }),
        Case::asks(Family::Idempotency, "fifty patches of one version: one is first", first_patch),
    ];
    for (name, no_key) in NO_KEYS {
        cases.push(Case::asks(Family::Idempotency, *name, move |system| async move {
            let no_key = no_key.replace("LONG", &"a".repeat(256));
            let label = format!("no-key-{}", system.number());
            let reply = create(system.api, &system.tenant().token, &no_key, &draft(&label)).await?;
            // What is no header at all is refused before the API sees it.
            if reply.status != 400 {
                reply.expect_wrong("Idempotency-Key", "idempotency_key_invalid")?;
            }
            let found = system.ask("GET", &format!("/v1/jobs?q={label}"), &Value::Null).await?.expect(200)?;
            ensure!(found["data"] == json!([]), "{found}");
            Ok(())
        }));
    }
    cases
}

/// One that nobody has used.
fn key(system: &System) -> String {
    format!("key-{}", system.number())
}

/// A job that runs never by itself.
fn draft(name: &str) -> Value {
    json!({ "name": name, "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "paused",
        "request": { "url": "https://example.com/" } })
}

async fn paused(system: &System) -> anyhow::Result<String> {
    let request = json!({ "url": "http://nowhere.invalid/", "timeout_seconds": 1 });
    let mut job = draft("runs");
    job["request"] = request;
    job["retry_policy"] = json!({ "max_attempts": 1 });
    text(&system.ask("POST", "/v1/jobs", &job).await?.expect(201)?["id"])
}

async fn create(api: SocketAddr, token: &str, key: &str, body: &Value) -> anyhow::Result<Reply> {
    keyed(api, token, key, "/v1/jobs", body).await
}

async fn keyed(api: SocketAddr, token: &str, key: &str, path: &str, body: &Value) -> anyhow::Result<Reply> {
    let headers = [
        format!("authorization: Bearer {token}"),
        "content-type: application/json".to_owned(),
        format!("idempotency-key: {key}"),
    ];
    call(api, "POST", path, &headers, body.to_string().as_bytes()).await
}

/// One has made it, all others are told that it was made before.
async fn one_job(system: &System, replies: &[Reply], token: &str) -> anyhow::Result<()> {
    let first = replies.iter().find(|reply| reply.status == 201).context("nobody made it")?.json();
    let mut made = 0;
    for reply in replies {
        ensure!([200, 201].contains(&reply.status), "{} {}", reply.status, reply.text());
        ensure!(
            reply.json()["id"] == first["id"] && reply.json()["name"] == first["name"],
            "{}",
            reply.text()
        );
        ensure!(
            (reply.status == 200) == (reply.header("idempotent-replayed") == Some("true")),
            "{}",
            reply.head
        );
        made += usize::from(reply.status == 201);
    }
    ensure!(made == 1, "it was made {made} times");
    let path = format!("/v1/jobs/{}", text(&first["id"])?);
    system.ask_as(token, "GET", &path, &Value::Null).await?.expect(200).map(drop)
}

/// The answer is the first one's job, and nothing of the second is done.
async fn another_request(system: Arc<System>) -> anyhow::Result<()> {
    let (key, token) = (key(&system), &system.tenant().token);
    let first = create(system.api, token, &key, &draft("first")).await?.expect(201)?;
    let once = json!({ "name": "second", "kind": "one_time", "request": { "url": "https://example.com/" } });
    let wrong = json!({ "name": "third", "kind": "no kind", "request": { "url": "http://10.0.0.1/" } });
    for other in [draft("second"), once, wrong] {
        let reply = create(system.api, token, &key, &other).await?;
        ensure!(reply.header("idempotent-replayed") == Some("true"), "{}", reply.head);
        let job = reply.expect(200)?;
        ensure!(job["id"] == first["id"] && job["name"] == "first" && job["version"] == 1, "{job}");
        ensure!(job["execution_id"].is_null(), "{job}");
    }
    Ok(())
}

fn crontab(lines: &[&str]) -> Value {
    json!({ "crontab": lines.join("\n"), "state": "paused" })
}

async fn imports(system: Arc<System>) -> anyhow::Result<()> {
    let (key, token) = (key(&system), &system.tenant().token);
    let body = crontab(&["@daily https://example.com/a", "@hourly https://example.com/b"]);
    let calls = (0..100).map(|_| keyed(system.api, token, &key, "/v1/jobs/import", &body));
    let replies = try_join_all(calls).await?;
    let (mut ids, mut made) = (HashSet::new(), 0);
    for reply in &replies {
        ensure!([200, 201].contains(&reply.status), "{} {}", reply.status, reply.text());
        made += usize::from(reply.status == 201);
        let created = reply.json()["created"].as_array().cloned().unwrap_or_default();
        ensure!(created.len() == 2, "{}", reply.text());
        ids.extend(created.iter().map(|made| made["job"]["id"].to_string()));
    }
    ensure!(ids.len() == 2 && made == 1, "it was made {made} times: {ids:?}");
    Ok(())
}

async fn another_import(system: Arc<System>) -> anyhow::Result<()> {
    let (key, token) = (key(&system), &system.tenant().token);
    let import =
        async |lines: &[&str]| keyed(system.api, token, &key, "/v1/jobs/import", &crontab(lines)).await;
    import(&["@daily https://example.com/a"]).await?.expect(201)?;
    import(&["@hourly https://example.com/b"]).await?.expect_problem(409, "idempotency_key_reused")
}

/// At two replicas, too.
async fn one_run(system: &System, path: &str) -> anyhow::Result<()> {
    let other = system.token(&system.tenant().session, &SCOPES).await?;
    let (key, token) = (key(system), &system.tenant().token);
    let calls = (0..100).map(|n| match n % 2 {
        0 => keyed(system.api, token, &key, path, &Value::Null),
        _ => keyed(system.strict_api, &other, &key, path, &Value::Null),
    });
    let replies = try_join_all(calls).await?;
    let made = replies.iter().filter(|reply| reply.status == 202).count();
    ensure!(made == 1, "{made} were made");
    for reply in replies.iter().filter(|reply| reply.status != 202) {
        reply.expect(200)?;
        ensure!(reply.header("idempotent-replayed") == Some("true"), "{}", reply.head);
    }
    let ids: HashSet<String> = replies.iter().map(|reply| reply.json()["id"].to_string()).collect();
    ensure!(ids.len() == 1, "{ids:?}");
    Ok(())
}

/// Without a key: as many as are asked for.
async fn fifty_runs(system: &System, path: &str, source: &str) -> anyhow::Result<()> {
    let calls = (0..50).map(async |_| system.ask("POST", path, &Value::Null).await?.expect(202));
    let runs = try_join_all(calls).await?;
    ensure!(runs.iter().all(|run| run["source"] == source), "{runs:?}");
    let ids: HashSet<String> = runs.iter().map(|run| run["id"].to_string()).collect();
    ensure!(ids.len() == 50, "{} runs", ids.len());
    Ok(())
}

async fn first_patch(system: Arc<System>) -> anyhow::Result<()> {
    let made = system.ask("POST", "/v1/jobs", &draft("before")).await?.expect(201)?;
    let path = format!("/v1/jobs/{}", text(&made["id"])?);
    let headers = [
        format!("authorization: Bearer {}", system.tenant().token),
        "content-type: application/json".to_owned(),
        "if-match: \"1\"".to_owned(),
    ];
    let calls = (0..50).map(|n| {
        let (body, headers, path) = (json!({ "name": format!("after {n}") }).to_string(), &headers, &path);
        let api = system.api;
        async move { call(api, "PATCH", path, headers, body.as_bytes()).await }
    });
    let replies = try_join_all(calls).await?;
    let first = replies.iter().filter(|reply| reply.status == 200).count();
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.expect_problem(412, "version_mismatch")?;
    }
    ensure!(first == 1, "{first} were first");
    let now = system.ask("GET", &path, &Value::Null).await?.expect(200)?;
    ensure!(now["version"] == 2, "{now}");
    Ok(())
}
