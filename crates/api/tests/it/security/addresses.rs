//! Suite A: forbidden addresses and names in URLs, in every spelling, at each entry point that takes a URL.
//!
//! The cases that dial an address are in `crates/security`.

use anyhow::ensure;
use serde_json::{Value, json};
use std::sync::Arc;
use trigrun_testkit::forbidden_hosts::{ADDRESSES, INVALID_HOSTS, NAMES};

use super::{
    case::{Attempt, Case, Suite},
    system::{System, once, text},
};

pub fn suite() -> Suite {
    let addresses = ADDRESSES.iter().flat_map(|host| at_each_entry_point(host, "url_address_refused"));
    let names = NAMES.iter().flat_map(|host| at_each_entry_point(host, "url_name_refused"));
    let invalid = INVALID_HOSTS.iter().flat_map(|host| at_each_entry_point(host, "url_host"));
    Suite { letter: 'A', cases: addresses.chain(names).chain(invalid).collect() }
}

fn at_each_entry_point(host: &'static str, code: &'static str) -> Vec<Case> {
    let url = format!("http://{host}/latest/");
    let case = |name: &str, attempt: fn(Arc<System>, String, &'static str) -> Attempt| {
        let url = url.clone();
        Case::new(format!("{name}: {host}"), move |system| attempt(system, url.clone(), code))
    };
    vec![
        case("a job", |system, url, code| Box::pin(create_job(system, url, code))),
        case("a patch", |system, url, code| Box::pin(patch_job(system, url, code))),
        case("an import", |system, url, code| Box::pin(import_job(system, url, code))),
        case("a batch", |system, url, code| Box::pin(create_in_a_batch(system, url, code))),
        case("a channel", |system, url, code| Box::pin(create_channel(system, url, code))),
        case("a patched channel", |system, url, code| Box::pin(patch_channel(system, url, code))),
    ]
}

async fn create_job(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let response = system.call("POST", "/v1/jobs", &once(json!({ "url": url }))).await?;
    response.expect_invalid("/request/url", code)
}

async fn patch_job(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let draft = json!({ "name": "draft", "kind": "one_time", "state": "draft", "request": { "url": "https://example.com/" } });
    let draft = system.call("POST", "/v1/jobs", &draft).await?.expect(201)?;
    let path = format!("/v1/jobs/{}", text(&draft["id"])?);
    let response = system.call("PATCH", &path, &json!({ "request": { "url": url } })).await?;
    response.expect_invalid("/request/url", code)?;
    let after = system.call("GET", &path, &Value::Null).await?.expect(200)?;
    ensure!(
        after["request"]["url"] == "https://example.com/" && after["version"] == draft["version"],
        "{after}"
    );
    Ok(())
}

async fn create_in_a_batch(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let job = json!({ "name": "a", "kind": "one_time", "request": { "url": url } });
    let batch = json!({ "items": [job] });
    system.call("POST", "/v1/jobs/batch", &batch).await?.expect_invalid("/items/0/request/url", code)
}

async fn import_job(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let import = json!({ "crontab": format!("@daily {url}\n") });
    system.call("POST", "/v1/jobs/import", &import).await?.expect_invalid("/crontab/1", code)
}

async fn create_channel(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    for kind in ["webhook", "slack", "discord"] {
        let channel =
            json!({ "name": format!("c{}", system.number()), "type": kind, "config": { "url": url } });
        let response = system.call("POST", "/v1/notification-channels", &channel).await?;
        response.expect_invalid("/config/url", code)?;
    }
    Ok(())
}

async fn patch_channel(system: Arc<System>, url: String, code: &str) -> anyhow::Result<()> {
    let name = format!("c{}", system.number());
    let channel = json!({ "name": name, "type": "webhook", "config": { "url": "https://example.com/" } });
    let created = system.call("POST", "/v1/notification-channels", &channel).await?.expect(201)?;
    let path = format!("/v1/notification-channels/{}", text(&created["id"])?);
    let response = system.call("PATCH", &path, &json!({ "config": { "url": url } })).await?;
    // The number of channels is limited.
    system.call("DELETE", &path, &Value::Null).await?.expect(204)?;
    response.expect_invalid("/config/url", code)
}
