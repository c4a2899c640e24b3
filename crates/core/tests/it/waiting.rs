//! Executions that wait for capacity: in Postgres, in a queue per job.

use chrono::TimeDelta;
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use trigrun_core::{
    domain::{
        execution::Status,
        id::{AccountId, ExecutionId, ExecutorId, JobId},
    },
    store::{
        dispatch,
        leases::{self, AfterRelease, JobCapacity, Lease, WaitingJob},
        lower_bound::BEGINNING,
    },
};
use trigrun_testkit::jobs::every_seconds;

use crate::leases::Bench;

const URL: &str = "http://192.0.2.1/";

impl Bench {
    /// Leases an execution and releases it, because there is no capacity for it.
    async fn wait(&self, session: ExecutorId, id: ExecutionId) {
        let lease = self.lease(session, &[id]).await.remove(0);
        assert_eq!(self.release(session, &lease, AfterRelease::Wait).await, 1);
    }

    async fn waiting_jobs(&self, after: Option<&WaitingJob>, limit: i64) -> Vec<WaitingJob> {
        leases::waiting_jobs(&mut *self.db.conn().await, after, limit).await.unwrap()
    }

    /// Of these jobs, with a limit each, and in all.
    async fn lease_waiting(&self, session: ExecutorId, jobs: &[(JobId, usize)], limit: usize) -> Vec<Lease> {
        let jobs = capacities(jobs);
        let leased =
            leases::lease_waiting(&mut *self.db.conn().await, self.workspace, session, &jobs, limit).await;
        leased.unwrap()
    }

    async fn waiting_limited(&self, jobs: &[(JobId, usize)]) -> HashMap<JobId, Vec<ExecutionId>> {
        let jobs = capacities(jobs);
        leases::waiting_limited(&mut *self.db.conn().await, self.workspace, &jobs).await.unwrap()
    }

    /// Makes so many executions of the job wait, and returns them.
    async fn waiting(&self, session: ExecutorId, count: usize) -> Vec<ExecutionId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.run_now().await);
            self.wait(session, ids[ids.len() - 1]).await;
        }
        ids
    }
}

fn capacities(jobs: &[(JobId, usize)]) -> Vec<JobCapacity> {
    jobs.iter().map(|&(job, limit)| JobCapacity { job, limit }).collect()
}

/// How many leases there are of each job.
fn counts(leases: &[Lease]) -> HashMap<JobId, usize> {
    let mut counts = HashMap::new();
    leases.iter().for_each(|lease| *counts.entry(lease.job).or_default() += 1);
    counts
}

#[tokio::test]
async fn nothing_announces_an_execution_that_waits_for_capacity() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, id) = (bench.session().await, bench.run_now().await);
    bench.wait(session, id).await;
    let execution = bench.get(id).await;
    assert_eq!((execution.status, execution.attempt_count, execution.attempts.len()), (Status::Queued, 0, 0));
    let mut conn = bench.db.conn().await;
    assert!(dispatch::claim_unpublished(&mut conn, BEGINNING, Duration::ZERO, 10).await.unwrap().is_empty());
    assert!(leases::due(&mut conn, BEGINNING, TimeDelta::zero(), 10).await.unwrap().is_empty());
    assert!(dispatch::overdue_shards(&mut conn, BEGINNING, Duration::ZERO).await.unwrap().is_empty());
    // A second dispatch message of it does no harm.
    assert_eq!(bench.lease(session, &[id]).await.len(), 1);
    assert!(bench.waiting_jobs(None, 10).await.is_empty());
}

#[tokio::test]
async fn executors_share_what_waits_oldest_first() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, other) = (bench.session().await, bench.session().await);
    let ids = bench.waiting(session, 5).await;
    let [job] = bench.waiting_jobs(None, 10).await[..] else { panic!("one job waits") };
    let account = AccountId::from_uuid(bench.workspace.uuid());
    assert_eq!(job, WaitingJob { account, workspace: bench.workspace, job: bench.job });
    let first = bench.lease_waiting(session, &[(job.job, 2)], 10).await;
    let executions: Vec<ExecutionId> = first.iter().map(|lease| lease.execution).collect();
    assert!(executions.iter().all(|id| ids[..2].contains(id)), "{executions:?} of {ids:?}");
    assert_eq!(bench.lease_waiting(other, &[(job.job, 10)], 10).await.len(), 3);
    assert!(
        bench.lease_waiting(other, &[(job.job, 10)], 10).await.is_empty()
            && bench.waiting_jobs(None, 10).await.is_empty()
    );
}

