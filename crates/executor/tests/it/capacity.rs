//! What one account may hold of an executor, and what the others still get.

use chrono::TimeDelta;
use std::time::Duration;
use trigrun_core::{
    domain::{
        execution::Status,
        id::{ExecutionId, WorkspaceId},
        request::Body,
        workspace::shard,
    },
    store::leases,
};
use trigrun_testkit::{due, target::Script};

use crate::bench::{Bench, DEADLINE};

const PLACES: usize = 16;

impl Bench {
    /// Runs of one job to a target that accepts and does not respond in time.
    async fn hanging(&self, count: usize) -> Vec<ExecutionId> {
        self.target.respond("/hanging", Script::status(200).after(2 * DEADLINE));
        let job = self.db.job(self.workspace, &self.definition("/hanging")).await;
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.run_in(job, TimeDelta::zero()).await);
            self.publish(ids[ids.len() - 1]).await;
        }
        ids
    }

    async fn waiting(&self) -> i64 {
        self.db.count("select count(*) from runs where waits_for_capacity").await
    }

    async fn neighbour_in_the_same_shard(&self) -> WorkspaceId {
        loop {
            let neighbour = self.db.workspace("neighbour").await;
            if shard(neighbour) == shard(self.workspace) {
                return neighbour;
            }
        }
    }
}

#[tokio::test]
async fn hanging_targets_delay_no_neighbour() {
    let mut bench = Bench::new().await;
    bench.settings.executor.max_in_flight = PLACES;
    bench.settings.executor.account_percent = 100;
    let executor = bench.executor();
    let greedy = bench.workspace;
    let hanging = bench.hanging(3 * PLACES).await;
    // All of them were met, and those beyond its share wait.
    let met = async || bench.waiting().await + bench.target.hits().len() as i64 == 3 * PLACES as i64;
    due::until("every run was met", DEADLINE, met).await.unwrap();
    let held = bench.target.hits().len();
    assert!((1..=PLACES / 2).contains(&held), "{held}");
    for _ in 0..3 {
        bench.workspace = bench.neighbour_in_the_same_shard().await;
        let id = bench.published(&bench.definition("/hook")).await;
        assert_eq!(bench.ended(id).await.status, Status::Succeeded);
    }
    // Another job of the greedy workspace has a place as well.
    bench.workspace = greedy;
    let id = bench.published(&bench.definition("/hook")).await;
    assert_eq!(bench.ended(id).await.status, Status::Succeeded);
    // What waits runs when the places become free.
    bench.target.respond("/hanging", Script::status(200));
    let mut conn = bench.db.conn().await;
    for id in &hanging {
        let _ended_already = leases::cancel(&mut conn, greedy, *id).await.unwrap();
        if bench.target.hits().len() > held + PLACES {
            break;
        }
        tokio::task::yield_now().await;
    }
    due::until("nothing waits", DEADLINE, async || bench.waiting().await == 0).await.unwrap();
    executor.stop().await;
}

#[tokio::test]
async fn what_waits_runs_when_a_place_is_free() {
    let mut bench = Bench::new().await;
    bench.settings.executor.max_in_flight = 4;
    let executor = bench.executor();
    bench.target.respond("/slow", Script::status(200).after(Duration::from_millis(300)));
    let job = bench.db.job(bench.workspace, &bench.definition("/slow")).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(bench.run_in(job, TimeDelta::zero()).await);
        bench.publish(ids[ids.len() - 1]).await;
    }
    for id in ids {
        let execution = bench.ended(id).await;
        assert_eq!((execution.status, execution.attempt_count), (Status::Succeeded, 1));
    }
    executor.stop().await;
}

#[tokio::test]
async fn workspaces_of_one_creator_share_a_part() {
    let mut bench = Bench::new().await;
    bench.settings.executor.max_in_flight = PLACES;
    bench.settings.executor.account_percent = 100;
    let executor = bench.executor();
    bench.target.respond("/hanging", Script::status(200).after(2 * DEADLINE));
    let creator = "update workspaces set created_by = '00000000-0000-0000-0000-000000000001'";
    for _ in 0..4 {
        bench.workspace = bench.db.workspace("one of many").await;
        bench.db.execute(creator).await;
        bench.hanging(PLACES).await;
    }
    let met = async || bench.waiting().await + bench.target.hits().len() as i64 == 4 * PLACES as i64;
    due::until("every run was met", DEADLINE, met).await.unwrap();
    let held = bench.target.hits().len();
    assert!(held <= PLACES / 2, "{held}");
    bench.workspace = bench.db.workspace("another").await;
    let id = bench.published(&bench.definition("/hook")).await;
    assert_eq!(bench.ended(id).await.status, Status::Succeeded);
    executor.stop().await;
}

#[tokio::test]
async fn large_bodies_are_sent_whole_a_few_at_a_time() {
    let mut bench = Bench::new().await;
    bench.settings.executor.max_buffered_bytes = 16 * 1024 * 1024;
    let executor = bench.executor();
    let mut definition = bench.definition("/large");
    definition.request.method = trigrun_core::domain::request::Method::Post;
    let body = format!("{{{{uuid}}}}{}", "x".repeat(200_000));
    definition.request.body = Some(Body::Text(body.clone()));
    let job = bench.db.job(bench.workspace, &definition).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(bench.run_in(job, TimeDelta::zero()).await);
        bench.publish(ids[ids.len() - 1]).await;
    }
    for id in ids {
        assert_eq!(bench.ended(id).await.status, Status::Succeeded);
    }
    for hit in bench.target.hits() {
        assert_eq!(hit.body.len(), body.len() - "{{uuid}}".len() + 36);
    }
    executor.stop().await;
}
