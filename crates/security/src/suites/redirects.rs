//! Suite C: redirects are recorded, and not followed.

use anyhow::ensure;
use serde_json::json;
use std::sync::Arc;
use trigrun_testkit::target::Script;

use super::execution::Ended;
use crate::{
    case::{Case, Suite},
    system::System,
};

const REDIRECTS: [&str; 4] =
    ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1/", "//10.0.0.1/", "http://[::1]/"];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in [301, 302, 303, 307, 308, 300, 304] {
        for to in REDIRECTS {
            cases.push(Case::dialling(Suite::Redirects, format!("{status} to {to}"), move |system| {
                redirected(system, status, to)
            }));
        }
    }
    cases.push(Case::dialling(Suite::Redirects, "200 with Refresh and Location", |system| async move {
        let script = Script::status(200)
            .header("refresh", "0; url=http://10.0.0.1/")
            .header("location", "http://10.0.0.1/");
        let path = format!("/refresh/{}", system.number());
        system.targets()?.plain.respond(&path, script);
        Ended(system.run(json!({ "url": format!("http://93.184.216.34{path}") })).await?).has_succeeded()
    }));
    cases
}

async fn redirected(system: Arc<System>, status: u16, to: &'static str) -> anyhow::Result<()> {
    let path = format!("/redirect/{}", system.number());
    let target = &system.targets()?.plain;
    target.respond(&path, Script::status(status).header("location", to));
    let ended = Ended(system.run(json!({ "url": format!("http://93.184.216.34{path}") })).await?);
    let attempt = ended.attempt();
    ensure!(attempt["status"] == "http_error" && attempt["status_code"] == status, "{attempt}");
    ensure!(attempt["response_headers"].to_string().contains(to), "the Location is not recorded: {attempt}");
    Ok(())
}
