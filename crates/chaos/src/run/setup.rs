//! What is special about the run of a scenario, and the notification rules of its jobs.

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;
use trigrun_core::domain::id::JobId;
use trigrun_testkit::client::Request;

use super::Run;
use crate::{
    api::{Reply, call},
    cluster::Layout,
    load::{Kind, LoadJob, Plan},
    servers::ServerFaults,
};

#[derive(Clone)]
pub struct Setup {
    pub server_faults: ServerFaults,
    pub layout: Layout,
    pub plan: Plan,
    /// The average time between two requests of a client, of which each tenant has one; `None` for no clients.
    pub client_pause: Option<Duration>,
    /// How many jobs notify a channel of their ends.
    pub jobs_with_rules: usize,
    /// From the last fire to the end of the last execution.
    pub drain_timeout: Duration,
    pub seed: u64,
    pub mutant: Option<String>,
}

impl Setup {
    pub fn new(seed: u64) -> Self {
        Self {
            server_faults: ServerFaults::default(),
            layout: Layout::default(),
            plan: Plan::default(),
            client_pause: Some(Duration::from_millis(150)),
            jobs_with_rules: 8,
            drain_timeout: Duration::from_secs(60),
            seed,
            mutant: None,
        }
    }
}

impl Run {
    /// Failing jobs notify a webhook of each failure, others of each completion.
    pub(super) async fn create_rules(&self, count: usize) -> anyhow::Result<()> {
        for (index, tenant) in self.load.tenants.iter().enumerate() {
            let of_tenant = self.load.jobs.iter().filter(|job| job.tenant == index);
            let suitable =
                of_tenant.filter(|job| matches!(job.kind, Kind::Failing | Kind::Fast | Kind::OneAtATime));
            let jobs: Vec<&LoadJob> = suitable.take(count.div_ceil(self.load.tenants.len())).collect();
            if count == 0 || jobs.is_empty() {
                continue;
            }
            let config = json!({ "url": self.recorder.url("/notify") });
            let channel = json!({ "name": "recorder", "type": "webhook", "config": config });
            let channel = self.post(&tenant.token, "/v1/notification-channels".into(), &channel).await;
            ensure!(channel.status == Some(201), "no channel: {channel:?}");
            for job in jobs {
                let event = if job.kind == Kind::Failing { "on_failure" } else { "on_completion" };
                let path = format!("/v1/jobs/{}/notification-rules", JobId::from_uuid(job.id));
                let rule = json!({ "channel_id": channel.body["id"], "event": event });
                let rule = self.post(&tenant.token, path, &rule).await;
                ensure!(rule.status == Some(201), "no rule: {rule:?}");
            }
        }
        Ok(())
    }

    async fn post(&self, token: &str, path: String, body: &Value) -> Reply {
        call(self.cluster.apis()[0], token, Request::new(Method::POST, path).json(body)).await
    }
}