#[tokio::test]
async fn one_statement_leases_from_many_jobs_within_the_limit_of_each_and_of_all() {
    let mut bench = Bench::new(&every_seconds(3600, URL)).await;
    let session = bench.session().await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        bench.waiting(session, 4).await;
        jobs.push(bench.job);
        bench.job = bench.db.job(bench.workspace, &every_seconds(3600, URL)).await;
    }
    let [first, second, third] = jobs[..] else { unreachable!() };
    let leased = bench.lease_waiting(session, &[(first, 1), (second, 3)], 10).await;
    assert_eq!(counts(&leased), HashMap::from([(first, 1), (second, 3)]), "the third was not asked for");
    let leased = bench.lease_waiting(session, &[(first, 9), (second, 9), (third, 9)], 5).await;
    assert_eq!(leased.len(), 5);
    let leased = bench.lease_waiting(session, &[(first, 9), (second, 9), (third, 9)], 10).await;
    assert_eq!(leased.len(), 12 - 4 - 5);
}

#[tokio::test]
async fn a_job_of_another_workspace_is_not_leased_from() {
    let mut bench = Bench::new(&every_seconds(3600, URL)).await;
    let session = bench.session().await;
    bench.waiting(session, 1).await;
    let job = bench.job;
    bench.workspace = bench.db.workspace("another").await;
    assert!(bench.lease_waiting(session, &[(job, 9)], 9).await.is_empty());
    assert!(bench.waiting_limited(&[(job, 9)]).await.is_empty());
}

#[tokio::test]
async fn executors_that_lease_at_the_same_time_get_different_ones() {
    let mut bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, other) = (bench.session().await, bench.session().await);
    let mut jobs = Vec::new();
    for _ in 0..4 {
        bench.waiting(session, 5).await;
        jobs.push((bench.job, 5));
        bench.job = bench.db.job(bench.workspace, &every_seconds(3600, URL)).await;
    }
    let (mine, theirs) =
        tokio::join!(bench.lease_waiting(session, &jobs, 20), bench.lease_waiting(other, &jobs, 20));
    let all: HashSet<ExecutionId> = mine.iter().chain(&theirs).map(|lease| lease.execution).collect();
    assert_eq!(all.len(), mine.len() + theirs.len());
    let rest = bench.lease_waiting(session, &jobs, 20).await;
    assert_eq!(all.len() + rest.len(), 20);
}

#[tokio::test]
async fn every_job_is_found_whatever_waits_before_it() {
    let mut bench = Bench::new(&every_seconds(3600, URL)).await;
    let session = bench.session().await;
    for _ in 0..5 {
        for _ in 0..3 {
            let id = bench.run_now().await;
            bench.wait(session, id).await;
        }
        bench.job = bench.db.job(bench.workspace, &every_seconds(3600, URL)).await;
    }
    let all = bench.waiting_jobs(None, 10).await;
    assert_eq!(all.len(), 5);
    assert_eq!(bench.waiting_jobs(None, 2).await, all[..2]);
    assert_eq!(bench.waiting_jobs(Some(&all[1]), 2).await, all[2..4]);
    let around = [&all[4..], &all[..2]].concat();
    assert_eq!(bench.waiting_jobs(Some(&all[3]), 3).await, around, "it begins again after the last");
}

#[tokio::test]
async fn a_slot_is_still_needed() {
    let mut definition = every_seconds(3600, URL);
    definition.concurrency_limit = Some(1);
    let bench = Bench::new(&definition).await;
    let session = bench.session().await;
    let (first, second) = (bench.run_now().await, bench.run_now().await);
    bench.wait(session, first).await;
    bench.wait(session, second).await;
    let job = bench.job;
    let unlimited = bench.db.job(bench.workspace, &every_seconds(3600, URL)).await;
    assert!(bench.lease_waiting(session, &[(job, 10), (unlimited, 10)], 10).await.is_empty());
    let waiting = bench.waiting_limited(&[(unlimited, 10), (job, 1)]).await;
    assert_eq!(waiting, HashMap::from([(job, vec![first])]));
    let waiting = bench.waiting_limited(&[(job, 10)]).await.remove(&job).unwrap();
    assert_eq!(waiting, [first, second]);
    let leased = bench.lease(session, &waiting).await;
    assert_eq!((leased.len(), leased[0].execution), (1, first));
    assert_eq!(
        bench.db.count("select count(*) from runs where waits_for_slot and not waits_for_capacity").await,
        1
    );
}

#[tokio::test]
async fn an_execution_waits_without_a_lease() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, id, leased) = (bench.session().await, bench.run_now().await, bench.run_now().await);
    bench.lease(session, &[leased]).await;
    leases::wait(&mut *bench.db.conn().await, &[id, leased]).await.unwrap();
    assert_eq!(bench.db.count("select count(*) from runs where waits_for_capacity").await, 1);
    let mut conn = bench.db.conn().await;
    assert!(dispatch::claim_unpublished(&mut conn, BEGINNING, Duration::ZERO, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cancelled_execution_does_not_wait() {
    let bench = Bench::new(&every_seconds(3600, URL)).await;
    let (session, id) = (bench.session().await, bench.run_now().await);
    bench.wait(session, id).await;
    let cancelled = leases::cancel(&mut *bench.db.conn().await, bench.workspace, id).await.unwrap();
    assert_eq!(cancelled, None);
    assert!(bench.waiting_jobs(None, 10).await.is_empty());
}
